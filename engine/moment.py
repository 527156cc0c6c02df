"""The moment of a decision, worked out once for all transactions decided at it."""

from __future__ import annotations

from msgspec import Struct

from engine.calendar import day_and_month
from engine.fares.tariff import Tariffs
from engine.law import Law
from engine.rules.purses import PurseRules


class Moment(Struct, frozen=True, gc=False):
    """The host's clock, its day and month in Jakarta, and the rules.

    Attributes:
      rules: of purses, in force on the day.
      tariffs: of rides, for the day of each tap.
    """

    ms: int
    day: int
    month: int
    rules: PurseRules
    tariffs: Tariffs


def moment(now_ms: int, law: Law) -> Moment:
    """Return the moment of a clock reading in milliseconds since 1970 (UTC)."""
    day, month = day_and_month(now_ms)
    return Moment(now_ms, day, month, law.purses_on(day), law.tariffs)
