"""Holds: money set aside, then taken in whole or in part, or let go.

Nothing moves before the `post`.
"""

from __future__ import annotations

from typing import assert_never

from engine.accounts import purse_line
from engine.advance import PAYEE_KINDS
from engine.book import Book
from engine.card import Card, HeldAmount
from engine.decisions.checks import account_refusal, limits_of, purse_now, spending_doubts
from engine.errors import Reason
from engine.limits import HOLDS_PER_CARD_MAX, REPLACEMENTS_FOLLOWED_MAX
from engine.moment import Moment
from engine.transaction import Hold, Post, Void
from engine.verdict import ACCOUNT_RULE, CARD_RULE, HOLD_RULE, Verdict, refused


def decide_held(book: Book, card: Card | None, now: Moment, intent: Hold | Post | Void) -> Verdict:
    """Decide what becomes of money that is set aside."""
    match intent:
        case Hold():
            return _hold(book, card, now, intent)
        case Post():
            return _post(book, card, now, intent)
        case Void():
            return _void(book, card, now, intent)
        case _:
            assert_never(intent)


def _hold(book: Book, card: Card | None, now: Moment, intent: Hold) -> Verdict:
    """Decide whether an amount can be set aside; the checks are those of a payment."""
    payee = (PAYEE_KINDS[intent.payee], intent.payee_name)
    purse = None if card is None else card.purse(intent.purse)
    balance_rp = 0 if purse is None else purse.balance_rp
    doubts = spending_doubts(book, card, purse, now, intent, payee)
    if doubts:
        return refused(*doubts[0], balance_rp=balance_rp)
    if card is not None and len(card.open_holds(now.ms)) >= HOLDS_PER_CARD_MAX:
        return refused(Reason.TOO_MANY_HOLDS, HOLD_RULE, "card", balance_rp=balance_rp)
    return Verdict((), balance_rp)


def _post(book: Book, card: Card | None, now: Moment, intent: Post) -> Verdict:
    """Decide the taking of a held amount, or of a part of it.

    A card that was blocked after the hold still owes it: the service was given. Its share of the
    day's and the month's limits was granted when it was held, and is not asked for again: it counts
    as spent on the day of the post, even past a limit that an advice has used up in between. Only
    the money itself may be gone by then. A card that was replaced has handed the hold on to the
    new one, with its money.
    """
    found = _open_hold(book, card, now, intent)
    if isinstance(found, Verdict):
        return found
    card, hold = found
    amount_rp = intent.amount_rp
    balance_rp = purse_now(card, hold.purse).balance_rp
    payee = (hold.payee_kind, hold.payee)
    limits = limits_of(card, hold.purse, now)
    if amount_rp > hold.amount_rp:
        return refused(Reason.AMOUNT_EXCEEDED, HOLD_RULE, "amount_rp", balance_rp=balance_rp)
    if balance_rp - amount_rp < limits.floor_rp:
        return refused(Reason.BELOW_FLOOR, limits.rule, "amount_rp", balance_rp=balance_rp)
    if reason := account_refusal(book, payee):
        return refused(reason, ACCOUNT_RULE, balance_rp=balance_rp)
    lines = (purse_line(card.id, hold.purse, -amount_rp), (*payee, amount_rp))
    return Verdict(lines, balance_rp - amount_rp)


def _void(book: Book, card: Card | None, now: Moment, intent: Void) -> Verdict:
    """Decide the letting go of a held amount."""
    found = _open_hold(book, card, now, intent)
    if isinstance(found, Verdict):
        return found
    card, hold = found
    balance_rp = purse_now(card, hold.purse).balance_rp
    if card.id == intent.card:
        return Verdict((), balance_rp)
    # Nothing moves, but the entry has to tell that it belongs to the card that took over.
    return Verdict((purse_line(card.id, hold.purse, 0),), balance_rp)


def _open_hold(
    book: Book, card: Card | None, now: Moment, intent: Post | Void
) -> tuple[Card, HeldAmount] | Verdict:
    if card is None:
        return refused(Reason.CARD_UNKNOWN, CARD_RULE, "card")
    balance_rp = card.main.balance_rp
    found = _find_hold(book, card, intent)
    if found is None:
        return refused(Reason.HOLD_UNKNOWN, HOLD_RULE, "counter", balance_rp=balance_rp)
    if found[1].expires_ms <= now.ms:
        return refused(Reason.HOLD_EXPIRED, HOLD_RULE, "counter", balance_rp=balance_rp)
    return found


def _find_hold(book: Book, card: Card, intent: Post | Void) -> tuple[Card, HeldAmount] | None:
    """Return a hold of a card, or of one that took over from it, and the card that has it now."""
    wanted = (intent.terminal, intent.counter)
    holder: Card | None = card
    for _ in range(1 + REPLACEMENTS_FOLLOWED_MAX):
        if holder is None:
            break
        for hold in holder.holds:
            if (hold.terminal, hold.counter) == wanted:
                return holder, hold
        holder = book.cards.get(holder.successor) if holder.successor else None
    return None
