"""Which limits a movement of money would break, by the tests' own figures."""

from __future__ import annotations

from datetime import date
from typing import Final

from engine.errors import Reason
from engine.rules.purses import PurseRules
from engine.transaction import Group, Hold, Intent, Purchase, Tap, TopUp, Withdrawal
from tests.engine.figures import (
    Figures,
    day_in_jakarta,
    group_part_lines,
    lines_of,
    may_be_an_owner,
    net,
    purse,
)

CASH_RP: Final = {("kjp", "sd"): 60, ("kjp", "lkp"): 80}
"""What a programme gives out in cash in a month, by level; others give none."""

EPOCH: Final = date(1970, 1, 1).toordinal()

LIMITS: Final = {
    Reason.BELOW_FLOOR,
    Reason.ABOVE_CEILING,
    Reason.DAY_LIMIT,
    Reason.MONTH_LIMIT,
    Reason.RECEIVE_LIMIT,
    Reason.FEE_TOO_HIGH,
    Reason.ABOVE_ALLOWANCE,
    Reason.CASH_LIMIT,
    Reason.NOT_REGISTERED,
}


def limits_broken(
    figures: Figures, intent: Intent, rules: PurseRules, now_ms: int
) -> list[set[Reason]]:
    """Return which limits an intent breaks; those of a group for each part, one after the other."""
    if not isinstance(intent, Group):
        return [_broken(figures, intent, rules, now_ms)]
    scratch = figures.copy()
    broken = []
    for part in intent.parts:
        # No limits are known of a foreign card.
        of_card = part.card == intent.card
        broken.append(_broken(scratch, part, rules, now_ms) if of_card else set())
        # Lines of names that cannot be go to suspense, and count on no purse.
        lines = lines_of(group_part_lines(intent, part))
        lines = [line for line in lines if may_be_an_owner(line[1])]
        scratch.balances.update(net(lines))
        scratch.count(lines, day_in_jakarta(now_ms))
    return broken


def _broken(figures: Figures, intent: Intent, rules: PurseRules, now_ms: int) -> set[Reason]:
    if isinstance(intent, Tap | Purchase | Hold):
        return _broken_by_spending(figures, intent, rules, now_ms)
    if isinstance(intent, Withdrawal):
        broken = _broken_by_spending(figures, intent, rules, now_ms)
        return broken | _broken_by_cash(figures, intent, now_ms)
    if isinstance(intent, TopUp):
        return _broken_by_receiving(figures, intent, rules, now_ms)
    return set()


def _broken_by_spending(
    figures: Figures, intent: Tap | Purchase | Hold | Withdrawal, rules: PurseRules, now_ms: int
) -> set[Reason]:
    if not intent.amount_rp:
        return set()
    account = purse(intent.card, intent.purse)
    limits, when = figures.limits(account, rules), day_in_jakarta(now_ms)
    wanted_rp = intent.amount_rp + figures.held_rp(account, now_ms)
    spent_rp = figures.spent[account, when] + wanted_rp
    month_rp = figures.spent[account, (when.year, when.month)] + wanted_rp
    broken = {
        Reason.BELOW_FLOOR: figures.balances[account] - wanted_rp < limits.floor_rp,
        Reason.DAY_LIMIT: limits.spend_day_rp is not None and spent_rp > limits.spend_day_rp,
        Reason.MONTH_LIMIT: limits.spend_month_rp is not None and month_rp > limits.spend_month_rp,
    }
    return {reason for reason, is_broken in broken.items() if is_broken}


def _broken_by_cash(figures: Figures, intent: Withdrawal, now_ms: int) -> set[Reason]:
    if not intent.purse:
        nameless = intent.card in figures.status and not figures.registered.get(intent.card)
        return {Reason.NOT_REGISTERED} if nameless else set()
    when = day_in_jakarta(now_ms)
    account = purse(intent.card, intent.purse)
    taken_rp = figures.cash[account, (when.year, when.month)] + intent.amount_rp
    granted = figures.grants.get((intent.card, intent.purse))
    if granted and granted.since_day <= when.toordinal() - EPOCH <= granted.until_day:
        most_rp = CASH_RP.get((intent.purse, granted.group), 0)
    else:
        most_rp = min((rp for (name, _), rp in CASH_RP.items() if name == intent.purse), default=0)
    return {Reason.CASH_LIMIT} if taken_rp > most_rp else set()


def _broken_by_receiving(
    figures: Figures, intent: TopUp, rules: PurseRules, now_ms: int
) -> set[Reason]:
    account = purse(intent.card, intent.purse)
    limits, when = figures.limits(account, rules), day_in_jakarta(now_ms)
    balance_rp = figures.balances[account] + intent.amount_rp
    received_rp = figures.received[account, (when.year, when.month)]
    broken = {
        Reason.ABOVE_CEILING: limits.ceiling_rp is not None and balance_rp > limits.ceiling_rp,
        Reason.RECEIVE_LIMIT: limits.receive_month_rp is not None
        and received_rp + intent.amount_rp > limits.receive_month_rp,
        Reason.ABOVE_ALLOWANCE: _above_allowance(figures, intent, when, received_rp),
        Reason.FEE_TOO_HIGH: not intent.purse and intent.fee_rp > _fee_rp_max(figures, intent),
    }
    return {reason for reason, is_broken in broken.items() if is_broken}


def _fee_rp_max(figures: Figures, intent: TopUp) -> int:
    if figures.bank.get(intent.card) != intent.bank:
        return 5
    return 3 if intent.amount_rp <= 60 else 4


def _above_allowance(figures: Figures, intent: TopUp, when: date, received_rp: int) -> bool:
    granted = figures.grants.get((intent.card, intent.purse))
    today = when.toordinal() - 719163
    if granted is None or not granted.since_day <= today <= granted.until_day:
        return False
    if granted.group == "sd":
        return received_rp + intent.amount_rp > 90
    return granted.group == "lkp" and intent.amount_rp > 120
