"""Groups: several movements that are posted together or not at all."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from engine.accounts import IN_ORDER, SUSPENSE, purse_of
from engine.advance import unknown_card
from engine.book import Book
from engine.card import Card
from engine.decisions.checks import purse_now, with_accounts
from engine.decisions.payments import decide_part
from engine.errors import Reason
from engine.moment import Moment
from engine.purses import after_lines, pay
from engine.transaction import Group, Part, Purchase, Tap, TopUp
from engine.verdict import FUNDS_RULE, Verdict, refused

_ON_CARDS: Final = (Tap, Purchase, TopUp)
_OF_ACCOUNTS: Final = {Reason.ACCOUNT_NAME, Reason.ACCOUNT_LIMIT, Reason.FUNDS_MIXED}


def decide_group(book: Book, card: Card | None, now: Moment, intent: Group) -> Verdict:
    """Decide the parts in order, each on what the ones before it leave.

    One part with a proof makes the whole group an advice: what happened with it happened too. It
    is about the card of its first part that names one; what an advice says of others is posted to
    suspense.
    """
    forced = any(part.proof is not None for part in intent.parts if isinstance(part, _ON_CARDS))
    if not forced and len({part.card for part in intent.parts if part.card}) > 1:
        return refused(Reason.GROUP_CARDS, FUNDS_RULE, "parts")
    draft, accounts = card, book
    total = Verdict()
    for number, part in enumerate(intent.parts):
        if part.card in ("", intent.card):
            verdict = decide_part(accounts, draft, now, part, forced=forced)
        else:
            verdict = _decide_foreign(accounts, now, part)
        where = f"parts[{number}].{verdict.detail}" if verdict.detail else ""
        if verdict.reason:
            balance_rp = purse_now(card, _programme_of(part)).balance_rp
            return refused(verdict.reason, verdict.rule, where, balance_rp=balance_rp)
        draft = _after_part(draft, part, verdict, now)
        accounts = with_accounts(accounts, verdict.postings)
        total = Verdict(
            total.postings + verdict.postings,
            verdict.balance_rp if part.card == intent.card else total.balance_rp,
            rule=total.rule or verdict.rule,
            detail=total.detail or where,
            exceptions=tuple(dict.fromkeys(total.exceptions + verdict.exceptions)),
            tally=verdict.tally or total.tally,
        )
    return total


def _decide_foreign(book: Book, now: Moment, part: Part) -> Verdict:
    """Decide a part of an advice on another card than the group's: its money has no place yet.

    Nothing is known of that card here, so nothing is said about it but that it is another one.
    """
    verdict = decide_part(book, None, now, part, forced=True)
    lines = tuple(
        (SUSPENSE, "purse", line[2]) if purse_of(line) else line for line in verdict.postings
    )
    homeless = [reason for reason in verdict.exceptions if reason in _OF_ACCOUNTS]
    exceptions = (Reason.GROUP_CARDS, *homeless)
    return Verdict(lines, rule=FUNDS_RULE, detail="card", exceptions=exceptions)


def _programme_of(part: Part) -> str:
    # Of several purses that pay in order the card's own is the last.
    return part.purse if isinstance(part, _ON_CARDS) and part.purse != IN_ORDER else ""


def _after_part(card: Card | None, part: Part, verdict: Verdict, now: Moment) -> Card | None:
    """Return the card as a part leaves it; the book's own is not touched."""
    if not any(purse_of(line) for line in verdict.postings):
        return card
    draft = unknown_card(part.card) if card is None else card
    main, programmes = after_lines(draft, verdict.postings, pay, now.ms)
    tally = draft.tally if verdict.tally is None else verdict.tally
    return replace(draft, main=main, programmes=programmes, tally=tally)
