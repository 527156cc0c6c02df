"""Movements of money that stand alone or are part of a group.

Taps and purchases go from a purse to those who give the service; subsidies and shares go between
those; top-ups have a file of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, assert_never

from msgspec.structs import replace

from engine.accounts import (
    MERCHANT_PAYABLE,
    OPERATOR_REVENUE,
    PROGRAMME_FUND,
    SUSPENSE,
    Account,
    card_in,
    purse_line,
)
from engine.book import Book
from engine.card import Card
from engine.decisions.checks import (
    account_doubts,
    account_or_suspense,
    purse_or_suspense,
    spending_doubts,
    with_accounts,
)
from engine.decisions.quotas import quota_doubts, with_goods
from engine.decisions.spending import bill_doubts, list_doubts
from engine.decisions.top_ups import decide_top_up
from engine.errors import Reason
from engine.moment import Moment
from engine.tally import NOTHING
from engine.transaction import Part, Purchase, Share, Subsidy, Tap, TopUp, Withdrawal
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
            return _buy(book, card, now, part, advice=forced or part.proof is not None)
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


def _buy(book: Book, card: Card | None, now: Moment, intent: Purchase, *, advice: bool) -> Verdict:
    payee = (MERCHANT_PAYABLE, intent.merchant)
    if not (intent.purse or intent.items or intent.programme):
        return pay(book, card, now, intent, payee, advice=advice)
    doubts = bill_doubts(intent) + list_doubts(now, intent)
    if intent.programme:
        doubts += quota_doubts(card, now, intent)
    verdict = pay(book, card, now, intent, payee, advice=advice, others=doubts)
    # What goes to suspense is on no card, and what is refused is not bought.
    if not (intent.programme and card_in(verdict.postings)):
        return verdict
    tally = NOTHING if card is None else card.tally
    return replace(verdict, tally=with_goods(tally, now, intent))


def pay(
    book: Book,
    card: Card | None,
    now: Moment,
    intent: Tap | Purchase | Withdrawal,
    payee: Account,
    *,
    advice: bool,
    others: Sequence[Doubt] = (),
) -> Verdict:
    """Decide a payment from a purse; `others` are doubts that were found already."""
    amount_rp = intent.amount_rp
    purse = None if card is None else card.purse(intent.purse)
    balance_rp = 0 if purse is None else purse.balance_rp
    doubts = spending_doubts(book, card, purse, now, intent, payee, advice=advice)
    doubts += others
    if doubts and not advice:
        return refused(*doubts[0], balance_rp=balance_rp)
    if not amount_rp:
        return filed((), balance_rp, doubts) if doubts else Verdict((), balance_rp)
    if not doubts:
        lines = (
            purse_line(intent.card, intent.purse, -amount_rp),
            (payee[0], payee[1], amount_rp),
        )
        return Verdict(lines, balance_rp - amount_rp)
    taken = purse_or_suspense(card, intent, -amount_rp)
    if taken[0] != SUSPENSE:
        balance_rp -= amount_rp
    return filed((taken, account_or_suspense(book, payee, amount_rp)), balance_rp, doubts)
