"""Movements of money that stand alone or are part of a group.

Taps go from a purse to those who give the service, subsidies and shares between those; purchases
and top-ups have files of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, assert_never

from engine.accounts import (
    OPERATOR_REVENUE,
    PROGRAMME_FUND,
    Account,
)
from engine.book import Book
from engine.card import Card
from engine.decisions.checks import (
    account_doubts,
    account_or_suspense,
    with_accounts,
)
from engine.decisions.paying import pay
from engine.decisions.purchases import decide_purchase
from engine.decisions.top_ups import decide_top_up
from engine.errors import Reason
from engine.moment import Moment
from engine.transaction import Part, Purchase, Share, Subsidy, Tap, TopUp
from engine.verdict import FARE_RULE, Doubt, Verdict, filed, refused

_IN_GROUP: Final[tuple[Doubt, ...]] = ((Reason.TAP_IN_GROUP, FARE_RULE, "service"),)
"""Of a tap that is rated: what it moves is not known before all of its card are rated."""


def decide_part(
    book: Book, card: Card | None, now: Moment, part: Part, *, forced: bool = False
) -> Verdict:
    """Decide one movement; `forced` makes it an advice although it carries no proof itself."""
    match part:
        case Tap():
            advice = forced or part.proof is not None
            doubts = _IN_GROUP if part.service else ()
            return pay_operator(book, card, now, part, advice=advice, doubts=doubts)
        case Purchase():
            return decide_purchase(book, card, now, part, advice=forced or part.proof is not None)
        case TopUp():
            return decide_top_up(book, card, now, part, advice=forced or part.proof is not None)
        case Subsidy():
            payer, payee = (PROGRAMME_FUND, part.programme), (OPERATOR_REVENUE, part.operator)
            fields = ("programme", "operator")
            return _between(book, payer, payee, part.amount_rp, fields, forced=forced)
        case Share():
            payer, payee = (OPERATOR_REVENUE, part.operator), (OPERATOR_REVENUE, part.to_operator)
            fields = ("operator", "to_operator")
            return _between(book, payer, payee, part.amount_rp, fields, forced=forced)
        case _:
            assert_never(part)


def pay_operator(
    book: Book,
    card: Card | None,
    now: Moment,
    intent: Tap,
    *,
    advice: bool,
    doubts: Sequence[Doubt] = (),
) -> Verdict:
    """Decide a tap by the amount that it tells, with what else is to be said against it."""
    payee = (OPERATOR_REVENUE, intent.operator)
    return pay(book, card, now, intent, payee, advice=advice, others=doubts)


def _between(
    book: Book,
    payer: Account,
    payee: Account,
    amount_rp: int,
    fields: tuple[str, str],
    *,
    forced: bool,
) -> Verdict:
    taken = account_or_suspense(book, payer, -amount_rp)
    then = with_accounts(book, (taken,))
    doubts = account_doubts(book, payer, fields[0]) + account_doubts(then, payee, fields[1])
    if doubts and not forced:
        return refused(*doubts[0])
    lines = (taken, account_or_suspense(then, payee, amount_rp))
    return filed(lines, 0, doubts) if doubts else Verdict(lines)
