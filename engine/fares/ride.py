"""The fare of one ride, by the rule of its service that held when it began.

A ride keeps the rule of its tap-in: one that changes while somebody sits in the bus changes nothing
for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal, TypeAlias, assert_never

from msgspec import Struct

from engine.calendar import day_of
from engine.errors import EngineError
from engine.fares.days import window_at
from engine.fares.network import Network
from engine.rules.kinds import DistanceFare, FlatFare, Service, TableFare
from engine.rules.reading import Fault, RulesInvalid
from engine.rules.rulebook import Rulebook, Version

RideRule: TypeAlias = FlatFare | TableFare | DistanceFare

_KINDS: Final = (FlatFare, TableFare, DistanceFare)


class Ride(Struct, frozen=True):
    """From a tap-in to a tap-out; times are milliseconds since 1970 (UTC)."""

    service: Service
    began_ms: int
    origin: str
    ended_ms: int
    destination: str


class Fare(Struct, frozen=True):
    """What a ride costs, and why.

    Attributes:
      rule: name and version of the rule.
      inputs: what the amount was worked out from, by name.
    """

    amount_rp: int
    rule: str
    inputs: Mapping[str, object]


class NoFare(EngineError):
    """No fare can be told.

    Attributes:
      reason: no rule is about the service, or the rule does not know the station.
      rule: the rule that was asked; empty where there is none.
      field: of the ride, that it does not know.
    """

    def __init__(
        self, reason: Literal["fare_unknown", "place_unknown"], rule: str, field: str
    ) -> None:
        super().__init__(f"{reason}: {field}")
        self.reason, self.rule, self.field = reason, rule, field


def ride_fare(ride: Ride, rulebook: Rulebook, network: Network) -> Fare:
    """Return the full fare of a ride that stands alone, before any concession.

    Raises:
      NoFare: no rule is about its service on that day, or the rule does not know a station.
    """
    rule = _rule_of(ride, rulebook)
    match rule:
        case FlatFare():
            return _flat(ride, rule, rulebook)
        case TableFare():
            return _by_table(ride, rule)
        case DistanceFare():
            return _by_distance(ride, rule, rulebook, network)
        case _:
            assert_never(rule)


def _rule_of(ride: Ride, rulebook: Rulebook) -> RideRule:
    for version in _versions_on(day_of(ride.began_ms), rulebook):
        rule = version.rule
        if isinstance(rule, _KINDS) and ride.service in rule.services:
            return rule
    raise NoFare("fare_unknown", "", "service")


def _versions_on(day: int, rulebook: Rulebook) -> list[Version]:
    return [found for found in rulebook.in_force(day) if isinstance(found.rule, _KINDS)]


def check_fares(rulebook: Rulebook) -> None:
    """Check that no service has two fares on any day.

    Raises:
      RulesInvalid: one has.
    """
    faults = {fault for day in rulebook.changes() for fault in _second_fares(day, rulebook)}
    if faults:
        raise RulesInvalid(sorted(faults))


def _second_fares(day: int, rulebook: Rulebook) -> Iterator[Fault]:
    taken: dict[Service, Version] = {}
    for version in _versions_on(day, rulebook):
        assert isinstance(version.rule, _KINDS)
        for service in version.rule.services:
            before = taken.setdefault(service, version)
            if before is not version:
                what = f"services: {service} has the fare {before.rule.id} ({before.place})"
                yield Fault(version.instrument.file, version.line, version.rule.id, what)


def _flat(ride: Ride, rule: FlatFare, rulebook: Rulebook) -> Fare:
    window = window_at(rule.windows, ride.began_ms, rulebook)
    if window is None:
        return Fare(rule.amount_rp, rule.version, {})
    hours = f"{window.since:%H:%M}-{window.until:%H:%M}"
    return Fare(window.amount_rp, rule.version, {"hours": hours, "else_rp": rule.amount_rp})


def _by_table(ride: Ride, rule: TableFare) -> Fare:
    numbers: list[int] = []
    for field, station in (("origin", ride.origin), ("destination", ride.destination)):
        if station not in rule.stations:
            raise NoFare("place_unknown", rule.version, field)
        numbers.append(rule.stations.index(station))
    amount_rp = rule.amounts_rp[numbers[0]][numbers[1]]
    return Fare(amount_rp, rule.version, {"from": ride.origin, "to": ride.destination})


def _by_distance(ride: Ride, rule: DistanceFare, rulebook: Rulebook, network: Network) -> Fare:
    metres = network.metres(ride.service, ride.origin, ride.destination)
    if metres is None:
        raise NoFare("place_unknown", rule.version, "destination")
    window = window_at(rule.caps, ride.began_ms, rulebook)
    cap_rp = rule.cap_rp if window is None else window.amount_rp
    inputs: dict[str, object] = {"metres": metres, "cap_rp": cap_rp}
    if rule.same_station_min is not None and ride.origin == ride.destination:
        minutes = (ride.ended_ms - ride.began_ms) / 60_000
        inputs["minutes_inside"] = int(minutes)
        assert cap_rp is not None, "a rule with same_station_min has a cap"
        within = minutes < rule.same_station_min
        return Fare(rule.first_rp if within else cap_rp, rule.version, inputs)
    # A step that was begun is paid whole.
    steps = -(-max(0, metres - rule.first_m) // rule.step_m)
    amount_rp = rule.first_rp + steps * rule.step_rp
    inputs["steps"] = steps
    if cap_rp is not None:
        amount_rp = min(amount_rp, cap_rp)
    return Fare(amount_rp, rule.version, inputs)
