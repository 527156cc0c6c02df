"""Days and months in Western Indonesian Time (UTC+7, no summer time)."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Final

DAY_MS: Final = 24 * 3600 * 1000
WIB_OFFSET_MS: Final = 7 * 3600 * 1000
_WEEK_DAYS: Final = 7
_THURSDAY: Final = 3
"""The weekday of 1970-01-01, counted from Monday."""
_UNIX_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()


def day_of(time_ms: int) -> int:
    """Return the day in Jakarta of a moment, counted from 1970-01-01."""
    return (time_ms + WIB_OFFSET_MS) // DAY_MS


def day_of_date(when: date) -> int:
    """Return a calendar day in the same count."""
    return when.toordinal() - _UNIX_EPOCH_ORDINAL


def date_of_day(day: int) -> date:
    """Return the calendar day of a day in this count."""
    return date.fromordinal(day + _UNIX_EPOCH_ORDINAL)


def week_of(day: int) -> int:
    """Return the week of a day, from Monday on, so that weeks can be compared."""
    return (day + _THURSDAY) // _WEEK_DAYS


def month_of(day: int) -> int:
    """Return the month of a day as `year * 12 + month - 1`, so that months can be compared."""
    when = date_of_day(day)
    return when.year * 12 + when.month - 1


def days_of_month(month: int) -> tuple[int, int]:
    """Return the first and the last day of a month, counted as `month_of` does."""
    first = date(month // 12, month % 12 + 1, 1)
    after = date((month + 1) // 12, (month + 1) % 12 + 1, 1)
    return day_of_date(first), day_of_date(after) - 1


def within_months(since_day: int, until_day: int, months: int) -> bool:
    """Tell whether days from one to another, both included, are so many months at most.

    A month from the 13th is over with the 12th of the next one.
    """
    last = month_of(until_day), date_of_day(until_day).day
    ended = month_of(since_day) + months, date_of_day(since_day).day
    return last < ended


@lru_cache(maxsize=64)
def day_and_month(time_ms: int) -> tuple[int, int]:
    """Return day and month of a moment.

    Remembered for a few moments: all that is decided together is decided at one moment.
    """
    day = day_of(time_ms)
    return day, month_of(day)
