"""A morning of the city, drawn from a seed: who rides where and when, and what each tap says.

Everything is planned before the first tap is sent, so that what the ledger holds afterwards can be
compared with what was meant. The same seed gives the same plan.

Each tap names its service, and the node says what it costs. An account pays that; a chip pays what
it knows, which is more in the early hours, and what is too much is owed to the card.
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
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from engine.calendar import day_of
from engine.transaction import Grant, Intent, Issue, Tap, TopUp
from ops.demo.network import MINUTE_S, Direction, Fare, Line, Network
from ops.demo.riders import Rider, Riders

MIDNIGHT: Final = datetime(2025, 11, 3, tzinfo=timezone(timedelta(hours=7), "WIB"))
"""A Monday on which the fares of the built-in network were in force."""

FORGOTTEN: Final = 0.035
"""Share of the rides without a tap-out; Transjakarta's public data set of April 2023."""

PROOF: Final = b"as the chip signed"
"""Nobody checks a chip's word here."""

_MIDNIGHT_MS: Final = int(MIDNIGHT.timestamp() * 1000)
TODAY: Final = day_of(_MIDNIGHT_MS)
NOON_MS: Final = _MIDNIGHT_MS + 12 * 60 * MINUTE_S * 1000
"""When the clock of the node begins: taps come late, and rules are those of the day."""

_LOADED_S: Final = 4 * 60 * MINUTE_S
_BOARDING_S: Final = 20
_WALK_S: Final = (15, 75)
_RESET_S: Final = 5
"""So long before a tap-in the ride is ended that was not tapped out."""
_GRANT_DAYS: Final = 90

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
      stored: of the cards, those whose chip pays.
      forgotten: rides without a tap-out.
      dry: taps that find the purse too low.
    """

    loads: tuple[Planned, ...]
    taps: tuple[Planned, ...]
    trips: int
    cards: int
    free_riders: int
    stored: int
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
    chip_rp: int
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
    taps: list[_Due] = []
    dry = forgotten = 0
    # Rides stand in the order of their start, and those of one card never overlap.
    for ride in rides:
        refused = ride.rider.dry and ride.rider.top_up_rp < ride.fare.balance_min_rp
        dry += refused
        forgotten += ride.forgotten and not refused
        taps += _taps(ride, refused=refused)
    return City(
        loads=_numbered(chain.from_iterable(_loads(network, rider) for rider in riders.all)),
        taps=_numbered(sorted(taps, key=itemgetter(0, 1))),
        trips=len(rides),
        cards=len(riders.all),
        free_riders=sum(rider.free for rider in riders.all),
        stored=sum(rider.stored for rider in riders.all),
        forgotten=forgotten,
        dry=dry,
    )


def _starts(network: Network, rng: random.Random, trips: int) -> list[float]:
    day = network.morning
    slots = rng.choices(range(len(day.shares)), day.shares, k=trips)
    return sorted(day.begins_s + (slot + rng.random()) * day.slot_s for slot in slots)


def _ride(network: Network, rng: random.Random, riders: Riders, start_s: float) -> _Ride:
    rider = riders.pick(start_s)
    lines = [line for line in network.lines if _may_take(rider, network, line)]
    (line,) = rng.choices(lines, [line.riders_a_day for line in lines])
    origin, destination = rng.sample(range(len(line.stops)), 2)
    vehicle, leaves_s = _departure(line, origin, destination, start_s)
    ride_s = abs(line.stops[destination].minute - line.stops[origin].minute) * MINUTE_S
    out_s = leaves_s + ride_s + rng.uniform(*_WALK_S)
    # At a gate people tap when they come; in a bus when it does.
    in_s = leaves_s + rng.uniform(0, _BOARDING_S) if line.vehicles else start_s
    fare = network.fares[line.fare]
    # Nobody leaves a station that charges at its exit without a tap.
    forgotten = fare.charged == "in" and rng.random() < FORGOTTEN
    if fare.balance_min_rp:
        rider.fare = line.fare
    chip_rp = fare.chip_rp(origin, destination)
    rider.need_rp += chip_rp
    riders.travels(rider, out_s)
    return _Ride(rider, line, fare, origin, destination, vehicle, in_s, out_s, chip_rp, forgotten)


def _departure(line: Line, origin: int, destination: int, now_s: float) -> tuple[int, float]:
    """Return the next vehicle at a stop and when it leaves: trains let people out in bursts."""
    forward = destination > origin
    end = line.stops[0 if forward else -1]
    offset_s = abs(line.stops[origin].minute - end.minute) * MINUTE_S
    headway_s = line.headway_minutes * MINUTE_S
    number = math.ceil((now_s - offset_s) / headway_s)
    vehicle = (2 * number + forward) % line.vehicles if line.vehicles else 0
    return vehicle, number * headway_s + offset_s


def _may_take(rider: Rider, network: Network, line: Line) -> bool:
    """Tell whether a rider takes a line: nobody changes between services that are paid together."""
    return not rider.fare or line.fare == rider.fare or not network.fares[line.fare].balance_min_rp


def _taps(ride: _Ride, *, refused: bool) -> Iterator[_Due]:
    rider = ride.rider
    if rider.is_inside and not rider.stored and ride.fare.balance_min_rp:
        # A chip forgets a ride at the next gate; of an account somebody ends it there first.
        yield ride.in_s - _RESET_S, ride.reader("in"), _tap(ride, "reset")
    rider.is_inside = False
    yield ride.in_s, ride.reader("in"), _tap(ride, "in")
    if refused:
        return
    rider.is_inside = ride.forgotten
    if not ride.forgotten:
        yield ride.out_s, ride.reader("out"), _tap(ride, "out")


def _tap(ride: _Ride, direction: Literal["in", "out", "reset"]) -> Tap:
    line, rider = ride.line, ride.rider
    place = line.stops[ride.destination if direction == "out" else ride.origin].name
    paid_rp = ride.chip_rp if rider.stored and ride.fare.charged == direction else 0
    proof = PROOF if rider.stored else None
    return Tap(
        *(rider.card, paid_rp, line.operator, direction, place, line.code),
        proof=proof,
        service=ride.fare.service,
    )


def _loads(network: Network, rider: Rider) -> Iterator[_Due]:
    loader, programme = f"loader-{rider.bank}", network.programme
    medium: Literal["stored", "account"] = "stored" if rider.stored else "account"
    yield _LOADED_S, loader, Issue(rider.card, medium, rider.bank)
    if rider.free:
        days = (TODAY, TODAY + _GRANT_DAYS)
        grant = Grant(rider.card, programme.code, programme.group, rider.holder, *days)
        yield _LOADED_S, loader, grant
    if rider.top_up_rp:
        proof = PROOF if rider.stored else None
        yield _LOADED_S, loader, TopUp(rider.card, rider.top_up_rp, rider.bank, proof=proof)


def _numbered(dues: Iterable[_Due]) -> tuple[Planned, ...]:
    counters = Counter[str]()
    planned = []
    for at_s, terminal, intent in dues:
        counters[terminal] += 1
        at_ms = _MIDNIGHT_MS + round(at_s * 1000)
        planned.append(Planned(terminal, counters[terminal], at_ms, intent))
    return tuple(planned)
