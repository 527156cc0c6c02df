"""Deciding a transaction: from an intent and the book to an entry.

`decide` is pure: the same book, moment and transaction give the same entry.
"""

from __future__ import annotations

from typing import assert_never

from engine.advance import REFERRING, card_of
from engine.book import Book
from engine.card import Card
from engine.chips import ChipFinding
from engine.decisions.adjustments import decide_adjustment
from engine.decisions.cash import decide_withdrawal
from engine.decisions.grants import decide_entitlement
from engine.decisions.groups import decide_group
from engine.decisions.holds import decide_held
from engine.decisions.lifecycle import decide_life
from engine.decisions.payments import decide_part
from engine.decisions.proofs import decide_unproved, with_its_date
from engine.decisions.returns import decide_refund, decide_reversal
from engine.decisions.rides import decide_ride
from engine.errors import Bug
from engine.moment import Moment
from engine.transaction import (
    Adjustment,
    Block,
    Close,
    Entry,
    Grant,
    Group,
    Hold,
    Identify,
    Intent,
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
    Transaction,
    Unblock,
    Void,
    Withdrawal,
)
from engine.verdict import Verdict


def decide(
    book: Book,
    now: Moment,
    terminal: str,
    transaction: Transaction,
    chip: ChipFinding | None = None,
) -> Entry:
    """Decide one transaction and return the entry that records it; the book is not changed.

    A dry run is this function alone; `Book.apply` makes the entry count.

    Args:
      book: as it stands.
      now: the moment of the decision.
      terminal: who sent it.
      transaction: what was sent.
      chip: what was found of its proof; None: it has none, or nobody looked.

    Raises:
      Bug: the decision does not balance.
    """
    intent = transaction.intent
    name = intent.card
    card = book.cards.get(name) if name else None
    if chip is not None:
        verdict, chip = _with_chip(book, card, now, terminal, transaction, chip)
    else:
        verdict = _decided(book, card, now, transaction)
    postings = verdict.postings
    sum_rp = 0
    for line in postings:
        sum_rp += line[2]
    if sum_rp:
        raise Bug(f"{terminal}/{transaction.counter}: the postings sum to Rp{sum_rp}, not to zero")
    if type(intent) in REFERRING:
        card = book.cards.get(card_of(intent, postings))
    return Entry(
        terminal,
        transaction.counter,
        transaction.at_ms,
        intent,
        now.ms,
        verdict.reason,
        verdict.rule,
        verdict.detail,
        verdict.balance_rp,
        verdict.exceptions,
        postings,
        -1 if card is None else card.last,
        verdict.rating,
        verdict.middle,
        verdict.tally,
        chip,
    )


def _with_chip(
    book: Book,
    card: Card | None,
    now: Moment,
    terminal: str,
    transaction: Transaction,
    chip: ChipFinding,
) -> tuple[Verdict, ChipFinding]:
    """Decide an advice whose proof was looked into."""
    unproved = decide_unproved(book, card, now, terminal, transaction.intent, chip)
    if unproved is not None:
        return unproved
    return with_its_date(_decided(book, card, now, transaction), chip), chip


def _decided(book: Book, card: Card | None, now: Moment, transaction: Transaction) -> Verdict:
    intent = transaction.intent
    if type(intent) is Tap and intent.service:
        return decide_ride(book, card, now, transaction)
    return _judge(book, card, now, intent)


def _judge(book: Book, card: Card | None, now: Moment, intent: Intent) -> Verdict:
    match intent:
        case Tap() | Purchase() | TopUp() | Subsidy() | Share():
            return decide_part(book, card, now, intent)
        case Group():
            return decide_group(book, card, now, intent)
        case Reversal():
            return decide_reversal(book, now, intent)
        case Refund():
            return decide_refund(book, now, intent)
        case Hold() | Post() | Void():
            return decide_held(book, card, now, intent)
        case Adjustment():
            return decide_adjustment(book, card, now, intent)
        case Issue() | Block() | Unblock() | Replace() | Close() | Identify():
            return decide_life(book, card, now, intent)
        case Grant() | Revoke():
            return decide_entitlement(book, card, now, intent)
        case Withdrawal():
            return decide_withdrawal(book, card, now, intent)
        case _:
            assert_never(intent)


__all__ = ["decide"]
