"""What an entry must fulfil, looked at from outside: the checks of an auditor on one entry."""

from __future__ import annotations

from collections.abc import Iterator

from engine.accounts import IN_ORDER, SUSPENSE, purse_of
from engine.book import Book
from engine.card import Card
from engine.chips import BELIEVED
from engine.transaction import (
    Adjustment,
    Block,
    Close,
    Entry,
    Grant,
    Group,
    Hold,
    Identify,
    Post,
    Purchase,
    Refund,
    Replace,
    Reversal,
    Revoke,
    Tap,
    TopUp,
    Unblock,
    Withdrawal,
)


def findings_before(book: Book, entry: Entry, card: Card | None) -> Iterator[str]:
    """Yield what is wrong with an entry, given the book and its card as they stand before it."""
    sum_rp = sum(amount_rp for _, _, amount_rp in entry.postings)
    if sum_rp:
        yield f"its postings sum to Rp{sum_rp}, not to zero"
    if entry.reason and entry.postings:
        yield "it was refused and moves money all the same"
    if entry.chip is not None:
        yield from _findings_on_proof(entry)
    if entry.decided_ms < book.decided_ms:
        yield "it was decided before the entry before it"
    previous = card.last if card else -1
    if entry.previous != previous:
        yield f"it names {entry.previous} as the card's entry before it, which is {previous}"


def _findings_on_proof(entry: Entry) -> Iterator[str]:
    assert entry.chip is not None
    if not entry.unproved and entry.chip.finding not in BELIEVED:
        yield "its proof is none, and it was posted as if it were one"
    if entry.unproved and any(kind != SUSPENSE for kind, _, _ in entry.postings):
        yield "no chip has proved it, and it moves money all the same"


def is_repeated(book: Book, entry: Entry) -> bool:
    """Tell whether the transaction of an entry stands in the journal already."""
    seen = book.terminals.get(entry.terminal)
    return seen is not None and seen.has(entry.counter)


def findings_after(book: Book, entry: Entry) -> Iterator[str]:
    """Yield what is wrong with an entry, given the book as it stands after it."""
    if entry.reason:
        return
    balances = {
        purse.balance_rp
        for name, programme in _purses_told_of(entry)
        if (card := book.cards.get(name)) and (purse := card.purse(programme))
    }
    if balances and entry.balance_rp not in balances:
        true_rp = " or ".join(f"Rp{balance_rp}" for balance_rp in sorted(balances))
        yield f"it tells a balance of Rp{entry.balance_rp}, which is {true_rp}"


def _purses_told_of(entry: Entry) -> list[tuple[str, str]]:
    """Return card and programme of the purses whose balance an entry may tell."""
    intent = entry.intent
    if isinstance(intent, Group):
        # Of the last purse that was used of its own card.
        on_cards = [part for part in intent.parts if isinstance(part, Tap | Purchase | TopUp)]
        parts = [part for part in on_cards if part.card == intent.card]
        return [(part.card, _last_purse(part.purse)) for part in parts[-1:]]
    if isinstance(intent, Tap | Purchase | TopUp | Hold | Withdrawal):
        return [(intent.card, _last_purse(intent.purse))]
    if isinstance(intent, Block | Unblock | Close | Grant | Revoke | Identify):
        return [(intent.card, "")] if intent.card else []
    if isinstance(intent, Replace):
        return [(intent.new_card, "")]
    if isinstance(intent, Adjustment | Reversal | Refund | Post):
        return [purse for line in entry.postings if (purse := purse_of(line))]
    return []


def _last_purse(named: str) -> str:
    """Return the purse that pays last where one is named, or all of them in order."""
    return "" if named == IN_ORDER else named
