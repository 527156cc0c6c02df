"""The same sums, done a second time: what entries should move, without the engine's arithmetic."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import TypeAlias

from engine.accounts import Account, Posting
from engine.book import TransactionId
from engine.card import CardStatus
from engine.errors import Reason
from engine.rules.purses import PurseLimits, PurseRules
from engine.transaction import (
    Adjustment,
    Block,
    Close,
    Entry,
    Grant,
    Group,
    Hold,
    Identify,
    Issue,
    Post,
    Purchase,
    Refund,
    Replace,
    Reversal,
    Revoke,
    Share,
    Subsidy,
    Tap,
    TopUp,
    Unblock,
    Void,
    Withdrawal,
)
from tests.engine.ledger import WIB

Net: TypeAlias = Counter[Account]
"""Rupiah by account; each purse is an account of its own."""

PURSE, PROGRAMME_PURSE, OPERATOR, MERCHANT, BANK, IN_TRANSIT, FUND, FEES, FLOAT, SUSPENSE = range(
    1, 11
)

When: TypeAlias = date | tuple[int, int]
"""A day, or the year and month of one."""


def purse(card: str, programme: str) -> Account:
    return (PROGRAMME_PURSE, f"{card}/{programme}") if programme else (PURSE, card)


def net(lines: Iterable[Posting]) -> Net:
    """Return what lines come to on each account; nothing is left out but zeros."""
    total: Net = Counter()
    for kind, owner, amount_rp in lines:
        total[kind, owner] += amount_rp
    return Counter({account: rp for account, rp in total.items() if rp})


def moved(payer: Account, payee: Account, amount_rp: int) -> Net:
    return net([(*payer, -amount_rp), (*payee, amount_rp)])


def plus(one: Net, other: Net, sign: int = 1) -> Net:
    return net([*lines_of(one), *lines_of(other, sign)])


def lines_of(total: Net, sign: int = 1) -> list[Posting]:
    return [(kind, owner, sign * rp) for (kind, owner), rp in total.items()]


def day_in_jakarta(time_ms: int) -> date:
    return datetime.fromtimestamp(time_ms // 1000, WIB).date()


def may_be_a_name(text: str) -> bool:
    return re.fullmatch(r"[!-~]+", text) is not None and not re.search(r"[/*]", text)


def may_be_an_owner(text: str) -> bool:
    """Tell whether a text may own an account: a name, or two with a slash between them."""
    return all(may_be_a_name(name) for name in text.split("/", 1))


def part_lines(part: Tap | Purchase | TopUp | Subsidy | Share) -> Net:
    """Return what a movement of money should come to."""
    match part:
        case Tap():
            payer = purse(part.card, part.purse)
            return moved(payer, (OPERATOR, part.operator), part.amount_rp)
        case Purchase():
            payer = purse(part.card, part.purse)
            return moved(payer, (MERCHANT, part.merchant), part.amount_rp)
        case Subsidy():
            return moved((FUND, part.programme), (OPERATOR, part.operator), part.amount_rp)
        case Share():
            return moved((OPERATOR, part.operator), (OPERATOR, part.to_operator), part.amount_rp)
        case TopUp(purse=programme) if programme and part.leg != "bank":
            return moved((FUND, programme), purse(part.card, programme), part.amount_rp)
        case TopUp():
            taken = (IN_TRANSIT if part.leg == "chip" else BANK, part.bank)
            target = (IN_TRANSIT, part.bank) if part.leg == "bank" else (PURSE, part.card)
            fee = moved(taken, (FEES, "top_up"), part.fee_rp)
            return plus(moved(taken, target, part.amount_rp), fee)


def group_part_lines(group: Group, part: Tap | Purchase | TopUp | Subsidy | Share) -> Net:
    """Return what a part should come to: what it says of a foreign card belongs to nobody yet."""
    lines = part_lines(part)
    if isinstance(part, Subsidy | Share) or part.card == group.card:
        return lines
    foreign = purse(part.card, part.purse)
    rp = lines.pop(foreign, 0)
    return plus(lines, net([(SUSPENSE, "purse", rp)]))


@dataclass(frozen=True)
class Held:
    """Money set aside."""

    card: str
    purse: Account
    payee: Account
    amount_rp: int
    expires_ms: int


@dataclass(frozen=True)
class Granted:
    """What a card is entitled to, on days counted from 1970-01-01."""

    group: str
    holder: str
    since_day: int
    until_day: int


@dataclass
class Figures:
    """What the entries so far come to."""

    balances: Net = field(default_factory=Counter)
    spent: Counter[tuple[Account, When]] = field(default_factory=Counter)
    received: Counter[tuple[Account, When]] = field(default_factory=Counter)
    cash: Counter[tuple[Account, When]] = field(default_factory=Counter)
    status: dict[str, CardStatus] = field(default_factory=dict)
    medium: dict[str, str] = field(default_factory=dict)
    registered: dict[str, bool] = field(default_factory=dict)
    bank: dict[str, str] = field(default_factory=dict)
    successor: dict[str, str] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)
    holds: dict[TransactionId, Held] = field(default_factory=dict)
    entries: dict[TransactionId, Entry] = field(default_factory=dict)
    left: dict[TransactionId, Net] = field(default_factory=dict)
    returned: Counter[TransactionId] = field(default_factory=Counter)
    grants: dict[tuple[str, str], Granted] = field(default_factory=dict)

    def copy(self) -> Figures:
        """Return a copy whose money can be moved without moving ours."""
        copy = Figures(**vars(self))
        copy.balances, copy.spent = self.balances.copy(), self.spent.copy()
        copy.received = self.received.copy()
        return copy

    def heir(self, card: str) -> str:
        while card in self.successor:
            card = self.successor[card]
        return card

    def inherited(self, account: Account, original: Entry) -> Account:
        """Return the account that stands in for one of a card that was replaced meanwhile."""
        card, _, programme = account[1].partition("/")
        stays = Reason.CARD_REPLACED in original.exceptions
        if account[0] > PROGRAMME_PURSE or stays or isinstance(original.intent, Adjustment):
            return account
        return purse(self.heir(card), programme)

    def held_rp(self, account: Account, now_ms: int) -> int:
        held = self.holds.values()
        return sum(h.amount_rp for h in held if h.purse == account and h.expires_ms > now_ms)

    def limits(self, account: Account, rules: PurseRules) -> PurseLimits:
        card, _, programme = account[1].partition("/")
        if programme:
            return rules.programmes.get(programme, rules.programme)
        return rules.registered if self.registered.get(card) else rules.unregistered

    def hand_on(self, old: str, new: str) -> None:
        """Let the sums and holds of a card go on with the one that replaced it."""
        for identity, held in self.holds.items():
            if held.card == old:
                moved_on = purse(new, held.purse[1].partition("/")[2])
                self.holds[identity] = replace(held, card=new, purse=moved_on)
        for sums in (self.spent, self.received, self.cash):
            for (account, when), rp in tuple(sums.items()):
                card, _, programme = account[1].partition("/")
                if card == old:
                    sums[purse(new, programme), when] += rp

    def others(self, intent: Grant, today: int) -> list[Granted]:
        """Return what stands against a grant: of the person elsewhere, of others on the card."""
        wanted = (intent.group, intent.holder)
        return [
            granted
            for (card, programme), granted in self.grants.items()
            if programme == intent.programme
            and granted.until_day >= today
            and (
                (granted.group, granted.holder) != wanted
                if card == intent.card
                else granted.holder == intent.holder
            )
        ]

    def grant(self, intent: Grant) -> None:
        """Let a grant take the place of the one before it, whose days it may go on with."""
        key = (intent.card, intent.programme)
        before, since_day = self.grants.get(key), intent.since_day
        same = before and (before.group, before.holder) == (intent.group, intent.holder)
        if before and same and since_day in range(before.since_day, before.until_day + 2):
            since_day = before.since_day
        self.grants[key] = Granted(intent.group, intent.holder, since_day, intent.until_day)

    def end_grants(self, card: str, new_card: str = "") -> None:
        """Let a card that ends have no grants, and the one that takes over have them."""
        for (name, programme), granted in tuple(self.grants.items()):
            if name == card:
                del self.grants[name, programme]
                if new_card:
                    self.grants[new_card, programme] = granted

    def count(
        self, lines: Iterable[Posting], when: date, sign: int = 1, *, in_day: bool = True
    ) -> None:
        """Count payments (or with sign -1, what is given back of them) in the sums of a day."""
        month = (when.year, when.month)
        for kind, owner, rp in lines:
            if kind <= PROGRAMME_PURSE and sign * rp < 0:
                self.spent[(kind, owner), month] -= rp
                self.spent[(kind, owner), when] -= rp if in_day else 0
            elif kind <= PROGRAMME_PURSE:
                self.received[(kind, owner), month] += rp

    def count_cash(self, lines: Iterable[Posting], when: date) -> None:
        """Count what a withdrawal takes, or what is given back of one."""
        for kind, owner, rp in lines:
            if kind <= PROGRAMME_PURSE:
                self.cash[(kind, owner), (when.year, when.month)] -= rp

    def lines(self, entry: Entry) -> Net:
        """Return what a posted entry should come to."""
        intent = entry.intent
        match intent:
            case Tap() | Purchase() | TopUp() | Subsidy() | Share():
                return part_lines(intent)
            case Group():
                total: Net = Counter()
                for part in intent.parts:
                    total = plus(total, group_part_lines(intent, part))
                return total
            case Adjustment():
                return net(intent.lines)
            case Withdrawal():
                payer = purse(intent.card, intent.purse)
                return moved(payer, (BANK, intent.bank), intent.amount_rp)
            case Post():
                held = self.holds[intent.terminal, intent.counter]
                return moved(held.purse, held.payee, intent.amount_rp)
            case Reversal() | Refund():
                return self._returned_lines(intent)
            case Close() | Replace():
                return self._ending_lines(intent)
            case Issue() | Block() | Unblock() | Hold() | Void() | Grant() | Revoke() | Identify():
                return Counter()

    def returned_part(self, intent: Reversal | Refund) -> Net:
        """Return what goes back, on the accounts of the original."""
        left = self.left[intent.terminal, intent.counter]
        if isinstance(intent, Reversal):
            return plus(Counter(), left, -1)
        amount_rp = intent.amount_rp
        return net(
            (kind, owner, -amount_rp if rp > 0 else amount_rp) for (kind, owner), rp in left.items()
        )

    def _returned_lines(self, intent: Reversal | Refund) -> Net:
        back = self.returned_part(intent)
        original = self.entries[intent.terminal, intent.counter]
        return net((*self.inherited(account, original), rp) for account, rp in back.items())

    def _ending_lines(self, intent: Close | Replace) -> Net:
        total: Net = Counter()
        for account, rp in self.balances.items():
            card, _, programme = account[1].partition("/")
            if account[0] > PROGRAMME_PURSE or card != intent.card:
                continue
            if isinstance(intent, Replace):
                target = purse(intent.new_card, programme)
            else:
                target = (FUND, programme) if programme else (BANK, self.bank[card])
            total = plus(total, moved(account, target, rp))
        return total
