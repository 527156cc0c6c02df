"""Limits of purses, with their dates and legal basis.

Where the law sets no limit the field is None. All amounts in rupiah.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from engine.calendar import day_of_date

Grade: TypeAlias = Literal["A", "B", "C", "D"]
"""How sure it is: A official text, B several reports agree, C one report, D general knowledge."""


class PurseLimits(Struct, frozen=True, kw_only=True):
    """What a purse may hold, spend and receive.

    Attributes:
      rule: name and version, under which a decision cites these limits.
      source: the legal basis.
      grade: of the weakest figure among them.
      floor_rp: lowest balance that an authorisation may leave.
      ceiling_rp: highest balance that an authorisation may reach.
      spend_day_rp, spend_month_rp: most that may be spent in a day or month of Jakarta.
      receive_month_rp: most that may come in during a month.
    """

    rule: str
    source: str
    grade: Grade
    floor_rp: int = 0
    ceiling_rp: int | None = None
    spend_day_rp: int | None = None
    spend_month_rp: int | None = None
    receive_month_rp: int | None = None


class PurseRules(Struct, frozen=True, kw_only=True):
    """The limits in force from a day on.

    Attributes:
      valid_from_day: as counted by engine.calendar.
      unregistered, registered: for a card's own purse.
      programme: for the purse of a programme that is not listed in `programmes`.
      programmes: limits of single programmes, by name.
    """

    valid_from_day: int
    unregistered: PurseLimits
    registered: PurseLimits
    programme: PurseLimits
    programmes: Mapping[str, PurseLimits] = {}

    def limits_of(self, programme: str, *, registered: bool) -> PurseLimits:
        """Return the limits of a purse; the empty programme means the card's own."""
        if programme:
            return self.programmes.get(programme, self.programme)
        return self.registered if registered else self.unregistered


_PROGRAMME: Final = PurseLimits(
    rule="purse.programme@2017-10",
    source="set by each programme: Pergub DKI Jakarta 145/2017, Pasal 6(1)a",
    grade="A",
)
_UNREGISTERED: Final = PurseLimits(
    rule="purse.unregistered@2018-05",
    source="PBI 20/6/PBI/2018",
    grade="D",
    ceiling_rp=2_000_000,
    receive_month_rp=20_000_000,
)

PURSE_RULES: Final = (
    PurseRules(
        valid_from_day=0,
        unregistered=_UNREGISTERED,
        registered=PurseLimits(
            rule="purse.registered@2018-05",
            source="PBI 20/6/PBI/2018",
            grade="B",
            ceiling_rp=10_000_000,
            receive_month_rp=20_000_000,
        ),
        programme=_PROGRAMME,
    ),
    PurseRules(
        valid_from_day=day_of_date(2022, 7, 1),
        unregistered=_UNREGISTERED,
        registered=PurseLimits(
            rule="purse.registered@2022-07",
            source="PBI 20/6/PBI/2018; Bank Indonesia, 18/19 April 2022, from 1 July 2022",
            grade="B",
            ceiling_rp=20_000_000,
            receive_month_rp=40_000_000,
        ),
        programme=_PROGRAMME,
    ),
)
"""Oldest first; the first has no beginning."""


def in_force(rules: Sequence[PurseRules], day: int) -> PurseRules:
    """Return the newest of some rules, oldest first, that had begun on a day of Jakarta."""
    return next(newest for newest in reversed(rules) if newest.valid_from_day <= day)


@lru_cache(maxsize=64)
def purse_rules_on(day: int) -> PurseRules:
    """Return the rules in force on a day of Jakarta: limits change at midnight."""
    return in_force(PURSE_RULES, day)
