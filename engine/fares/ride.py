"""What one ride costs: the rules of fares, as they are on one day.

A ride keeps the rule of its tap-in: one that changes while somebody sits in the bus changes nothing
for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, Protocol, TypeAlias

from msgspec import Struct

from engine.accounts import Posting
from engine.errors import EngineError
from engine.fares.days import at_hour, hours_of
from engine.fares.network import Network
from engine.rules.kinds import DistanceFare, FlatFare, Service, TableFare, Window

RideRule: TypeAlias = FlatFare | TableFare | DistanceFare


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


class Charge(Struct, frozen=True, gc=False):
    """What a tap adds to the price.

    Attributes:
      card_rp: what the card pays; below zero: gets back.
      lines: what operators get and funds pay: with the card's part they sum to zero.
      rule: the version of the rule that decided; empty where nothing was to be decided.
    """

    card_rp: int = 0
    lines: tuple[Posting, ...] = ()
    rule: str = ""


NO_CHARGE: Final = Charge()


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


class Price(Protocol):
    """A rule of fares as it is on one day.

    Attributes:
      rule: what it is made of.
      version: its name and version.
      no_charge: of a tap that costs nothing yet.
    """

    rule: RideRule
    version: str
    no_charge: Charge

    def knows(self, service: Service, place: str, /) -> bool:
        """Tell whether a ride may begin or end at a place."""
        ...

    def hours(self) -> Sequence[tuple[str, int]]:
        """Return the hours of the day that have an amount of their own, and that in rupiah."""
        ...

    def of_ride(self, ride: Ride, /) -> Fare:
        """Return the full fare of a ride that stands alone, before any concession.

        Raises:
          NoFare: the rule does not know a station.
        """
        ...

    def farthest(self, service: Service, place: str, at_ms: int, /) -> Fare:
        """Return the most that a ride may cost of which one end alone is known.

        Raises:
          NoFare: the rule does not know the station.
        """
        ...


def price_on(rule: RideRule, network: Network, *, workday: bool) -> Price:
    """Return a rule as it is on a day."""
    if isinstance(rule, FlatFare):
        return _Flat(rule, workday=workday)
    if isinstance(rule, TableFare):
        return _Table(rule)
    return _Distance(rule, network, workday=workday)


class _Flat:
    """One amount, and others in some hours: made once, for most taps of a day are here."""

    def __init__(self, rule: FlatFare, *, workday: bool) -> None:
        self.rule: RideRule = rule
        self.version = rule.version
        self.no_charge = Charge(rule=rule.version)
        self._else: Final = Fare(rule.amount_rp, rule.version, {})

        def told(window: Window) -> Fare:
            hours = f"{window.since:%H:%M}-{window.until:%H:%M}"
            inputs = {"hours": hours, "else_rp": rule.amount_rp}
            return Fare(window.amount_rp, rule.version, inputs)

        self._hours: Final = hours_of(rule.windows, workday=workday, told=told)

    def hours(self) -> Sequence[tuple[str, int]]:
        return [(str(fare.inputs["hours"]), fare.amount_rp) for _, _, fare in self._hours]

    def knows(self, _service: Service, _place: str) -> bool:
        return True

    def of_ride(self, ride: Ride) -> Fare:
        return at_hour(self._hours, ride.began_ms) or self._else

    def farthest(self, _service: Service, _place: str, at_ms: int) -> Fare:
        return at_hour(self._hours, at_ms) or self._else


class _Table:
    """An amount for each pair of stations."""

    def __init__(self, rule: TableFare) -> None:
        self.rule: RideRule = rule
        self.version = rule.version
        self.no_charge = Charge(rule=rule.version)
        self._numbers: Final = {name: number for number, name in enumerate(rule.stations)}
        self._amounts_rp: Final = rule.amounts_rp

    def hours(self) -> Sequence[tuple[str, int]]:
        return ()

    def knows(self, _service: Service, place: str) -> bool:
        return place in self._numbers

    def of_ride(self, ride: Ride) -> Fare:
        row = self._amounts_rp[self._number(ride.origin, "origin")]
        amount_rp = row[self._number(ride.destination, "destination")]
        return Fare(amount_rp, self.version, {"from": ride.origin, "to": ride.destination})

    def farthest(self, _service: Service, place: str, _at_ms: int) -> Fare:
        number = self._number(place, "origin")
        amounts = [*self._amounts_rp[number], *(row[number] for row in self._amounts_rp)]
        return Fare(max(amounts), self.version, {"farthest_from": place})

    def _number(self, station: str, field: str) -> int:
        if station not in self._numbers:
            raise NoFare("place_unknown", self.version, field)
        return self._numbers[station]


class _Distance:
    """An amount for each step of the way."""

    def __init__(self, rule: DistanceFare, network: Network, *, workday: bool) -> None:
        self.rule: RideRule = rule
        self.version = rule.version
        self.no_charge = Charge(rule=rule.version)
        self._steps: Final = rule
        self._network: Final = network
        self._caps: Final = hours_of(rule.caps, workday=workday, told=lambda cap: cap.amount_rp)

    def hours(self) -> Sequence[tuple[str, int]]:
        return ()

    def knows(self, service: Service, place: str) -> bool:
        return self._network.knows(service, place)

    def of_ride(self, ride: Ride) -> Fare:
        metres = self._network.metres(ride.service, ride.origin, ride.destination)
        if metres is None:
            raise NoFare("place_unknown", self.version, "destination")
        told = self._over(metres, ride.began_ms)
        inside_min = self._steps.same_station_min
        if inside_min is None or ride.origin != ride.destination:
            return told
        cap_rp = told.inputs["cap_rp"]
        assert isinstance(cap_rp, int), "a rule with same_station_min has a cap"
        minutes = (ride.ended_ms - ride.began_ms) / 60_000
        amount_rp = self._steps.first_rp if minutes < inside_min else cap_rp
        return Fare(amount_rp, self.version, {**told.inputs, "minutes_inside": int(minutes)})

    def farthest(self, service: Service, place: str, at_ms: int) -> Fare:
        metres = self._network.farthest(service, place)
        if metres is None:
            raise NoFare("place_unknown", self.version, "origin")
        told = self._over(metres, at_ms)
        return Fare(told.amount_rp, self.version, {**told.inputs, "farthest_from": place})

    def _over(self, metres: int, at_ms: int) -> Fare:
        rule = self._steps
        cap_rp = at_hour(self._caps, at_ms)
        if cap_rp is None:
            cap_rp = rule.cap_rp
        # A step that was begun is paid whole.
        steps = -(-max(0, metres - rule.first_m) // rule.step_m)
        amount_rp = rule.first_rp + steps * rule.step_rp
        if cap_rp is not None:
            amount_rp = min(amount_rp, cap_rp)
        return Fare(amount_rp, self.version, {"metres": metres, "cap_rp": cap_rp, "steps": steps})
