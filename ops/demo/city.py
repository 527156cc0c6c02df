"""A morning of the city, drawn from a seed: who rides where and when, and what each tap says.

Everything is planned before the first tap is sent, so that what the ledger holds afterwards can be
compared with what was meant. The same seed gives the same plan.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import chain
from operator import itemgetter
from typing import Final, TypeAlias

from msgspec import Struct

from engine.transaction import Group, Intent, Issue, Subsidy, Tap, TopUp
from ops.demo.network import MINUTE_S, Direction, Fare, Line, Network
from ops.demo.riders import Rider, Riders

MIDNIGHT: Final = datetime(2025, 11, 3, tzinfo=timezone(timedelta(hours=7), "WIB"))
"""A Monday on which the fares of the built-in network were in force."""

FORGOTTEN: Final = 0.035
"""Share of the rides without a tap-out; Transjakarta's public data set of April 2023."""

_MIDNIGHT_MS: Final = int(MIDNIGHT.timestamp() * 1000)
_LOADED_S: Final = 4 * 60 * MINUTE_S
_BOARDING_S: Final = 20
_WALK_S: Final = (15, 75)

_Due: TypeAlias = tuple[float, str, Intent]
"""Seconds since midnight, terminal, intent."""


class Planned(Struct, frozen=True, gc=False):
    """One transaction that a terminal is to send, and when by its own clock."""

    terminal: str
    counter: int
    at_ms: int
    intent: Intent


class City(Struct, frozen=True):
    """A planned morning.

    Attributes:
      loads: cards issued and topped up by their banks before the first trip.
      taps: in the order of time.
      trips: rides, and those that end at a gate because the purse is too low.
      forgotten: rides without a tap-out.
      dry: taps that find the purse too low.
    """

    loads: tuple[Planned, ...]
    taps: tuple[Planned, ...]
    trips: int
    cards: int
    free_riders: int
    forgotten: int
    dry: int


@dataclass(frozen=True, slots=True)
class _Ride:
    rider: Rider
    line: Line
    fare: Fare
    origin: int
    destination: int
    vehicle: int
    in_s: float
    out_s: float
    price_rp: int
    forgotten: bool

    def reader(self, direction: Direction) -> str:
        if self.line.vehicles:
            return self.line.readers[self.vehicle]
        return self.line.gate(self.origin if direction == "in" else self.destination, direction)


def morning(network: Network, rng: random.Random, *, trips: int) -> City:
    """Plan a morning.

    Args:
      network: the facts.
      rng: where chance comes from; the same seed gives the same morning.
      trips: how many.
    """
    riders = Riders(network, rng)
    rides = [_ride(network, rng, riders, start_s) for start_s in _starts(network, rng, trips)]
    purses_rp = [rider.top_up_rp for rider in riders.all]
    taps: list[_Due] = []
    dry = forgotten = 0
    # Rides stand in the order of their start and those of one card never overlap, so that the
    # purse that the plan sees is the one that the gate will see.
    for ride in rides:
        number = ride.rider.number
        refused = not ride.rider.free and ride.price_rp > purses_rp[number]
        if refused:
            dry += 1
        elif not ride.rider.free:
            purses_rp[number] -= ride.price_rp
        turned_away = refused and ride.fare.charged == "in"
        forgotten += ride.forgotten and not turned_away
        taps += _taps(network, ride, turned_away=turned_away)
    return City(
        loads=_numbered(chain.from_iterable(_loads(rider) for rider in riders.all)),
        taps=_numbered(sorted(taps, key=itemgetter(0, 1))),
        trips=len(rides),
        cards=len(riders.all),
        free_riders=sum(rider.free for rider in riders.all),
        forgotten=forgotten,
        dry=dry,
    )


def _starts(network: Network, rng: random.Random, trips: int) -> list[float]:
    day = network.morning
    slots = rng.choices(range(len(day.shares)), day.shares, k=trips)
    return sorted(day.begins_s + (slot + rng.random()) * day.slot_s for slot in slots)


def _ride(network: Network, rng: random.Random, riders: Riders, start_s: float) -> _Ride:
    rider = riders.pick(start_s)
    (line,) = rng.choices(network.lines, [line.riders_a_day for line in network.lines])
    origin, destination = rng.sample(range(len(line.stops)), 2)
    vehicle, leaves_s = _departure(line, origin, destination, start_s)
    ride_s = abs(line.stops[destination].minute - line.stops[origin].minute) * MINUTE_S
    out_s = leaves_s + ride_s + rng.uniform(*_WALK_S)
    # At a gate people tap when they come; in a bus when it does.
    in_s = leaves_s + rng.uniform(0, _BOARDING_S) if line.vehicles else start_s
    fare = network.fares[line.fare]
    price_rp = fare.price_rp(origin, destination, in_s)
    # Nobody leaves a station that charges at its exit without a tap.
    forgotten = fare.charged == "in" and rng.random() < FORGOTTEN
    rider.need_rp += price_rp
    riders.travels(rider, out_s)
    return _Ride(rider, line, fare, origin, destination, vehicle, in_s, out_s, price_rp, forgotten)


def _departure(line: Line, origin: int, destination: int, now_s: float) -> tuple[int, float]:
    """Return the next vehicle at a stop and when it leaves: trains let people out in bursts."""
    forward = destination > origin
    end = line.stops[0 if forward else -1]
    offset_s = abs(line.stops[origin].minute - end.minute) * MINUTE_S
    headway_s = line.headway_minutes * MINUTE_S
    number = math.ceil((now_s - offset_s) / headway_s)
    vehicle = (2 * number + forward) % line.vehicles if line.vehicles else 0
    return vehicle, number * headway_s + offset_s


def _taps(network: Network, ride: _Ride, *, turned_away: bool) -> Iterator[_Due]:
    yield ride.in_s, ride.reader("in"), _tap(network, ride, "in")
    if not turned_away and not ride.forgotten:
        yield ride.out_s, ride.reader("out"), _tap(network, ride, "out")


def _tap(network: Network, ride: _Ride, direction: Direction) -> Intent:
    line = ride.line
    place = line.stops[ride.origin if direction == "in" else ride.destination].name
    price_rp = ride.price_rp if ride.fare.charged == direction else 0
    paid_rp = 0 if ride.rider.free else price_rp
    tap = Tap(ride.rider.card, paid_rp, line.operator, direction, place, line.code)
    if paid_rp == price_rp:
        return tap
    return Group((tap, Subsidy(network.programme.code, line.operator, price_rp)))


def _loads(rider: Rider) -> Iterator[_Due]:
    loader = f"loader-{rider.bank}"
    yield _LOADED_S, loader, Issue(rider.card, "account", rider.bank)
    if rider.top_up_rp:
        yield _LOADED_S, loader, TopUp(rider.card, rider.top_up_rp, rider.bank)


def _numbered(dues: Iterable[_Due]) -> tuple[Planned, ...]:
    counters = Counter[str]()
    planned = []
    for at_s, terminal, intent in dues:
        counters[terminal] += 1
        at_ms = _MIDNIGHT_MS + round(at_s * 1000)
        planned.append(Planned(terminal, counters[terminal], at_ms, intent))
    return tuple(planned)
