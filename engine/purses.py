"""Money on purses: the checks of an authorisation, and what a line does to a purse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from msgspec.structs import replace

from engine.accounts import OWED, OWED_FARES, PROGRAMME_PURSE, PURSE, Postings, purse_of
from engine.calendar import day_and_month
from engine.card import Card, Programmes, Purse
from engine.errors import Reason
from engine.moment import Moment
from engine.rules.purses import PurseLimits

Step: TypeAlias = Callable[[Purse, int, int], Purse]
"""What a line does to a purse: purse, amount in rupiah, moment of the decision -> purse."""

EMPTY: Final = Purse()

# On the path of a tap: a lookup in the enum costs as much as the check.
_NONE: Final = Reason.NONE


def pay(purse: Purse, amount_rp: int, decided_ms: int) -> Purse:
    """Count what leaves as spent, what arrives as received."""
    if amount_rp < 0:
        return _spent(purse, -amount_rp, -amount_rp, decided_ms)
    return _received(purse, amount_rp, decided_ms)


def ride(purse: Purse, amount_rp: int, decided_ms: int) -> Purse:
    """Count what leaves as spent; a fare that comes back is not received."""
    if amount_rp < 0:
        return _spent(purse, -amount_rp, -amount_rp, decided_ms)
    return correct(purse, amount_rp, decided_ms)


def withdraw(purse: Purse, amount_rp: int, decided_ms: int) -> Purse:
    """Count what leaves as spent, and as taken in cash; what comes back the same day, off both."""
    return _spent(purse, -amount_rp, -amount_rp, decided_ms, cash_rp=-amount_rp)


def undo_today(purse: Purse, amount_rp: int, decided_ms: int) -> Purse:
    """Take off the sums what was counted earlier the same day."""
    if amount_rp > 0:
        return _spent(purse, -amount_rp, -amount_rp, decided_ms)
    return _received(purse, amount_rp, decided_ms)


def undo_this_month(purse: Purse, amount_rp: int, decided_ms: int) -> Purse:
    """Take off the sums what was counted on an earlier day of the same month."""
    if amount_rp > 0:
        return _spent(purse, -amount_rp, 0, decided_ms)
    return _received(purse, amount_rp, decided_ms)


def undo_cash_this_month(purse: Purse, amount_rp: int, decided_ms: int) -> Purse:
    """Take off the sums what was taken in cash on an earlier day of the same month."""
    return _spent(purse, -amount_rp, 0, decided_ms, cash_rp=-amount_rp)


def correct(purse: Purse, amount_rp: int, _decided_ms: int) -> Purse:
    """Change the balance alone: what is moved is neither spent nor received."""
    return replace(purse, balance_rp=purse.balance_rp + amount_rp)


def _spent(
    purse: Purse, amount_rp: int, today_rp: int, decided_ms: int, *, cash_rp: int = 0
) -> Purse:
    day, month = day_and_month(decided_ms)
    same_month = purse.month == month
    return Purse(
        purse.balance_rp - amount_rp,
        day,
        today_rp + (purse.spent_day_rp if purse.day == day else 0),
        month,
        amount_rp + (purse.spent_month_rp if same_month else 0),
        purse.received_month_rp if same_month else 0,
        cash_rp + (purse.cash_month_rp if same_month else 0),
    )


def _received(purse: Purse, amount_rp: int, decided_ms: int) -> Purse:
    day, month = day_and_month(decided_ms)
    same_month = purse.month == month
    return Purse(
        purse.balance_rp + amount_rp,
        day,
        purse.spent_day_rp if purse.day == day else 0,
        month,
        purse.spent_month_rp if same_month else 0,
        amount_rp + (purse.received_month_rp if same_month else 0),
        purse.cash_month_rp if same_month else 0,
    )


def joined(one: Purse, other: Purse, decided_ms: int) -> Purse:
    """Return a purse with the money of two, and with what counts of both in the limits."""
    day, month = day_and_month(decided_ms)
    in_day = [purse for purse in (one, other) if purse.day == day]
    in_month = [purse for purse in (one, other) if purse.month == month]
    return Purse(
        one.balance_rp + other.balance_rp,
        day,
        sum(purse.spent_day_rp for purse in in_day),
        month,
        sum(purse.spent_month_rp for purse in in_month),
        sum(purse.received_month_rp for purse in in_month),
        sum(purse.cash_month_rp for purse in in_month),
    )


def after_lines(
    card: Card, postings: Postings, step: Step, decided_ms: int
) -> tuple[Purse, Programmes]:
    """Return a card's own purse and those of its programmes after some lines.

    A purse that is not there yet is opened; lines on other accounts and cards are passed over.
    """
    main, programmes = card.main, card.programmes
    for kind, owner, amount_rp in postings:
        if kind == PURSE:
            if owner == card.id:
                main = step(main, amount_rp, decided_ms)
        elif kind == PROGRAMME_PURSE:
            name, _, programme = owner.partition("/")
            if name == card.id:
                assert programme, "the card's own purse is of another kind"
                programmes = _stepped(programmes, programme, step, amount_rp, decided_ms)
        elif kind == OWED_FARES and owner == card.id:
            programmes = _stepped(programmes, OWED, correct, amount_rp, decided_ms)
    return main, programmes


def _stepped(
    programmes: Programmes, programme: str, step: Step, amount_rp: int, decided_ms: int
) -> Programmes:
    purses = dict(programmes)
    purses[programme] = step(purses.get(programme, EMPTY), amount_rp, decided_ms)
    return tuple(purses.items())


def spend_refusal(
    purse: Purse, amount_rp: int, held_rp: int, limits: PurseLimits, now: Moment
) -> Reason:
    """Tell why an amount may not be spent, or NONE.

    What is held counts as if it were spent: each hold may be posted at any time. An amount of
    zero may always be spent, and a fare may come back.
    """
    if amount_rp <= 0:
        return _NONE
    wanted_rp = held_rp + amount_rp
    if purse.balance_rp - wanted_rp < limits.floor_rp:
        return Reason.BELOW_FLOOR
    if limits.spend_day_rp is not None:
        spent_rp = purse.spent_day_rp if purse.day == now.day else 0
        if spent_rp + wanted_rp > limits.spend_day_rp:
            return Reason.DAY_LIMIT
    if limits.spend_month_rp is not None:
        spent_rp = purse.spent_month_rp if purse.month == now.month else 0
        if spent_rp + wanted_rp > limits.spend_month_rp:
            return Reason.MONTH_LIMIT
    return _NONE


def spend_room_rp(purse: Purse, held_rp: int, limits: PurseLimits, now: Moment) -> int:
    """Return the most that may be spent at once."""
    rooms = [purse.balance_rp - limits.floor_rp]
    if limits.spend_day_rp is not None:
        rooms.append(limits.spend_day_rp - (purse.spent_day_rp if purse.day == now.day else 0))
    if limits.spend_month_rp is not None:
        spent_rp = purse.spent_month_rp if purse.month == now.month else 0
        rooms.append(limits.spend_month_rp - spent_rp)
    return max(0, min(rooms) - held_rp)


def receive_refusal(purse: Purse, amount_rp: int, limits: PurseLimits, now: Moment) -> Reason:
    """Tell why an amount may not come in, or NONE."""
    if limits.ceiling_rp is not None and purse.balance_rp + amount_rp > limits.ceiling_rp:
        return Reason.ABOVE_CEILING
    if limits.receive_month_rp is not None:
        received_rp = purse.received_month_rp if purse.month == now.month else 0
        if received_rp + amount_rp > limits.receive_month_rp:
            return Reason.RECEIVE_LIMIT
    return _NONE


def correction_refusal(purse: Purse, amount_rp: int, held_rp: int, limits: PurseLimits) -> Reason:
    """Tell why a balance may not be changed outside of a payment, or NONE."""
    balance_rp = purse.balance_rp + amount_rp
    if amount_rp < 0 and balance_rp - held_rp < limits.floor_rp:
        return Reason.BELOW_FLOOR
    if amount_rp > 0 and limits.ceiling_rp is not None and balance_rp > limits.ceiling_rp:
        return Reason.ABOVE_CEILING
    return _NONE


def changes_of(card: Card, postings: Postings) -> dict[str, int]:
    """Return what some lines come to on each purse of a card, by programme, in rupiah."""
    changes: dict[str, int] = {}
    for line in postings:
        name, programme = purse_of(line) or ("", "")
        if name == card.id:
            changes[programme] = changes.get(programme, 0) + line[2]
    return changes
