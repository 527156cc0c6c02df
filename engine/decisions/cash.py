"""Cash: money that a bank pays out of a purse.

A card's own money only to a holder whose name the bank knows; whose card has none may pay and be
topped up, and nothing else. The money of a programme only as far as its allowance says, in a month:
that of the level for which the card has a grant, or, where it has none, the least that the
programme gives out. What has no allowance is not given out at all.
"""

from __future__ import annotations

from engine.accounts import BANK_SETTLEMENT
from engine.book import Book
from engine.card import Card
from engine.decisions.checks import limits_of, purse_now
from engine.decisions.paying import pay
from engine.errors import Reason
from engine.moment import Moment
from engine.rules.kinds import Allowance
from engine.transaction import Withdrawal
from engine.verdict import CASH_RULE, Doubt, Verdict


def decide_withdrawal(book: Book, card: Card | None, now: Moment, intent: Withdrawal) -> Verdict:
    """Decide whether a bank may pay out an amount; it is owed that by the system then."""
    payee = (BANK_SETTLEMENT, intent.bank)
    against = _of_programme(card, now, intent) if intent.purse else _of_own(card, now)
    return pay(book, card, now, intent, payee, advice=intent.proof is not None, others=against)


def _of_own(card: Card | None, now: Moment) -> list[Doubt]:
    if card is None or card.registered:
        return []
    return [(Reason.NOT_REGISTERED, limits_of(card, "", now).rule, "card")]


def _of_programme(card: Card | None, now: Moment, intent: Withdrawal) -> list[Doubt]:
    allowance = _allowance(card, now, intent.purse)
    purse = purse_now(card, intent.purse)
    taken_rp = purse.cash_month_rp if purse.month == now.month else 0
    if allowance is None:
        return [(Reason.CASH_LIMIT, CASH_RULE, "purse")]
    if taken_rp + intent.amount_rp > allowance.cash_month_rp:
        return [(Reason.CASH_LIMIT, allowance.version, "amount_rp")]
    return []


def _allowance(card: Card | None, now: Moment, programme: str) -> Allowance | None:
    allowances = now.rules.of_programmes.allowances
    grant = None if card is None else card.grant_of(programme, now.day)
    if grant is not None:
        return allowances.get((programme, grant.group))
    levels = [rule for (name, _), rule in allowances.items() if name == programme]
    return min(levels, key=lambda rule: (rule.cash_month_rp, rule.version), default=None)
