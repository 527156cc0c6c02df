"""Purchases: goods and levies, at the price that programmes set, from the purses that may pay."""

from __future__ import annotations

from msgspec.structs import replace

from engine.accounts import (
    IN_ORDER,
    MERCHANT_PAYABLE,
    PROGRAMME_FUND,
    Postings,
    card_in,
    purse_line,
)
from engine.book import Book
from engine.card import Card
from engine.decisions.checks import account_doubts, with_accounts
from engine.decisions.levies import Bill, levy_bill, levy_doubts
from engine.decisions.paying import pay
from engine.decisions.purse_order import pay_in_order
from engine.decisions.quotas import quota_doubts, with_goods
from engine.decisions.spending import bill_doubts, list_doubts
from engine.moment import Moment
from engine.tally import NOTHING
from engine.transaction import Purchase
from engine.verdict import Doubt, Verdict


def decide_purchase(
    book: Book, card: Card | None, now: Moment, intent: Purchase, *, advice: bool
) -> Verdict:
    """Decide a purchase: what may be bought, who pays how much of it, and what counts of it."""
    payee = (MERCHANT_PAYABLE, intent.merchant)
    is_levy = bool(intent.charge or intent.period)
    if not (intent.purse or intent.items or intent.programme or is_levy):
        return pay(book, card, now, intent, payee, advice=advice)
    before = NOTHING if card is None else card.tally
    bill = Bill(intent.amount_rp, (), "", before)
    doubts = bill_doubts(intent)
    if is_levy:
        of_levy = levy_doubts(card, now, intent)
        doubts += of_levy
        bill = bill if of_levy else levy_bill(card, now, intent, advice=advice)
    if intent.programme:
        doubts += quota_doubts(card, now, intent)
        bill = bill._replace(tally=with_goods(bill.tally, now, intent))
    doubts += list_doubts(now, intent) + _fund_doubts(book, bill)
    own_part = replace(intent, amount_rp=bill.card_rp)
    order = now.rules.of_programmes.purse_order
    if intent.purse == IN_ORDER and order is not None:
        verdict = pay_in_order(book, card, now, own_part, order, advice=advice, others=doubts)
    else:
        verdict = pay(book, card, now, own_part, payee, advice=advice, others=doubts)
    if verdict.reason:
        return verdict
    # Where programmes pay all, a line of nothing tells whose levy it was.
    purse = "" if intent.purse == IN_ORDER else intent.purse
    lines = verdict.postings or (purse_line(intent.card, purse, 0),)
    # What goes to suspense is on no card.
    counts = bill.tally != before and card_in(lines)
    return replace(
        verdict,
        postings=lines + _fund_lines(intent, bill),
        rule=verdict.rule or bill.rule,
        tally=bill.tally if counts else None,
    )


def _fund_doubts(book: Book, bill: Bill) -> list[Doubt]:
    doubts: list[Doubt] = []
    then = book
    for programme, amount_rp in bill.shares:
        doubts += account_doubts(then, (PROGRAMME_FUND, programme), "charge")
        then = with_accounts(then, ((PROGRAMME_FUND, programme, -amount_rp),))
    return doubts


def _fund_lines(intent: Purchase, bill: Bill) -> Postings:
    lines: list[tuple[int, str, int]] = []
    for programme, amount_rp in bill.shares:
        lines.append((PROGRAMME_FUND, programme, -amount_rp))
        lines.append((MERCHANT_PAYABLE, intent.merchant, amount_rp))
    return tuple(lines)
