"""The moment of a decision."""

from __future__ import annotations

from datetime import date

from engine.calendar import day_of_date, month_of
from engine.moment import moment
from tests.engine.ledger import wib_ms
from tests.engine.rules_here import LAW


def test_a_moment_knows_its_day_its_month_and_the_rules_in_force() -> None:
    now_ms = wib_ms(2022, 7, 1)
    now, before = moment(now_ms, LAW), moment(now_ms - 1, LAW)
    day = day_of_date(date(2022, 7, 1))
    assert (now.ms, now.day, now.month) == (now_ms, day, month_of(day))
    assert (before.day, before.month) == (day - 1, month_of(day) - 1)
    assert now.rules is LAW.purses_on(day)
    assert now.tariffs is before.tariffs is LAW.tariffs
    assert before.rules is LAW.purses_on(day - 1) is not now.rules
