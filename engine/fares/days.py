"""Hours and days as fares know them: the clock of Jakarta, workdays, and windows of a day."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import time
from typing import Final, TypeAlias, TypeVar

from engine.calendar import DAY_MS, WIB_OFFSET_MS, date_of_day
from engine.rules.kinds import Holidays, Window
from engine.rules.rulebook import Rulebook

T = TypeVar("T")

Hours: TypeAlias = tuple[tuple[int, int, T], ...]
"""What holds from one millisecond of a day to before another; the first that fits counts."""

_SATURDAY: Final = 5


def is_workday(day: int, rulebook: Rulebook) -> bool:
    """Tell whether a day is one from Monday to Friday, and no holiday."""
    when = date_of_day(day)
    if when.weekday() >= _SATURDAY:
        return False
    return not any(when in holidays.days for holidays in rulebook.of_kind(Holidays, day))


def hours_of(windows: Iterable[Window], *, workday: bool, told: Callable[[Window], T]) -> Hours[T]:
    """Return the windows of a day, and what each of them comes to."""
    kinds = ("all", "workdays" if workday else "off_days")
    return tuple(
        (_ms(window.since), _ms(window.until), told(window))
        for window in windows
        if window.days in kinds
    )


def at_hour(hours: Hours[T], time_ms: int) -> T | None:
    """Return what holds at a moment, by its time of the day in Jakarta; None if nothing does."""
    now_ms = (time_ms + WIB_OFFSET_MS) % DAY_MS
    for since_ms, until_ms, told in hours:
        if since_ms <= now_ms < until_ms:
            return told
    return None


def _ms(when: time) -> int:
    return ((when.hour * 60 + when.minute) * 60 + when.second) * 1000 + when.microsecond // 1000
