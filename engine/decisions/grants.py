"""Entitlements: a programme is granted to the holder of a card, and revoked."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from engine.accounts import is_name
from engine.book import Book, holder_key
from engine.calendar import within_months
from engine.card import Card
from engine.decisions.checks import living
from engine.errors import Reason
from engine.limits import GRANTS_PER_CARD_MAX
from engine.moment import Moment
from engine.rules.kinds import FreeRide
from engine.rules.programmes import Entitling
from engine.tally import Tally, summed
from engine.transaction import Grant, Revoke
from engine.verdict import ACCOUNT_RULE, GRANT_RULE, Doubt, Verdict, refused


def decide_entitlement(
    book: Book, card: Card | None, now: Moment, intent: Grant | Revoke
) -> Verdict:
    """Decide a grant, or its end.

    A blocked card may be granted something: it may be found again.
    """
    alive = living(card)
    if isinstance(alive, Verdict):
        return alive
    if isinstance(intent, Grant):
        return _grant(book, alive, now, intent)
    balance_rp = alive.main.balance_rp
    if alive.last_grant(intent.programme) is None:
        return refused(Reason.NOT_GRANTED, GRANT_RULE, "programme", balance_rp=balance_rp)
    return Verdict((), balance_rp)


def _grant(book: Book, card: Card, now: Moment, intent: Grant) -> Verdict:
    rules, balance_rp = now.rules.of_programmes, card.main.balance_rp
    rule = rules.entitling(intent.programme, intent.group)
    if rule is None and rules.has(intent.programme):
        return refused(Reason.GROUP_UNKNOWN, GRANT_RULE, "group", balance_rp=balance_rp)
    if rule is None:
        return refused(Reason.PROGRAMME_UNKNOWN, GRANT_RULE, "programme", balance_rp=balance_rp)
    doubt = next(_doubts(book, card, now, intent, rule), None)
    if doubt is not None:
        return refused(*doubt, balance_rp=balance_rp)
    return Verdict((), balance_rp, rule=rule.version, tally=_tally(book, card, now, intent))


def _tally(book: Book, card: Card, now: Moment, intent: Grant) -> Tally | None:
    """Return what the card has had, with what the holder has had of the programme this month.

    That stands on the card on which it was granted to them last: a quota is a person's, and not a
    card's. None: nothing changes.
    """
    name = book.holders.get(holder_key(intent.programme, intent.holder))
    if name == card.id:
        return None
    other = book.cards.get(name) if name else None
    had = () if other is None else other.tally.bought
    bought = summed(
        line
        for lines, is_theirs in ((card.tally.bought, False), (had, True))
        for line in lines
        if (line.programme == intent.programme) is is_theirs and line.month == now.month
    )
    return None if bought == card.tally.bought else replace(card.tally, bought=bought)


def _doubts(book: Book, card: Card, now: Moment, intent: Grant, rule: Entitling) -> Iterator[Doubt]:
    if not is_name(intent.holder):
        yield Reason.ACCOUNT_NAME, ACCOUNT_RULE, "holder"
    if intent.until_day < max(intent.since_day, now.day):
        yield Reason.GRANT_OVER, GRANT_RULE, "until_day"
    months = rule.card_months if isinstance(rule, FreeRide) else None
    if months and not within_months(intent.since_day, intent.until_day, months):
        yield Reason.GRANT_TOO_LONG, rule.version, "until_day"
    if _is_anothers(card, now, intent):
        yield Reason.ALREADY_GRANTED, rule.version, "card"
    if _is_elsewhere(book, card, now, intent):
        yield Reason.ALREADY_GRANTED, rule.version, "holder"
    others = [granted for granted in card.grants if granted.programme != intent.programme]
    if len(others) >= GRANTS_PER_CARD_MAX:
        yield Reason.TOO_MANY_GRANTS, GRANT_RULE, "card"


def _is_anothers(card: Card, now: Moment, intent: Grant) -> bool:
    """Tell whether the card has the programme already, for somebody else or in another group."""
    before = card.last_grant(intent.programme)
    if before is None or before.until_day < now.day:
        return False
    return (before.holder, before.group) != (intent.holder, intent.group)


def _is_elsewhere(book: Book, card: Card, now: Moment, intent: Grant) -> bool:
    """Tell whether the holder has the programme already, on another card."""
    name = book.holders.get(holder_key(intent.programme, intent.holder))
    other = book.cards.get(name) if name and name != card.id else None
    before = other.last_grant(intent.programme) if other is not None else None
    if before is None or before.until_day < now.day:
        return False
    return before.holder == intent.holder
