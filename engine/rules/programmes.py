"""What the programmes of a day give, and to whom: their rules, found by programme."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple, TypeAlias, TypeVar

from msgspec import Struct

from engine.rules.kinds import (
    Allowance,
    FreeRide,
    ItemQuota,
    PurseOrder,
    RuleHead,
    SpendingList,
    Waiver,
)
from engine.rules.rulebook import Rulebook, one_each

R = TypeVar("R", bound=RuleHead)
T = TypeVar("T")

Entitling: TypeAlias = FreeRide | Allowance | ItemQuota | Waiver
"""Rules that give something to those who are entitled to it."""


class WaiverDays(NamedTuple):
    """A waiver and the days on which it holds, as counted by engine.calendar; None: without end."""

    waiver: Waiver
    first_day: int
    last_day: int | None


class ProgrammeRules(Struct, frozen=True, kw_only=True):
    """The rules of programmes in force on a day.

    Attributes:
      free_rides, waivers: by programme; one may have several, for other services or charges.
      allowances: by programme and level.
      spending_lists, item_quotas: by programme.
      waivers_ever: by charge, with the days of each; those that are over, and coming ones, too.
      purse_order: in which the purses of a card pay, if there is a rule.
    """

    free_rides: Mapping[str, tuple[FreeRide, ...]] = {}
    allowances: Mapping[tuple[str, str], Allowance] = {}
    spending_lists: Mapping[str, SpendingList] = {}
    item_quotas: Mapping[str, ItemQuota] = {}
    waivers: Mapping[str, tuple[Waiver, ...]] = {}
    waivers_ever: Mapping[str, tuple[WaiverDays, ...]] = {}
    purse_order: PurseOrder | None = None

    def has(self, programme: str) -> bool:
        """Tell whether a programme gives something at all."""
        others = (self.free_rides, self.item_quotas, self.waivers)
        levels = {programme for programme, _ in self.allowances}
        return programme in levels or any(programme in rules for rules in others)

    def entitling(self, programme: str, group: str) -> Entitling | None:
        """Return the rule by which a programme gives something to a group, or None.

        Free rides name their groups, allowances their levels; the others give to all groups.
        """
        for ride in self.free_rides.get(programme, ()):
            if any(each.name == group for each in ride.groups):
                return ride
        of_level = self.allowances.get((programme, group))
        waivers = self.waivers.get(programme, ())
        return of_level or self.item_quotas.get(programme) or next(iter(waivers), None)


NO_PROGRAMMES: Final = ProgrammeRules()
"""Of a day on which no programme gives anything."""


def programme_rules(rulebook: Rulebook, day: int) -> ProgrammeRules:
    """Return the rules of programmes that a rulebook has for a day of Jakarta.

    Raises:
      RulesInvalid: two of them say the same thing of the same programme.
    """
    rides = rulebook.of_kind(FreeRide, day)
    waivers = rulebook.of_kind(Waiver, day)
    allowances = rulebook.of_kind(Allowance, day)
    lists = rulebook.of_kind(SpendingList, day)
    quotas = rulebook.of_kind(ItemQuota, day)
    orders = rulebook.of_kind(PurseOrder, day)
    return ProgrammeRules(
        free_rides=_each((rule.programme, rule) for rule in rides),
        allowances=one_each((((rule.programme, rule.level), rule) for rule in allowances), day),
        spending_lists=one_each(((rule.programme, rule) for rule in lists), day),
        item_quotas=one_each(((rule.programme, rule) for rule in quotas), day),
        waivers=_each((rule.programme, rule) for rule in waivers),
        purse_order=one_each((("", rule) for rule in orders), day).get(""),
        waivers_ever=_each((days.waiver.charge, days) for days in _waivers_ever(rulebook)),
    )


def _waivers_ever(rulebook: Rulebook) -> Iterator[WaiverDays]:
    for rule_id in rulebook.ids:
        for version in rulebook.versions(rule_id):
            rule = version.rule
            if isinstance(rule, Waiver) and rule.enabled:
                yield WaiverDays(rule, version.first_day, version.last_day)


def _each(rules: Iterable[tuple[str, T]]) -> dict[str, tuple[T, ...]]:
    found: dict[str, tuple[T, ...]] = {}
    for programme, rule in rules:
        found[programme] = (*found.get(programme, ()), rule)
    return found
