"""Taps that are rated: the rules say what a ride costs, and who pays how much of it.

An authorisation pays what its tap adds to the price of all taps of the card, and may be refused. An
advice tells what a chip has paid. What that is above the price is owed to the holder of the card,
and what it is below is owed by them: later advices, or an officer, make it even.

A tap that has no place among those of its card, or no fare, is not rated: an authorisation is
refused, an advice moves the amount that it tells and is filed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from engine.accounts import OPERATOR_REVENUE, OWED, SUSPENSE, Posting, is_name, purse_line
from engine.book import Book
from engine.card import Card
from engine.decisions.checks import (
    account_or_suspense,
    purse_now,
    purse_or_suspense,
    spending_doubts,
    with_accounts,
)
from engine.decisions.payments import pay_operator
from engine.errors import Reason
from engine.fares.boarding import floor_refusal, is_twice, open_ride_refusal
from engine.fares.kept import Rated, rate_in_place, seen_tap
from engine.fares.ride import NoFare
from engine.fares.state import NO_TAPS, SeenTap
from engine.fares.tariff import Tariff
from engine.limits import TAP_AHEAD_MS_MAX, TAP_LATE_MS_MAX
from engine.moment import Moment
from engine.transaction import Tap, Transaction
from engine.verdict import FARE_RULE, TIME_RULE, Doubt, Verdict, filed, refused

# On the path of a tap: a lookup in the enum costs as much as the comparison.
_NONE: Final = Reason.NONE


def decide_ride(book: Book, card: Card | None, now: Moment, transaction: Transaction) -> Verdict:
    """Decide a tap that names its service."""
    intent = transaction.intent
    assert isinstance(intent, Tap), "only taps are rated"
    advice = intent.proof is not None
    tap = seen_tap(transaction.at_ms, intent)
    tariff = now.tariffs.at(tap.at_ms)
    doubt = _tap_doubt(tap, now, tariff)
    if doubt is None and (card is not None or is_name(intent.card)):
        kept, grants = (NO_TAPS, ()) if card is None else (card.kept, card.grants)
        try:
            rated = rate_in_place(kept, tap, now.tariffs, grants)
        except NoFare as lost:
            # Rules of the past were changed under rides that are kept.
            rated, doubt = None, (Reason(lost.reason), lost.rule or FARE_RULE, "service")
        if rated is not None and advice:
            return _file(book, card, now, intent, rated)
        if rated is not None:
            doubts = _entry_doubts(card, now, intent.purse, tap, tariff)
            return _authorise(book, card, now, intent, rated, doubts)
    doubt = doubt or (Reason.TOO_LATE, TIME_RULE, "at_ms")
    return pay_operator(book, card, now, intent, advice=advice, doubts=[doubt])


def _tap_doubt(tap: SeenTap, now: Moment, tariff: Tariff) -> Doubt | None:
    """Return why a tap cannot be rated, or None."""
    if tap.at_ms > now.ms + TAP_AHEAD_MS_MAX:
        return Reason.CLOCK_AHEAD, TIME_RULE, "at_ms"
    if tap.at_ms < now.ms - TAP_LATE_MS_MAX:
        return Reason.TOO_LATE, TIME_RULE, "at_ms"
    price = tariff.prices.get(tap.service)
    if price is None:
        return Reason.FARE_UNKNOWN, FARE_RULE, "service"
    if not price.knows(tap.service, tap.place):
        return Reason.PLACE_UNKNOWN, price.version, "place"
    return None


def _authorise(
    book: Book, card: Card | None, now: Moment, intent: Tap, rated: Rated, others: Sequence[Doubt]
) -> Verdict:
    """Let a card pay what its tap adds to the price, or refuse it."""
    rating, middle, charge = rated
    purse = None if card is None else card.purse(intent.purse)
    balance_rp = 0 if purse is None else purse.balance_rp
    due_rp = charge.card_rp
    payee = (OPERATOR_REVENUE, intent.operator)
    doubts = spending_doubts(book, card, purse, now, intent, payee, amount_rp=due_rp)
    if intent.amount_rp:
        doubts.append((Reason.AMOUNT_DECIDED, charge.rule, "amount_rp"))
    doubts += others
    if doubts:
        return refused(*doubts[0], balance_rp=balance_rp)
    lines = charge.lines
    if due_rp:
        lines = (purse_line(intent.card, intent.purse, -due_rp), *lines)
    balance_rp -= due_rp
    return Verdict(lines, balance_rp, _NONE, charge.rule, "", (), rating, middle)


def _entry_doubts(
    card: Card | None, now: Moment, programme: str, tap: SeenTap, tariff: Tariff
) -> Sequence[Doubt]:
    """Return what is to be said against letting somebody in."""
    if card is None or tap.direction != "in":
        return ()
    inside = card.kept.rating.inside
    if inside is not None:
        refusal = open_ride_refusal(inside, tap, now.tariffs)
        if refusal is not None:
            return [(*refusal, "card")]
        if is_twice(inside, tap, now.tariffs):
            return ()

    def free_rp() -> int:
        return purse_now(card, programme).balance_rp - card.held_rp(programme, now.ms)

    refusal = floor_refusal(tap, tariff, card.grants, free_rp)
    return () if refusal is None else [(*refusal, "card")]


def _file(book: Book, card: Card | None, now: Moment, intent: Tap, rated: Rated) -> Verdict:
    """Post what a chip has paid, and what that differs by from the price."""
    rating, middle, charge = rated
    purse = None if card is None else card.purse(intent.purse)
    balance_rp = 0 if purse is None else purse.balance_rp
    payee = (OPERATOR_REVENUE, intent.operator)
    doubts = spending_doubts(book, card, purse, now, intent, payee, advice=True)
    lines: list[Posting] = []
    if intent.amount_rp:
        taken = purse_or_suspense(card, intent, -intent.amount_rp)
        if taken[0] != SUSPENSE:
            balance_rp -= intent.amount_rp
        lines.append(taken)
    owed_rp = intent.amount_rp - charge.card_rp
    if owed_rp:
        lines.append(purse_line(intent.card, OWED, owed_rp))
    accounts = book
    for kind, owner, amount_rp in charge.lines:
        line = account_or_suspense(accounts, (kind, owner), amount_rp)
        accounts = with_accounts(accounts, (line,))
        lines.append(line)
    rule, detail, exceptions = charge.rule, "", tuple[Reason, ...]()
    if doubts:
        told = filed((), 0, doubts)
        rule, detail, exceptions = told.rule, told.detail, told.exceptions
    return Verdict(tuple(lines), balance_rp, _NONE, rule, detail, exceptions, rating, middle)
