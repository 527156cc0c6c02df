"""A small part of the real network: lines, stops, fares, banks. The facts stand in network.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib import resources
from itertools import chain
from typing import Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

Direction: TypeAlias = Literal["in", "out"]

MINUTE_S: Final = 60


class Stop(Struct, frozen=True, array_like=True):
    """A stop of a line and its running time from the first stop."""

    name: str
    minute: float


class Fare(Struct, frozen=True):
    """What a ride costs, and at which of its two taps a chip pays it.

    A `table` (from, to, in the order of the stops) goes before the flat amount; `early_rp` holds
    for taps-in from `early_from` until just before `early_until`, wall-clock time in Jakarta.
    With less than `balance_min_rp` on a card nobody gets in. To the node it is that of `service`.
    """

    service: str
    charged: Direction
    source: str
    amount_rp: int = 0
    balance_min_rp: int = 0
    early_rp: int = 0
    early_from: str = ""
    early_until: str = ""
    table: tuple[tuple[int, ...], ...] = ()

    def price_rp(self, origin: int, destination: int, tapped_in_s: float) -> int:
        """Return the fare of a ride.

        Args:
          origin: index of the stop of the tap-in.
          destination: index of the stop of the tap-out.
          tapped_in_s: seconds since midnight in Jakarta of the tap-in.
        """
        if self.table:
            return self.table[origin][destination]
        if self.early_from and (
            seconds(self.early_from) <= tapped_in_s < seconds(self.early_until)
        ):
            return self.early_rp
        return self.amount_rp

    def chip_rp(self, origin: int, destination: int) -> int:
        """Return what a chip pays: at all hours the same, as in the public data of April 2023."""
        return self.table[origin][destination] if self.table else self.amount_rp

    def farthest_rp(self, stop: int, tapped_in_s: float) -> int:
        """Return the fare of a ride of which only one end is known."""
        return max(
            self.price_rp(stop, other, tapped_in_s) for other in range(max(1, len(self.table)))
        )


class Line(Struct, frozen=True):
    """A line. Its readers stand at the stops, or ride along where it has `vehicles`."""

    code: str
    name: str
    operator: str
    fare: str
    headway_minutes: float
    riders_a_day: int
    source: str
    stops: tuple[Stop, ...]
    vehicles: int = 0

    @property
    def readers(self) -> tuple[str, ...]:
        """Names of the terminals of this line."""
        if self.vehicles:
            return tuple(f"{self.code}-bus{number:02}" for number in range(self.vehicles))
        return tuple(
            chain.from_iterable(
                (self.gate(stop, "in"), self.gate(stop, "out")) for stop in range(len(self.stops))
            )
        )

    def gate(self, stop: int, direction: Direction) -> str:
        """Return the name of the gate of a stop."""
        return f"{self.code}-{stop + 1:02}-{direction}"


class Bank(Struct, frozen=True):
    """An issuer of cards and its share of them."""

    name: str
    weight: int


class Programme(Struct, frozen=True):
    """Who pays for free rides, for which group, and the share of the riders who have them."""

    code: str
    group: str
    name: str
    share: float
    source: str


class Stored(Struct, frozen=True):
    """Cards whose chip holds the money, and their share."""

    share: float
    source: str


class Morning(Struct, frozen=True):
    """The shape of a morning: the share of taps-in of each slot."""

    begins: str
    slot_minutes: int
    shares: tuple[int, ...]
    source: str

    @property
    def begins_s(self) -> int:
        """Seconds since midnight at which the first slot begins."""
        return seconds(self.begins)

    @property
    def slot_s(self) -> int:
        """Length of a slot."""
        return self.slot_minutes * MINUTE_S


class Network(Struct, frozen=True):
    """All facts of the demo."""

    morning: Morning
    banks: dict[str, Bank]
    stored: Stored
    programme: Programme
    fares: dict[str, Fare]
    lines: tuple[Line, ...]

    def readers(self) -> Iterator[str]:
        """Yield the names of all terminals at stops and in vehicles."""
        for line in self.lines:
            yield from line.readers


def seconds(clock: str) -> int:
    """Return the seconds since midnight of a time like `05:30`."""
    hours, minutes = clock.split(":")
    return (int(hours) * 60 + int(minutes)) * MINUTE_S


def built_in() -> Network:
    """Return the network that is shipped with the program."""
    text = resources.files("ops.demo").joinpath("network.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), Network, strict=True)
