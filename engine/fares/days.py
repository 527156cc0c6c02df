"""Hours and days as fares know them: the clock of Jakarta, workdays, and windows of a day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import time
from typing import Final

from engine.calendar import DAY_MS, WIB_OFFSET_MS, date_of_day, day_of
from engine.rules.kinds import Days, Holidays, Window
from engine.rules.rulebook import Rulebook

_SATURDAY: Final = 5
_MINUTE_MS: Final = 60_000


def minutes_of_day(time_ms: int) -> float:
    """Return how many minutes of its day in Jakarta have passed at a moment."""
    return (time_ms + WIB_OFFSET_MS) % DAY_MS / _MINUTE_MS


def is_workday(day: int, rulebook: Rulebook) -> bool:
    """Tell whether a day is one from Monday to Friday, and no holiday."""
    when = date_of_day(day)
    if when.weekday() >= _SATURDAY:
        return False
    return not any(when in holidays.days for holidays in rulebook.of_kind(Holidays, day))


def window_at(windows: Sequence[Window], time_ms: int, rulebook: Rulebook) -> Window | None:
    """Return the first window in which a moment lies, or None."""
    now = minutes_of_day(time_ms)
    for window in windows:
        inside = _minutes(window.since) <= now < _minutes(window.until)
        if inside and _is_on(window.days, day_of(time_ms), rulebook):
            return window
    return None


def _is_on(days: Days, day: int, rulebook: Rulebook) -> bool:
    return days == "all" or is_workday(day, rulebook) is (days == "workdays")


def _minutes(when: time) -> float:
    return when.hour * 60 + when.minute + when.second / 60
