"""The tariff of a day: all rules about rides that hold on it, found by service.

Made once for a day, because a node looks a rule up for each tap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from engine.calendar import DAY_MS, WIB_OFFSET_MS
from engine.card import Granted
from engine.fares.days import is_workday
from engine.fares.network import Network
from engine.fares.ride import Fare, NoFare, Price, Ride, price_on
from engine.rules.kinds import (
    DistanceFare,
    FareCap,
    FlatFare,
    FreeRide,
    IntegratedFare,
    JourneyRule,
    Rule,
    Service,
    TableFare,
)
from engine.rules.reading import Fault, RulesInvalid
from engine.rules.rulebook import Rulebook, Version

_FARES: Final = (FlatFare, TableFare, DistanceFare)
_ONE_EACH: Final = ((_FARES, "fare"), ((JourneyRule,), "journey"), ((FareCap,), "cap"))
"""Kinds of rules of which a service has one at most."""

_WHOLE_PERCENT: Final = 100
_DAYS_REMEMBERED_MAX: Final = 64
"""Days whose tariffs are kept: those of late taps, and of a month that is gone through in order."""


class Concession(NamedTuple):
    """Who pays a part of a fare for the holder of a card.

    Attributes:
      rule: name and version of the rule that says so; empty: nobody does.
      programme: whose fund pays.
      percent: of the fare.
    """

    rule: str = ""
    programme: str = ""
    percent: int = 0


NO_CONCESSION: Final = Concession()


class Tariff:
    """The rules about rides on one day.

    Attributes:
      prices: by service.
      journeys: what a ride of a service needs, by service.
      integrated: the fare of several modes together.
      modes: the number of the mode that a service is of, where it is of the integrated fare.
      caps: the most that is paid in a day or a week, by service, with the names of their versions.
    """

    def __init__(self, day: int, rulebook: Rulebook, network: Network) -> None:
        workday = is_workday(day, rulebook)
        self.network = network
        self.prices: dict[str, Price] = {}
        for version in _fares_on(day, rulebook):
            rule = version.rule
            assert isinstance(rule, _FARES)
            price = price_on(rule, network, workday=workday)
            self.prices |= dict.fromkeys(rule.services, price)
        self.journeys: dict[str, JourneyRule] = {
            service: rule
            for rule in rulebook.of_kind(JourneyRule, day)
            for service in rule.services
        }
        self.caps: dict[str, tuple[FareCap, str]] = {
            service: (rule, rule.version)
            for rule in rulebook.of_kind(FareCap, day)
            for service in rule.services
        }
        self.integrated: IntegratedFare | None = next(
            iter(rulebook.of_kind(IntegratedFare, day)), None
        )
        self.integrated_version = self.integrated.version if self.integrated else ""
        self.modes: dict[str, int] = {
            service: number
            for number, services in enumerate(self.integrated.modes if self.integrated else ())
            for service in services
        }
        self._free: dict[str, list[tuple[FreeRide, str, frozenset[str]]]] = {}
        for free in rulebook.of_kind(FreeRide, day):
            groups = frozenset(group.name for group in free.groups)
            for service in free.services:
                self._free.setdefault(service, []).append((free, free.version, groups))

    def fare_of(self, ride: Ride) -> Fare:
        """Return the full fare of a ride that stands alone; where its way is unknown the farthest.

        Raises:
          NoFare: no rule is about its service, or knows where it began.
        """
        price = self.price_of(ride.service)
        try:
            return price.of_ride(ride)
        except NoFare:
            return price.farthest(ride.service, ride.origin, ride.began_ms)

    def price_of(self, service: Service) -> Price:
        """Return the rule of a service.

        Raises:
          NoFare: there is none.
        """
        price = self.prices.get(service)
        if price is None:
            raise NoFare("fare_unknown", "", "service")
        return price

    def free_rides(self, service: str) -> Sequence[tuple[FreeRide, str, frozenset[str]]]:
        """Return who rides free on a service: rules, their versions, and the names of groups."""
        return self._free.get(service, ())

    def concession(self, service: str, grants: Sequence[Granted], day: int) -> Concession:
        """Return the largest concession on a service that grants of a card give on this day."""
        best = NO_CONCESSION
        for rule, version, groups in self.free_rides(service):
            for grant in grants:
                holds = grant.since_day <= day <= grant.until_day and grant.group in groups
                if holds and grant.programme == rule.programme and rule.percent > best.percent:
                    best = Concession(version, rule.programme, rule.percent)
        return best

    def is_free(self, service: str, grants: Sequence[Granted], day: int) -> bool:
        """Tell whether somebody else pays the whole fare of a service for the holder of grants."""
        return self.concession(service, grants, day).percent == _WHOLE_PERCENT


class Tariffs:
    """Tariffs by day.

    Args:
      rulebook: whose fares `check_fares` has found sound.
      network: of the city.
    """

    def __init__(self, rulebook: Rulebook, network: Network) -> None:
        self._rulebook = rulebook
        self._network = network
        self._days: dict[int, Tariff] = {}

    def on(self, day: int) -> Tariff:
        """Return the tariff of a day of Jakarta, as counted by engine.calendar."""
        tariff = self._days.get(day)
        if tariff is None:
            if len(self._days) >= _DAYS_REMEMBERED_MAX:
                self._days.clear()
            tariff = self._days[day] = Tariff(day, self._rulebook, self._network)
        return tariff

    def at(self, time_ms: int) -> Tariff:
        """Return the tariff of the day of a moment."""
        # Twice for each tap: what most of them find is looked up here.
        day = (time_ms + WIB_OFFSET_MS) // DAY_MS
        return self._days.get(day) or self.on(day)


def check_fares(rulebook: Rulebook) -> None:
    """Check that no service has two fares, journeys or caps on any day, nor a day two integrations.

    Raises:
      RulesInvalid: one has.
    """
    faults = {fault for day in rulebook.changes() for fault in _second_rules(day, rulebook)}
    if faults:
        raise RulesInvalid(sorted(faults))


def _second_rules(day: int, rulebook: Rulebook) -> Iterator[Fault]:
    taken: dict[tuple[str, str], Version] = {}
    for version in rulebook.in_force(day):
        for what, service in _taken_by(version.rule):
            before = taken.setdefault((what, service), version)
            if before is not version:
                told = f"{service} has the {what} {before.rule.id} ({before.place})"
                yield Fault(version.instrument.file, version.line, version.rule.id, told)


def _taken_by(rule: Rule) -> Iterator[tuple[str, str]]:
    """Yield what there may be only one of: what it is, and of which service."""
    if isinstance(rule, IntegratedFare):
        yield "integrated fare", "the day"
        return
    for kinds, what in _ONE_EACH:
        if isinstance(rule, kinds):
            yield from ((what, service) for service in rule.services)


def _fares_on(day: int, rulebook: Rulebook) -> list[Version]:
    return [found for found in rulebook.in_force(day) if isinstance(found.rule, _FARES)]
