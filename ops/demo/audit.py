"""The audit: what the journal holds against what was meant and what was answered.

It adds up the journal's lines by itself and works out from the plan what they should come to, so
that a mistake of the engine is not made twice.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Final, TypeAlias

from msgspec import Struct

from engine.accounts import (
    BANK_SETTLEMENT,
    OPERATOR_REVENUE,
    OWED_FARES,
    PROGRAMME_FUND,
    PURSE,
    AccountKind,
    Posting,
)
from engine.transaction import Entry, Grant, Intent, Issue, Tap, TopUp
from ops.demo.city import Planned
from ops.demo.network import Network
from ops.demo.prices import At, due_rp

Identity: TypeAlias = tuple[str, int]
"""Terminal and counter."""

Account: TypeAlias = tuple[int, str]
"""Kind and owner."""

DIFFERENCES_MAX: Final = 20
"""As many as a person reads; the sum and the counts cover all."""


class Answer(Struct, frozen=True, gc=False):
    """What the node acknowledged: where the entry stands and why it was refused, if it was."""

    position: int
    reason: str


class Audit(Struct, frozen=True):
    """What the audit found.

    Attributes:
      entries: how many the journal holds.
      lost: transactions that were acknowledged, and are absent or different.
      doubled: transactions that stand more than once, under one identity or two.
      strangers: entries that nobody planned.
      ledger: balances in rupiah by account, added up from the journal.
      expected: what the transactions acknowledged as posted come to.
    """

    entries: int
    lost: int
    doubled: int
    strangers: int
    ledger: dict[Account, int]
    expected: dict[Account, int]

    @property
    def differences(self) -> tuple[str, ...]:
        """The first accounts that do not hold what they should."""
        accounts = sorted(self.ledger.keys() | self.expected.keys())
        return tuple(islice(filter(None, map(self._difference, accounts)), DIFFERENCES_MAX))

    @property
    def sum_of_accounts_rp(self) -> int:
        """Zero, if nothing was made or lost."""
        return sum(self.ledger.values())

    @property
    def ok(self) -> bool:
        """Whether everything balanced."""
        faults = self.lost + self.doubled + self.strangers + len(self.differences)
        return faults == 0 and self.sum_of_accounts_rp == 0

    def total_rp(self, kind: int) -> int:
        """Return the sum of all accounts of a kind."""
        return sum(amount_rp for account, amount_rp in self.ledger.items() if account[0] == kind)

    def _difference(self, account: Account) -> str:
        meant_rp, found_rp = self.expected.get(account, 0), self.ledger.get(account, 0)
        if meant_rp == found_rp:
            return ""
        name = f"{AccountKind(account[0]).name.lower()} {account[1]}"
        return f"{name}: Rp{meant_rp:,} acknowledged, Rp{found_rp:,} in the ledger"


def audit(
    entries: Iterable[Entry],
    network: Network,
    planned: Iterable[Planned],
    answers: Mapping[Identity, Answer],
) -> Audit:
    """Compare the journal with the plan and the answers.

    Args:
      entries: the whole journal, from position 0 on.
      network: with the price list.
      planned: every transaction that was to be sent.
      answers: by identity, every transaction that was acknowledged.
    """
    meant = {(plan.terminal, plan.counter): plan for plan in planned}
    ledger, expected = Counter[Account](), Counter[Account]()
    identities, contents = set[Identity](), set[tuple[int, Intent]]()
    count = kept = doubled = strangers = 0
    for position, entry in enumerate(entries):
        count += 1
        identity, content = (entry.terminal, entry.counter), (entry.at_ms, entry.intent)
        _add(ledger, entry.postings)
        again = identity in identities or (entry.posted and content in contents)
        doubled += again
        identities.add(identity)
        if entry.posted:
            contents.add(content)
        plan, answer = meant.get(identity), answers.get(identity)
        strangers += plan is None
        if plan and answer and not again:
            kept += _is_kept(position, entry, plan, answer)
    done = [meant[identity] for identity, answer in answers.items() if not answer.reason]
    for plan in done:
        _add(expected, moves(plan.intent))
    _add(expected, rides(network, done))
    return Audit(
        entries=count,
        lost=len(answers) - kept,
        doubled=doubled,
        strangers=strangers,
        ledger=dict(ledger),
        expected=dict(expected),
    )


def moves(intent: Intent) -> tuple[Posting, ...]:
    """Return what an intent of the demo moves by itself when it is posted: kind, owner, rupiah.

    Of a tap that is what a chip pays; who gets it depends on all taps of the card.
    """
    match intent:
        case TopUp(card=card, bank=bank, amount_rp=amount_rp):
            return ((BANK_SETTLEMENT, bank, -amount_rp), (PURSE, card, amount_rp))
        case Tap(card=card, amount_rp=amount_rp) if amount_rp:
            return ((PURSE, card, -amount_rp), (OWED_FARES, card, amount_rp))
        case _:
            return ()


def rides(network: Network, done: Iterable[Planned]) -> Iterator[Posting]:
    """Yield what the rides of cards come to: kind, owner, rupiah.

    Args:
      network: with the price list.
      done: all that was posted of these cards.
    """
    taps: defaultdict[str, list[At]] = defaultdict(list)
    payers: dict[str, Account] = {}
    for plan in done:
        match plan.intent:
            case Tap(card=card) as tap:
                taps[card].append((plan.at_ms, tap))
            case Issue(card=card, medium=medium):
                payers.setdefault(card, (OWED_FARES if medium == "stored" else PURSE, card))
            case Grant(card=card, programme=programme):
                payers[card] = (PROGRAMME_FUND, programme)
            case _:
                pass
    for card, found in taps.items():
        for operator, amount_rp in due_rp(network, found).items():
            yield (*payers[card], -amount_rp)
            yield (OPERATOR_REVENUE, operator, amount_rp)


def _is_kept(position: int, entry: Entry, plan: Planned, answer: Answer) -> bool:
    moved = () if answer.reason else moves(plan.intent)
    # What a tap adds to the price of its card depends on the others: accounts tell it in the end.
    is_priced = isinstance(plan.intent, Tap) and not answer.reason
    return (
        answer == Answer(position, entry.reason)
        and (entry.at_ms, entry.intent) == (plan.at_ms, plan.intent)
        and (is_priced or _net(entry.postings) == _net(moved))
    )


def _add(balances: Counter[Account], postings: Iterable[Posting]) -> None:
    for kind, owner, amount_rp in postings:
        balances[kind, owner] += amount_rp


def _net(postings: Iterable[Posting]) -> dict[Account, int]:
    balances = Counter[Account]()
    _add(balances, postings)
    return {account: amount_rp for account, amount_rp in balances.items() if amount_rp}
