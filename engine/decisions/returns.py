"""Reversals and refunds: giving back what an earlier transaction moved, once."""

from __future__ import annotations

from typing import Final

from engine.accounts import Posting, Postings, purse_line, purse_of
from engine.advance import card_of
from engine.book import Book, volume_rp
from engine.calendar import day_and_month
from engine.card import Card, CardStatus
from engine.decisions.checks import card_refusal, correction_doubts, purse_now
from engine.errors import Reason
from engine.limits import REPLACEMENTS_FOLLOWED_MAX
from engine.moment import Moment
from engine.purses import changes_of
from engine.transaction import (
    Adjustment,
    Entry,
    Group,
    Post,
    Purchase,
    Refund,
    Reversal,
    Share,
    Subsidy,
    Tap,
    TopUp,
)
from engine.verdict import (
    CARD_RULE,
    RETURN_RULE,
    RETURN_THIS_MONTH,
    RETURN_TODAY,
    RETURN_UNCOUNTED,
    Verdict,
    refused,
)

_REFUNDABLE: Final = (Tap, Purchase, Post)
_REVERSIBLE: Final = (*_REFUNDABLE, TopUp, Subsidy, Share, Group, Adjustment)


def decide_reversal(book: Book, _card: None, now: Moment, intent: Reversal) -> Verdict:
    """Decide a reversal: every line of the original, less what was refunded, the other way."""
    entry = book.find_entry(intent.terminal, intent.counter)
    if entry is None:
        return refused(Reason.ORIGINAL_UNKNOWN, RETURN_RULE, "counter")
    if not isinstance(entry.intent, _REVERSIBLE) or not entry.postings:
        return refused(Reason.NOT_RETURNABLE, RETURN_RULE, "counter")
    left_rp = volume_rp(entry) - (book.returned.get((intent.terminal, intent.counter)) or 0)
    if left_rp == 0:
        return refused(Reason.AMOUNT_EXCEEDED, RETURN_RULE, "counter")
    return _give_back(book, now, entry, left_rp)


def decide_refund(book: Book, _card: None, now: Moment, intent: Refund) -> Verdict:
    """Decide a refund: a part of a tap or purchase goes back to the purse it came from."""
    entry = book.find_entry(intent.terminal, intent.counter)
    if entry is None:
        return refused(Reason.ORIGINAL_UNKNOWN, RETURN_RULE, "counter")
    if not isinstance(entry.intent, _REFUNDABLE) or not entry.postings:
        return refused(Reason.NOT_RETURNABLE, RETURN_RULE, "counter")
    left_rp = volume_rp(entry) - (book.returned.get((intent.terminal, intent.counter)) or 0)
    if intent.amount_rp > left_rp:
        return refused(Reason.AMOUNT_EXCEEDED, RETURN_RULE, "amount_rp")
    return _give_back(book, now, entry, intent.amount_rp)


def _give_back(book: Book, now: Moment, entry: Entry, amount_rp: int) -> Verdict:
    rule = _counting(entry, now)
    purse = next(filter(None, map(purse_of, entry.postings)), None)
    if purse is None:
        return Verdict(_opposite(entry, amount_rp, ""), rule=rule)
    card = _living(book, purse[0])
    if card.status in ENDED:
        ...
    return Verdict()
