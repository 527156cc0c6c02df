"""The moment of a decision."""

from __future__ import annotations

from engine.calendar import day_of_date, month_of
from engine.moment import moment
from engine.rules.purses import purse_rules_on
from tests.engine.ledger import wib_ms


def test_a_moment_knows_its_day_its_month_and_the_rules_in_force() -> None:
    now_ms = wib_ms(2022, 7, 1)
    now, before = moment(now_ms), moment(now_ms - 1)
    day = day_of_date(2022, 7, 1)
    assert (now.ms, now.day, now.month) == (now_ms, day, month_of(day))
    assert (before.day, before.month) == (day - 1, month_of(day) - 1)
    assert now.rules is purse_rules_on(day)
    assert before.rules is purse_rules_on(day - 1) is not now.rules
