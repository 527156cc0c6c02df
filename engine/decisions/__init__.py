"""Deciding a transaction: from an intent and the book to an entry.

`decide` is pure: the same book, moment and transaction give the same entry.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from engine.advance import card_of
from engine.book import Book
from engine.decisions.groups import decide_group
from engine.decisions.holds import decide_hold, decide_post, decide_void
from engine.decisions.lifecycle import (
    decide_adjustment,
    decide_block,
    decide_close,
    decide_issue,
    decide_replace,
    decide_unblock,
)
from engine.decisions.payments import (
    decide_purchase,
    decide_share,
    decide_subsidy,
    decide_tap,
    decide_top_up,
)
from engine.decisions.returns import decide_refund, decide_reversal
from engine.moment import Moment
from engine.transaction import (
    Adjustment,
    Block,
    Close,
    Entry,
    Group,
    Hold,
    Issue,
    Post,
    Purchase,
    Refund,
    Replace,
    Reversal,
    Share,
    Subsidy,
    Tap,
    TopUp,
    Transaction,
    Unblock,
    Void,
)
from engine.verdict import Verdict

# Each decider takes its own intent type; the table pairs them, which a type cannot express.
_DECIDERS: Final[dict[type, Callable[[Book, Moment, Any], Verdict]]] = {
    Tap: decide_tap,
    Purchase: decide_purchase,
    TopUp: decide_top_up,
    Subsidy: decide_subsidy,
    Share: decide_share,
    Group: decide_group,
    Reversal: decide_reversal,
    Refund: decide_refund,
    Adjustment: decide_adjustment,
    Issue: decide_issue,
    Block: decide_block,
    Unblock: decide_unblock,
    Replace: decide_replace,
    Close: decide_close,
    Hold: decide_hold,
    Post: decide_post,
    Void: decide_void,
}


def decide(book: Book, now: Moment, terminal: str, transaction: Transaction) -> Entry:
    """Decide one transaction and return the entry that records it; the book is not changed.

    A dry run is this function alone; `Book.apply` makes the entry count.
    """
    intent = transaction.intent
    verdict = _DECIDERS[type(intent)](book, now, intent)
    postings = verdict.postings
    assert sum([line[2] for line in postings]) == 0, "every transaction balances by itself"
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
    )


__all__ = ["decide"]
