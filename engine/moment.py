"""The moment of a decision, worked out once for all transactions decided at it."""

from __future__ import annotations

from msgspec import Struct

from engine.calendar import day_and_month
from engine.rules.purses import PurseRules, RulesOn


class Moment(Struct, frozen=True, gc=False):
    """The host's clock, its day and month in Jakarta, and the rules in force."""

    ms: int
    day: int
    month: int
    rules: PurseRules


def moment(now_ms: int, rules_on: RulesOn) -> Moment:
    """Return the moment of a clock reading in milliseconds since 1970 (UTC)."""
    day, month = day_and_month(now_ms)
    return Moment(now_ms, day, month, rules_on(day))
