"""Taps, purchases, subsidies and shares: money that goes to those who give the service."""

from __future__ import annotations

from engine.accounts import (
    MERCHANT_PAYABLE,
    OPERATOR_REVENUE,
    PROGRAMME_FUND,
    Account,
    purse_line,
)
from engine.book import Book
from engine.card import Card
from engine.decisions.checks import (
    account_doubts,
    account_or_suspense,
    purse_now,
    purse_or_suspense,
    spending_doubts,
)
from engine.moment import Moment
from engine.transaction import Purchase, Share, Subsidy, Tap
from engine.verdict import Verdict, filed, refused


def decide_tap(
    book: Book, card: Card | None, now: Moment, intent: Tap, *, forced: bool = False
) -> Verdict:
    """Decide a tap: purse to operator's revenue. A tap of zero moves nothing."""
    payee = (OPERATOR_REVENUE, intent.operator)
    return _pay(book, card, now, intent, payee, advice=forced or intent.proof is not None)


def decide_purchase(
    book: Book, card: Card | None, now: Moment, intent: Purchase, *, forced: bool = False
) -> Verdict:
    """Decide a purchase: purse to merchant's payable."""
    payee = (MERCHANT_PAYABLE, intent.merchant)
    return _pay(book, card, now, intent, payee, advice=forced or intent.proof is not None)


def _pay(
    book: Book,
    card: Card | None,
    now: Moment,
    intent: Tap | Purchase,
    payee: Account,
    *,
    advice: bool,
) -> Verdict:
    doubts = spending_doubts(book, card, now, intent, payee, advice=advice)
    balance_rp = purse_now(card, intent.purse).balance_rp
    amount_rp = intent.amount_rp
    if not doubts:
        lines = (
            purse_line(intent.card, intent.purse, -amount_rp),
            (payee[0], payee[1], amount_rp),
        )
        return Verdict(lines if amount_rp else (), balance_rp - amount_rp)
    if not advice:
        return refused(*doubts[0], balance_rp=balance_rp)
    lines = (
        purse_or_suspense(card, intent, -amount_rp),
        account_or_suspense(book, payee, amount_rp),
    )
    return filed(lines if amount_rp else (), balance_rp - amount_rp, doubts)


def decide_subsidy(
    book: Book, _card: Card | None, _now: Moment, intent: Subsidy, *, forced: bool = False
) -> Verdict:
    """Decide a subsidy: programme's fund to operator's revenue."""
    return _between(
        book,
        ((PROGRAMME_FUND, intent.programme), "programme"),
        ((OPERATOR_REVENUE, intent.operator), "operator"),
        intent.amount_rp,
        forced=forced,
    )


def decide_share(
    book: Book, _card: Card | None, _now: Moment, intent: Share, *, forced: bool = False
) -> Verdict:
    """Decide a share: one operator's revenue to another's."""
    return _between(
        book,
        ((OPERATOR_REVENUE, intent.operator), "operator"),
        ((OPERATOR_REVENUE, intent.to_operator), "to_operator"),
        intent.amount_rp,
        forced=forced,
    )


def _between(
    book: Book,
    payer: tuple[Account, str],
    payee: tuple[Account, str],
    amount_rp: int,
    *,
    forced: bool,
) -> Verdict:
    doubts = account_doubts(book, *payer) + account_doubts(book, *payee)
    if doubts and not forced:
        return refused(*doubts[0])
    lines = (
        account_or_suspense(book, payer[0], -amount_rp),
        account_or_suspense(book, payee[0], amount_rp),
    )
    return filed(lines, 0, doubts) if doubts else Verdict(lines)
