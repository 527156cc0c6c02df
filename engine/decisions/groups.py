"""Groups: several movements that are posted together or not at all."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from engine.accounts import purse_of
from engine.advance import unknown_card
from engine.book import Book
from engine.card import Card
from engine.decisions.checks import purse_now
from engine.decisions.payments import decide_part
from engine.errors import Reason
from engine.moment import Moment
from engine.purses import after_lines, pay
from engine.transaction import Group, Part, Purchase, Tap, TopUp
from engine.verdict import FUNDS_RULE, Verdict, refused

_ON_CARDS: Final = (Tap, Purchase, TopUp)


def decide_group(book: Book, card: Card | None, now: Moment, intent: Group) -> Verdict:
    """Decide the parts in order, each on what the ones before it leave.

    One part with a proof makes the whole group an advice: what happened with it happened too.
    """
    if len({part.card for part in intent.parts if part.card}) > 1:
        return refused(Reason.GROUP_CARDS, FUNDS_RULE, "parts")
    forced = any(part.proof is not None for part in intent.parts if isinstance(part, _ON_CARDS))
    draft = card
    total = Verdict()
    for number, part in enumerate(intent.parts):
        verdict = decide_part(book, draft, now, part, forced=forced)
        where = f"parts[{number}].{verdict.detail}" if verdict.detail else ""
        if verdict.reason:
            balance_rp = purse_now(card, _programme_of(part)).balance_rp
            return refused(verdict.reason, verdict.rule, where, balance_rp=balance_rp)
        draft = _after_part(draft, part, verdict, now)
        total = Verdict(
            total.postings + verdict.postings,
            verdict.balance_rp if part.card else total.balance_rp,
            rule=total.rule or verdict.rule,
            detail=total.detail or where,
            exceptions=tuple(dict.fromkeys(total.exceptions + verdict.exceptions)),
        )
    return total


def _programme_of(part: Part) -> str:
    return part.purse if isinstance(part, _ON_CARDS) else ""


def _after_part(card: Card | None, part: Part, verdict: Verdict, now: Moment) -> Card | None:
    """Return the card as a part leaves it; the book's own is not touched."""
    if not any(purse_of(line) for line in verdict.postings):
        return card
    draft = unknown_card(part.card) if card is None else card
    main, programmes = after_lines(draft, verdict.postings, pay, now.ms)
    return replace(draft, main=main, programmes=programmes)
