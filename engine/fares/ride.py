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
    rule = _rule_of(ride.service, ride.began_ms, rulebook)
    match rule:
        case FlatFare():
            return _flat(ride.began_ms, rule, rulebook)
        case TableFare():
            return _by_table(ride, rule)
        case DistanceFare():
            return _over(ride, rule, rulebook, network)
        case _:
            assert_never(rule)


def farthest_fare(
    service: Service, place: str, at_ms: int, rulebook: Rulebook, network: Network
) -> Fare:
    """Return the most that a ride may cost of which one end alone is known.

    Raises:
      NoFare: as for `ride_fare`.
    """
    rule = _rule_of(service, at_ms, rulebook)
    match rule:
        case FlatFare():
            return _flat(at_ms, rule, rulebook)
        case TableFare():
            number = _number(place, "origin", rule)
            amounts = [*rule.amounts_rp[number], *(row[number] for row in rule.amounts_rp)]
            return Fare(max(amounts), rule.version, {"farthest_from": place})
        case DistanceFare():
            metres = network.farthest(service, place)
            if metres is None:
                raise NoFare("place_unknown", rule.version, "origin")
            told = _by_distance(metres, at_ms, rule, rulebook)
            return Fare(told.amount_rp, told.rule, {**told.inputs, "farthest_from": place})
        case _:
            assert_never(rule)


def _rule_of(service: Service, at_ms: int, rulebook: Rulebook) -> RideRule:
    for version in _versions_on(day_of(at_ms), rulebook):
        rule = version.rule
        if isinstance(rule, _KINDS) and service in rule.services:
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


def _flat(at_ms: int, rule: FlatFare, rulebook: Rulebook) -> Fare:
    window = window_at(rule.windows, at_ms, rulebook)
    if window is None:
        return Fare(rule.amount_rp, rule.version, {})
    hours = f"{window.since:%H:%M}-{window.until:%H:%M}"
    return Fare(window.amount_rp, rule.version, {"hours": hours, "else_rp": rule.amount_rp})


def _by_table(ride: Ride, rule: TableFare) -> Fare:
    row = rule.amounts_rp[_number(ride.origin, "origin", rule)]
    amount_rp = row[_number(ride.destination, "destination", rule)]
    return Fare(amount_rp, rule.version, {"from": ride.origin, "to": ride.destination})


def _number(station: str, field: str, rule: TableFare) -> int:
    if station not in rule.stations:
        raise NoFare("place_unknown", rule.version, field)
    return rule.stations.index(station)


def _over(ride: Ride, rule: DistanceFare, rulebook: Rulebook, network: Network) -> Fare:
    metres = network.metres(ride.service, ride.origin, ride.destination)
    if metres is None:
        raise NoFare("place_unknown", rule.version, "destination")
    told = _by_distance(metres, ride.began_ms, rule, rulebook)
    if rule.same_station_min is None or ride.origin != ride.destination:
        return told
    cap_rp = told.inputs["cap_rp"]
    assert isinstance(cap_rp, int), "a rule with same_station_min has a cap"
    minutes = (ride.ended_ms - ride.began_ms) / 60_000
    amount_rp = rule.first_rp if minutes < rule.same_station_min else cap_rp
    return Fare(amount_rp, told.rule, {**told.inputs, "minutes_inside": int(minutes)})


def _by_distance(metres: int, at_ms: int, rule: DistanceFare, rulebook: Rulebook) -> Fare:
    window = window_at(rule.caps, at_ms, rulebook)
    cap_rp = rule.cap_rp if window is None else window.amount_rp
    # A step that was begun is paid whole.
    steps = -(-max(0, metres - rule.first_m) // rule.step_m)
    amount_rp = rule.first_rp + steps * rule.step_rp
    if cap_rp is not None:
        amount_rp = min(amount_rp, cap_rp)
    return Fare(amount_rp, rule.version, {"metres": metres, "cap_rp": cap_rp, "steps": steps})
