"""Adjustments: an officer corrects the books."""

from __future__ import annotations

from engine.accounts import Posting, mix_funds, purse_line, purse_of
from engine.book import Book
from engine.card import Card
from engine.decisions.checks import (
    account_refusal,
    correction_doubts,
    leads_too_far,
    purse_now,
    with_accounts,
)
from engine.errors import Reason
from engine.moment import Moment
from engine.purses import changes_of
from engine.transaction import Adjustment
from engine.verdict import ACCOUNT_RULE, CARD_RULE, FUNDS_RULE, Verdict, refused


def decide_adjustment(book: Book, card: Card | None, now: Moment, intent: Adjustment) -> Verdict:
    """Decide a correction: balanced, on known accounts, funds kept apart.

    It may not do to a purse what a payment may not: leave it below its floor, above its ceiling,
    or take what is held. On a card that has ended it may only bring a balance nearer to zero. No
    account may end up where it can hardly be counted any more.
    """
    lines = intent.lines
    if sum(amount_rp for _, _, amount_rp in lines) != 0:
        return refused(Reason.NOT_BALANCED, FUNDS_RULE, "lines")
    if mix_funds(lines):
        return refused(Reason.FUNDS_MIXED, FUNDS_RULE, "lines")
    if intent.card and card is None:
        return refused(Reason.CARD_UNKNOWN, CARD_RULE, "card")
    accounts = book
    for number, line in enumerate(lines):
        if reason := _line_refusal(accounts, card, line):
            return refused(reason, ACCOUNT_RULE, f"lines[{number}]")
        accounts = with_accounts(accounts, (line,))
    if leads_too_far(book, card, lines):
        return refused(Reason.AMOUNT_EXCEEDED, FUNDS_RULE, "lines")
    return Verdict(lines) if card is None else _correct(card, now, intent)


def _line_refusal(book: Book, card: Card | None, line: Posting) -> Reason:
    purse = purse_of(line)
    if purse is None:
        return account_refusal(book, line[:2])
    name, programme = purse
    if card is None or name != card.id:
        return Reason.CARD_UNKNOWN
    # `A` and `A/` name no programme: neither is another name of the card's own purse.
    named = purse_line(name, programme, line[2]) == line
    return Reason.NONE if named and card.purse(programme) else Reason.PURSE_UNKNOWN


def _correct(card: Card, now: Moment, intent: Adjustment) -> Verdict:
    changes = changes_of(card, intent.lines)
    balance_rp = purse_now(card, next(iter(changes), "")).balance_rp
    if doubts := correction_doubts(card, changes, now):
        return refused(*doubts[0], balance_rp=balance_rp)
    return Verdict(intent.lines, balance_rp + next(iter(changes.values()), 0))
