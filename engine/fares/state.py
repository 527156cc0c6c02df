"""The state of a card's rides: values that stand in entries and in cards."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta, Struct

from engine.rules.kinds import Service

Direction: TypeAlias = Literal["in", "out", "reset"]


class SeenTap(Struct, frozen=True, array_like=True, order=True, gc=False):
    """A tap as a terminal told of it, in the order of time.

    Those of the same moment are in the order of what they tell: which terminal sent one first says
    nothing, and two that tell the same are one.

    Attributes:
      at_ms: when, by the clock of the terminal.
    """

    at_ms: int
    direction: Direction
    service: Service
    place: str
    operator: str


class Boarding(Struct, frozen=True, array_like=True, gc=False):
    """Where a ride began that has not ended yet."""

    at_ms: int
    service: Service
    place: str
    operator: str


class Alighting(Struct, frozen=True, array_like=True, gc=False):
    """Where the last ride ended."""

    at_ms: int
    service: Service
    place: str


class Leg(Struct, frozen=True, array_like=True, gc=False):
    """A ride of a package, what it would cost alone, and who pays how much of it.

    Attributes:
      percent: of its fare that the fund of `programme` pays.
    """

    service: Service
    origin: str
    destination: str
    operator: str
    fare_rp: int
    programme: str = ""
    percent: int = 0


class Package(Struct, frozen=True, array_like=True, gc=False):
    """Rides that are paid together where they are of several modes.

    Attributes:
      began_ms: the first tap-in.
      ended_ms: the last tap-out.
    """

    began_ms: int
    ended_ms: int
    legs: Annotated[tuple[Leg, ...], Meta(min_length=1)]


class Counted(Struct, frozen=True, array_like=True, gc=False):
    """What a card had to pay, as caps count it.

    Attributes:
      day, week: as counted by engine.calendar.
      day_rp: on the day, before its cap.
      week_rp: on the days of the week before, after their caps.
    """

    day: int
    day_rp: int
    week: int
    week_rp: int


class Rating(Struct, frozen=True, array_like=True, gc=False):
    """Where a card stands after some taps: all that the price of the next one depends on.

    Attributes:
      inside: the ride that is open.
      ended: the end of the last ride, if none is open and it is not the last of the package.
      package: which a ride may still belong to.
      counted: None while no cap counts anything.
    """

    inside: Boarding | None = None
    ended: Alighting | None = None
    package: Package | None = None
    counted: Counted | None = None


NOT_RATED: Final = Rating()


class Kept(Struct, frozen=True, array_like=True, gc=False):
    """The newest taps of a card; see engine.fares.kept.

    Attributes:
      rating: where the card stands.
      newest_ms: time of the newest tap.
      count: of the taps that are kept.
      taps: encoded one after the other, in the order of time.
      base: where the card stood before the oldest of them.
      settled: whether there were older ones.
      middle: where it stood after the older half of them, once there are so many.
      middle_bytes: how long the older half is.
    """

    rating: Rating = NOT_RATED
    newest_ms: int = -1
    count: int = 0
    taps: bytes = b""
    base: Rating = NOT_RATED
    settled: bool = False
    middle: Rating = NOT_RATED
    middle_bytes: int = 0


NO_TAPS: Final = Kept()
