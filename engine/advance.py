"""What an entry does to a card: the one transition function of its state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from engine.accounts import MERCHANT_PAYABLE, OPERATOR_REVENUE, Postings, card_in
from engine.calendar import day_of
from engine.card import Card, CardStatus, Granted, HeldAmount
from engine.chips import CardChip
from engine.fares.kept import with_entry
from engine.purses import (
    EMPTY,
    Step,
    after_lines,
    correct,
    joined,
    pay,
    ride,
    undo_cash_this_month,
    undo_this_month,
    undo_today,
    withdraw,
)
from engine.tally import joined_tallies
from engine.transaction import (
    Adjustment,
    Block,
    Close,
    Entry,
    Grant,
    Hold,
    Identify,
    Intent,
    Issue,
    Post,
    Refund,
    Replace,
    Reversal,
    Revoke,
    Tap,
    Unblock,
    Void,
    Withdrawal,
)
from engine.verdict import (
    RETURN_CASH_THIS_MONTH,
    RETURN_CASH_TODAY,
    RETURN_THIS_MONTH,
    RETURN_TODAY,
    RETURN_UNCOUNTED,
)

RETURNS: Final = frozenset({Reversal, Refund})
"""Intents that name an earlier transaction, and through it a card."""

REFERRING: Final = RETURNS | {Post, Void}
"""Intents that may belong to another card than they name: to the one that has taken over."""

PAYEE_KINDS: Final = {"operator": OPERATOR_REVENUE, "merchant": MERCHANT_PAYABLE}
"""Kinds of account that a hold may pay."""

# What is given back comes off the sums that the original was added to: only those of the same
# day or month, and of none where the original was a correction.
_RETURN_STEPS: Final[dict[str, Step]] = {
    RETURN_TODAY: undo_today,
    RETURN_THIS_MONTH: undo_this_month,
    RETURN_CASH_TODAY: withdraw,
    RETURN_CASH_THIS_MONTH: undo_cash_this_month,
    RETURN_UNCOUNTED: correct,
}
_OTHER_STEPS: Final[dict[type[Intent], Step]] = {
    Adjustment: correct,
    Replace: correct,
    Close: correct,
    Tap: ride,
    Withdrawal: withdraw,
}


def card_of(intent: Intent, postings: Postings) -> str:
    """Return the card that a transaction belongs to, or the empty name.

    What refers to an earlier transaction names no card, or the one of that time; its lines tell
    whose money it moves.
    """
    if type(intent) in REFERRING:
        return card_in(postings) or intent.card
    return intent.card


def unknown_card(name: str) -> Card:
    """Return the state of a card that is first heard of through an advice."""
    return Card(name, "stored", "", CardStatus.UNISSUED)


def advance(card: Card | None, entry: Entry, position: int) -> Card:
    """Return the card after one of its entries, which stands at `position`.

    `card` is None for a card that does not exist yet; its first entry brings it into being.
    """
    if card is None:
        card = unknown_card(card_of(entry.intent, entry.postings))
    main, programmes = card.main, card.programmes
    if entry.postings:
        step = step_of(entry)
        main, programmes = after_lines(card, entry.postings, step, entry.decided_ms)
    after = Card(
        card.id,
        card.medium,
        card.bank,
        card.status,
        card.registered,
        main,
        position,
        programmes,
        card.holds,
        card.successor,
        card.replaced,
        card.before,
        card.grants,
        card.kept if entry.rating is None else with_entry(card.kept, entry, entry.rating),
        card.tally if entry.tally is None else entry.tally,
        card.chip,
    )
    if entry.chip is not None and entry.unproved:
        after = _doubted(after, entry)
    change = _CHANGES.get(type(entry.intent))
    return after if change is None or entry.reason else change(after, entry)


def step_of(entry: Entry) -> Step:
    """Return how the lines of an entry count in the sums of a purse."""
    kind = type(entry.intent)
    if kind in RETURNS:
        return _RETURN_STEPS[entry.rule]
    return _OTHER_STEPS.get(kind, pay)


def successor(old: Card, known: Card | None, entry: Entry, position: int) -> Card:
    """Return the card that takes over from an old one by a `replace` entry.

    Its limits and quotas go on where those of the old card stood, what was held is held on, what
    was granted is granted on, and its history goes on too: the entry's `previous` leads there.
    Where an advice was faster to tell of it (`known`), it keeps what happened on it.
    """
    intent = entry.intent
    assert isinstance(intent, Replace)
    programmes = {name: replace(purse, balance_rp=0) for name, purse in old.programmes}
    fresh = Card(
        intent.new_card,
        old.medium,
        old.bank,
        registered=old.registered,
        main=replace(old.main, balance_rp=0),
        last=position,
        holds=old.holds,
        grants=old.grants,
        tally=old.tally,
        chip=CardChip(intent.chip or b""),
    )
    if known is not None:
        main = joined(fresh.main, known.main, entry.decided_ms)
        for name, purse in known.programmes:
            programmes[name] = joined(programmes.get(name, EMPTY), purse, entry.decided_ms)
        tally = joined_tallies(fresh.tally, known.tally)
        fresh = replace(fresh, main=main, before=known.last, tally=tally)
    fresh = replace(fresh, programmes=tuple(programmes.items()))
    main, moved = after_lines(fresh, entry.postings, correct, entry.decided_ms)
    return replace(fresh, main=main, programmes=moved)


def _doubted(card: Card, entry: Entry) -> Card:
    """Return the card after an advice that no chip has proved."""
    assert entry.chip is not None
    day = day_of(entry.decided_ms)
    chip = CardChip(card.chip.uid, day, card.chip.unproved_on(day) + 1)
    status = CardStatus.BLOCKED if entry.chip.blocks else card.status
    return replace(card, chip=chip, status=status)


def _issued(card: Card, entry: Entry) -> Card:
    intent = entry.intent
    assert isinstance(intent, Issue)
    return replace(
        card,
        medium=intent.medium,
        bank=intent.bank,
        status=CardStatus.ACTIVE,
        registered=intent.registered,
        chip=replace(card.chip, uid=intent.chip or b""),
    )


def _replaced(card: Card, entry: Entry) -> Card:
    intent = entry.intent
    assert isinstance(intent, Replace)
    return replace(
        card,
        status=CardStatus.REPLACED,
        successor=intent.new_card,
        replaced=card.last,
        holds=(),
        grants=(),
    )


def _held(card: Card, entry: Entry) -> Card:
    intent = entry.intent
    assert isinstance(intent, Hold)
    hold = HeldAmount(
        entry.terminal,
        entry.counter,
        intent.purse,
        intent.amount_rp,
        PAYEE_KINDS[intent.payee],
        intent.payee_name,
        entry.decided_ms + intent.expires_after_ms,
    )
    # Expired holds are listed until there is a new one, so that a late `post` is told the reason.
    return replace(card, holds=(*card.open_holds(entry.decided_ms), hold))


def _released(card: Card, entry: Entry) -> Card:
    intent = entry.intent
    assert isinstance(intent, Post | Void)
    taken = (intent.terminal, intent.counter)
    kept = tuple(hold for hold in card.holds if (hold.terminal, hold.counter) != taken)
    return replace(card, holds=kept)


def _granted(card: Card, entry: Entry) -> Card:
    intent = entry.intent
    assert isinstance(intent, Grant)
    before, since_day = card.last_grant(intent.programme), intent.since_day
    if before is not None and (before.group, before.holder) == (intent.group, intent.holder):
        # A renewal may come early: until its first day the grant before it goes on.
        follows_on = before.since_day < since_day <= before.until_day + 1
        since_day = before.since_day if follows_on else since_day
    granted = Granted(intent.programme, intent.group, intent.holder, since_day, intent.until_day)
    return replace(card, grants=(*_without(card, intent.programme), granted))


def _revoked(card: Card, entry: Entry) -> Card:
    assert isinstance(entry.intent, Revoke)
    return replace(card, grants=_without(card, entry.intent.programme))


def _without(card: Card, programme: str) -> tuple[Granted, ...]:
    return tuple(granted for granted in card.grants if granted.programme != programme)


_CHANGES: Final[dict[type[Intent], Callable[[Card, Entry], Card]]] = {
    Issue: _issued,
    Block: lambda card, _: replace(card, status=CardStatus.BLOCKED),
    Unblock: lambda card, _: replace(card, status=CardStatus.ACTIVE),
    Replace: _replaced,
    Close: lambda card, _: replace(card, status=CardStatus.CLOSED, holds=(), grants=()),
    Hold: _held,
    Post: _released,
    Void: _released,
    Grant: _granted,
    Revoke: _revoked,
    Identify: lambda card, _: replace(card, registered=True),
}
