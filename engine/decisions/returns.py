"""Reversals and refunds: giving back what an earlier transaction moved, once."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from engine.accounts import Posting, Postings, card_in, purse_line, purse_of
from engine.book import Book, volume_rp
from engine.calendar import day_and_month
from engine.card import Card
from engine.decisions.checks import correction_doubts, leads_too_far, purse_now
from engine.decisions.levies import without_levies
from engine.decisions.quotas import without_goods
from engine.errors import Bug, Reason
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
    Withdrawal,
)
from engine.verdict import (
    FUNDS_RULE,
    RETURN_CASH_THIS_MONTH,
    RETURN_CASH_TODAY,
    RETURN_RULE,
    RETURN_THIS_MONTH,
    RETURN_TODAY,
    RETURN_UNCOUNTED,
    Verdict,
    refused,
)

_REFUNDABLE: Final = (Tap, Purchase, Post)
_REVERSIBLE: Final = (*_REFUNDABLE, TopUp, Withdrawal, Subsidy, Share, Group, Adjustment)


def decide_reversal(book: Book, now: Moment, intent: Reversal) -> Verdict:
    """Decide a reversal: every line of the original, less what was refunded, the other way."""
    entry = book.find_entry(intent.terminal, intent.counter)
    if entry is None:
        return refused(Reason.ORIGINAL_UNKNOWN, RETURN_RULE, "counter")
    if not isinstance(entry.intent, _REVERSIBLE) or not entry.postings:
        return refused(Reason.NOT_RETURNABLE, RETURN_RULE, "counter")
    left_rp = volume_rp(entry) - (book.returned.get((intent.terminal, intent.counter)) or 0)
    if left_rp == 0:
        return refused(Reason.AMOUNT_EXCEEDED, RETURN_RULE, "counter")
    verdict = _give_back(book, now, entry, left_rp)
    if verdict.reason or entry.tally is None:
        return verdict
    card = book.cards.get(card_in(verdict.postings))
    assert card is not None, "what counted on a card moved its money"
    left = without_levies(card.tally, entry)
    if left is None:
        return refused(Reason.NOT_RETURNABLE, RETURN_RULE, "counter")
    return replace(verdict, tally=without_goods(left, now, entry))


def decide_refund(book: Book, now: Moment, intent: Refund) -> Verdict:
    """Decide a refund: a part of a tap or purchase goes back to the purse it came from.

    A levy is paid for a whole month, and given back whole. So is a ride whose fare has other lines
    than those of who pays and who is paid: what a part of it would be on each is not known.
    """
    entry = book.find_entry(intent.terminal, intent.counter)
    if entry is None:
        return refused(Reason.ORIGINAL_UNKNOWN, RETURN_RULE, "counter")
    if not isinstance(entry.intent, _REFUNDABLE) or not entry.postings:
        return refused(Reason.NOT_RETURNABLE, RETURN_RULE, "counter")
    is_levy = isinstance(entry.intent, Purchase) and entry.intent.charge
    if is_levy or (intent.amount_rp != volume_rp(entry) and not _in_pairs(entry.postings)):
        return refused(Reason.NOT_RETURNABLE, RETURN_RULE, "counter")
    left_rp = volume_rp(entry) - (book.returned.get((intent.terminal, intent.counter)) or 0)
    if intent.amount_rp > left_rp:
        return refused(Reason.AMOUNT_EXCEEDED, RETURN_RULE, "amount_rp")
    return _give_back(book, now, entry, intent.amount_rp)


def _give_back(book: Book, now: Moment, entry: Entry, amount_rp: int) -> Verdict:
    rule = _counting(entry, now)
    owner = card_in(entry.postings)
    card = _recipient(book, owner, entry) if owner else None
    given_rp = book.returned.get((entry.terminal, entry.counter)) or 0
    postings = _opposite(entry, amount_rp, given_rp, card.id if card else "")
    if isinstance(entry.intent, Adjustment) and leads_too_far(book, card, postings):
        return refused(Reason.AMOUNT_EXCEEDED, FUNDS_RULE, "counter")
    if card is None:
        return Verdict(postings, rule=rule)
    changes = changes_of(card, postings)
    programme, moved_rp = next(iter(changes.items()))
    balance_rp = purse_now(card, programme).balance_rp
    # A blocked card gets its money back all the same: only an ended one cannot hold it.
    if doubts := correction_doubts(card, changes, now):
        return refused(*doubts[0], balance_rp=balance_rp)
    return Verdict(postings, balance_rp + moved_rp, rule=rule)


def _counting(entry: Entry, now: Moment) -> str:
    """Return the rule that tells which sums of a purse the original was added to."""
    day, month = day_and_month(entry.decided_ms)
    if isinstance(entry.intent, Adjustment) or month != now.month:
        return RETURN_UNCOUNTED
    if isinstance(entry.intent, Withdrawal):
        return RETURN_CASH_TODAY if day == now.day else RETURN_CASH_THIS_MONTH
    return RETURN_TODAY if day == now.day else RETURN_THIS_MONTH


def _recipient(book: Book, name: str, entry: Entry) -> Card:
    """Return the card that stands in for the one of an entry, after a bounded search."""
    card = book.cards.get(name)
    # What an advice took from a card that had been replaced already, it still lacks itself. A
    # correction is not handed on either: it may have been made on the card that had ended.
    stays = Reason.CARD_REPLACED in entry.exceptions or isinstance(entry.intent, Adjustment)
    for _ in range(0 if stays else REPLACEMENTS_FOLLOWED_MAX):
        if card is None or not card.successor:
            break
        card = book.cards.get(card.successor)
    if card is None:
        raise Bug(f"card {name} or one that took over from it is gone")
    return card


def _in_pairs(lines: Postings) -> bool:
    """Tell whether each line of who pays is followed by one of who is paid as much."""
    pairs = zip(lines[::2], lines[1::2], strict=False)
    return not len(lines) % 2 and all(
        payer[2] < 0 and payer[2] + payee[2] == 0 for payer, payee in pairs
    )


def _opposite(entry: Entry, amount_rp: int, given_rp: int, card: str) -> Postings:
    """Return the lines that give an amount back, after what was given back before."""
    if amount_rp == volume_rp(entry):
        return tuple(_opposite_line(line, abs(line[2]), card) for line in entry.postings)
    # Several purses that have paid in order get it back in the opposite one: each stands before
    # the line of the merchant that it paid.
    lines: list[Posting] = []
    payers, payees = entry.postings[::2], entry.postings[1::2]
    for payer, payee in zip(reversed(payers), reversed(payees), strict=True):
        paid_rp = abs(payer[2])
        left_rp = max(0, paid_rp - given_rp)
        given_rp = max(0, given_rp - paid_rp)
        if back_rp := min(amount_rp, left_rp):
            lines += [_opposite_line(line, back_rp, card) for line in (payer, payee)]
            amount_rp -= back_rp
    return tuple(lines)


def _opposite_line(line: Posting, amount_rp: int, card: str) -> Posting:
    kind, owner, moved_rp = line
    signed_rp = -amount_rp if moved_rp > 0 else amount_rp
    purse = purse_of(line)
    return (kind, owner, signed_rp) if purse is None else purse_line(card, purse[1], signed_rp)
