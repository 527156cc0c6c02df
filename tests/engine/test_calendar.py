"""Days and months of Jakarta, against the standard library's calendar."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.calendar import (
    DAY_MS,
    date_of_day,
    day_and_month,
    day_of,
    day_of_date,
    month_of,
    within_months,
)
from engine.limits import DAY_MAX, TIME_MS_MAX
from tests.engine.ledger import WIB, wib_ms

# The last hours of the year 9999 stand in the year 10000 of Jakarta, which no calendar knows.
TIMES = st.integers(0, TIME_MS_MAX - DAY_MS)


@given(TIMES)
def test_day_and_month_are_those_of_a_clock_in_jakarta(time_ms: int) -> None:
    there = datetime.fromtimestamp(time_ms // 1000, WIB)
    day, month = day_and_month(time_ms)
    assert day == day_of(time_ms) == (there.date() - date(1970, 1, 1)).days
    assert divmod(month, 12) == (there.year, there.month - 1)


@given(st.dates(date(1970, 1, 1)))
def test_a_date_is_the_day_of_its_moments(when: date) -> None:
    assert day_of_date(when) == (when - date(1970, 1, 1)).days


def test_the_day_changes_at_midnight_in_jakarta() -> None:
    midnight_ms = wib_ms(2024, 3, 1)
    assert day_of(midnight_ms) == day_of(midnight_ms - 1) + 1
    assert month_of(day_of(midnight_ms)) == month_of(day_of(midnight_ms - 1)) + 1
    assert midnight_ms % DAY_MS == 17 * 3600 * 1000


def test_months_of_two_years_follow_each_other() -> None:
    assert month_of(day_of_date(date(2025, 1, 1))) == month_of(day_of_date(date(2024, 12, 31))) + 1


@pytest.mark.parametrize(
    ("since", "until", "is_within"),
    [
        (date(2025, 10, 13), date(2026, 4, 12), True),
        (date(2025, 10, 13), date(2026, 4, 13), False),
        (date(2025, 10, 1), date(2026, 3, 31), True),
        (date(2025, 10, 1), date(2026, 4, 1), False),
        (date(2025, 8, 31), date(2026, 2, 28), True),
        (date(2025, 8, 31), date(2026, 3, 1), False),
        (date(2025, 8, 1), date(2025, 8, 1), True),
    ],
)
def test_six_months_end_with_the_day_before_the_same_day(
    since: date, until: date, *, is_within: bool
) -> None:
    assert within_months(day_of_date(since), day_of_date(until), 6) is is_within


def test_the_last_day_is_the_last_that_a_calendar_knows() -> None:
    assert date_of_day(DAY_MAX) == date.max
    assert within_months(0, DAY_MAX, 12 * 8030)
    assert not within_months(0, DAY_MAX, 12 * 8030 - 1)
