"""Top-ups: money that comes onto a card."""

from __future__ import annotations

from engine.accounts import (
    BANK_IN_TRANSIT,
    BANK_SETTLEMENT,
    FEES,
    OWED,
    PROGRAMME_FUND,
    PURSE_KINDS,
    Account,
    Posting,
    Postings,
)
from engine.book import Book
from engine.card import Card
from engine.decisions.checks import (
    account_doubts,
    account_or_suspense,
    card_doubts,
    limits_of,
    medium_doubt,
    opening_doubts,
    purse_now,
    purse_or_suspense,
)
from engine.errors import Reason
from engine.moment import Moment
from engine.purses import receive_refusal
from engine.transaction import TopUp
from engine.verdict import FUNDS_RULE, Doubt, Verdict, filed, refused


def decide_top_up(
    book: Book, card: Card | None, now: Moment, intent: TopUp, *, advice: bool
) -> Verdict:
    """Decide a top-up: from a bank, from what a bank has in transit, or from a programme's fund.

    A programme's purse is opened by its first top-up.
    """
    doubts = _doubts(book, card, now, intent, advice=advice)
    balance_rp = purse_now(card, intent.purse).balance_rp
    if doubts and not advice:
        return refused(*doubts[0], balance_rp=balance_rp)
    lines = _lines(book, card, intent)
    if lines[1][0] in PURSE_KINDS:
        balance_rp += intent.amount_rp
    return filed(lines, balance_rp, doubts) if doubts else Verdict(lines, balance_rp)


def _doubts(
    book: Book, card: Card | None, now: Moment, intent: TopUp, *, advice: bool
) -> list[Doubt]:
    doubts = card_doubts(card)
    if advice and card is not None and card.medium == "account":
        doubts.append(medium_doubt(card))
    if intent.purse and (intent.leg == "bank" or intent.fee_rp):
        # A bank carries no programme money, and a programme pays no fee.
        field = "leg" if intent.leg == "bank" else "fee_rp"
        doubts.append((Reason.FUNDS_MIXED, FUNDS_RULE, field))
    elif intent.fee_rp:
        doubts += _fee_doubts(card, now, intent)
    if card is None or card.purse(intent.purse) is None or intent.purse == OWED:
        doubts += opening_doubts(card, intent)
    payer, payee = _payer(intent), (BANK_IN_TRANSIT, intent.bank)
    doubts += account_doubts(book, payer, "purse" if payer[0] == PROGRAMME_FUND else "bank")
    if intent.leg == "bank":
        doubts += account_doubts(book, payee, "bank")
    limits = limits_of(card, intent.purse, now)
    purse = purse_now(card, intent.purse)
    if reason := receive_refusal(purse, intent.amount_rp, limits, now):
        doubts.append((reason, limits.rule, "amount_rp"))
    if intent.purse and card is not None and card.grants:
        doubts += _allowance_doubts(card, now, intent)
    return doubts


def _allowance_doubts(card: Card, now: Moment, intent: TopUp) -> list[Doubt]:
    """Return the doubt about more money than the programme gives to the group of the card.

    What is given for a semester comes at once, and nothing tells when the last one began.
    """
    granted = card.grant_of(intent.purse, now.day)
    if granted is None:
        return []
    rule = now.rules.of_programmes.allowances.get((granted.programme, granted.group))
    if rule is None:
        return []
    purse = purse_now(card, intent.purse)
    before_rp = purse.received_month_rp if purse.month == now.month else 0
    counted_rp = intent.amount_rp + (before_rp if rule.every == "month" else 0)
    if counted_rp <= rule.most_rp:
        return []
    return [(Reason.ABOVE_ALLOWANCE, rule.version, "amount_rp")]


def _fee_doubts(card: Card | None, now: Moment, intent: TopUp) -> list[Doubt]:
    """Return the doubt about a fee; each top-up is looked at by itself, for it may be split."""
    on_us = card is not None and card.bank == intent.bank
    rule = now.rules.top_up_fees.get("on_us" if on_us else "off_us")
    if rule is None or intent.fee_rp <= rule.most_rp(intent.amount_rp):
        return []
    return [(Reason.FEE_TOO_HIGH, rule.version, "fee_rp")]


def _payer(intent: TopUp) -> Account:
    if intent.leg == "bank":
        return BANK_SETTLEMENT, intent.bank
    if intent.purse:
        return PROGRAMME_FUND, intent.purse
    return (BANK_IN_TRANSIT if intent.leg == "chip" else BANK_SETTLEMENT), intent.bank


def _lines(book: Book, card: Card | None, intent: TopUp) -> Postings:
    payer = _payer(intent)
    # An advice may claim a fee on programme money: it is filed, and not taken from the programme.
    fee_rp = 0 if payer[0] == PROGRAMME_FUND else intent.fee_rp
    if intent.leg == "bank":
        arrives = account_or_suspense(book, (BANK_IN_TRANSIT, intent.bank), intent.amount_rp)
    else:
        arrives = purse_or_suspense(card, intent, intent.amount_rp)
    taken = account_or_suspense(book, payer, -intent.amount_rp - fee_rp)
    fee: tuple[Posting, ...] = ((FEES, "top_up", fee_rp),) if fee_rp else ()
    return (taken, arrives, *fee)
