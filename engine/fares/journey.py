"""Journeys: from all taps of a card to rides, to journeys, and to what they cost.

    taps ──> without doubles ──> rides ──> journeys ──> fares
             the same tap twice  in + out  one after the other

The price is a function of the set of taps: they are put in order here, so it does not matter when
and in which order they came. A tap that arrives late changes the price of the set, and the
difference of the two prices is what is still owed, or is to be given back.

Where the instruments are silent, this is what is done (grade D):

- A second tap of the same direction at the same place within `double_tap_s` is the first one again.
- A ride without a tap-out costs the farthest fare once another one begins; so does one without a
  tap-in. Until then it is open, and costs nothing yet.
- A ride belongs to the package before it if its mode is of the integrated fare and it begins within
  the window of the first tap-in. One that ends beyond the window is its last.
- A ride that is not whole ends a package.
- Where one may change is not looked at, and a way that the network does not know costs as much as
  the longest that is paid for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, TypeAlias

from msgspec import Struct

from engine.calendar import day_of
from engine.fares.network import Network
from engine.fares.ride import Fare, NoFare, Ride, farthest_fare, ride_fare
from engine.rules.kinds import IntegratedFare, JourneyRule, Service
from engine.rules.rulebook import Rulebook

State: TypeAlias = Literal["whole", "open", "no_tap_out", "no_tap_in"]


class SeenTap(Struct, frozen=True, order=True):
    """A tap as a terminal told of it; in the order of time, and then of terminals.

    Attributes:
      at_ms: when, by the clock of the terminal.
      terminal, counter: which one it is.
    """

    at_ms: int
    terminal: str
    counter: int
    direction: Literal["in", "out"]
    service: Service
    place: str


class Leg(Struct, frozen=True):
    """A ride, whole or in part, and its fare if it stood alone.

    Attributes:
      fare: None: it costs nothing yet, or no rule knows it (`unknown` says why).
    """

    ride: Ride
    state: State
    fare: Fare | None
    unknown: str = ""


class Journey(Struct, frozen=True):
    """Rides that are paid together.

    Attributes:
      fare: of all of them; rule and inputs of the integrated fare, or those of the only ride.
    """

    legs: tuple[Leg, ...]
    fare: Fare


def journeys_of(taps: Iterable[SeenTap], rulebook: Rulebook, network: Network) -> list[Journey]:
    """Return the journeys that a card's taps make, in the order of time.

    Taps that are given twice count once.
    """
    ordered = sorted({(tap.terminal, tap.counter): tap for tap in sorted(taps)}.values())
    legs = [_priced(leg, rulebook, network) for leg in _legs(_single(ordered, rulebook))]
    return [_journey(package, rulebook, network) for package in _packages(legs, rulebook)]


def price_rp(taps: Iterable[SeenTap], rulebook: Rulebook, network: Network) -> int:
    """Return what all journeys of a card's taps cost together."""
    return sum(journey.fare.amount_rp for journey in journeys_of(taps, rulebook, network))


def _single(taps: Sequence[SeenTap], rulebook: Rulebook) -> Iterator[SeenTap]:
    """Leave out what was tapped twice."""
    before: SeenTap | None = None
    for tap in taps:
        if before is None or not _is_double(before, tap, rulebook):
            yield tap
            before = tap


def _is_double(before: SeenTap, tap: SeenTap, rulebook: Rulebook) -> bool:
    same = (before.service, before.place, before.direction)
    if same != (tap.service, tap.place, tap.direction):
        return False
    rules = rulebook.of_kind(JourneyRule, day_of(before.at_ms))
    seconds = max((rule.double_tap_s for rule in rules if tap.service in rule.services), default=0)
    return tap.at_ms - before.at_ms < seconds * 1000


def _legs(taps: Iterable[SeenTap]) -> Iterator[tuple[Ride, State]]:
    inside: SeenTap | None = None
    for tap in taps:
        ends = tap.direction == "out" and inside is not None and inside.service == tap.service
        if inside is not None and ends:
            yield Ride(tap.service, inside.at_ms, inside.place, tap.at_ms, tap.place), "whole"
            inside = None
            continue
        if inside is not None:
            yield _half(inside), "no_tap_out"
        inside = tap if tap.direction == "in" else None
        if tap.direction == "out":
            yield _half(tap), "no_tap_in"
    if inside is not None:
        yield _half(inside), "open"


def _half(tap: SeenTap) -> Ride:
    return Ride(tap.service, tap.at_ms, tap.place, tap.at_ms, tap.place)


def _priced(leg: tuple[Ride, State], rulebook: Rulebook, network: Network) -> Leg:
    ride, state = leg
    if state == "open":
        return Leg(ride, state, None)
    try:
        if state == "whole":
            return Leg(ride, state, ride_fare(ride, rulebook, network))
        at_ms, place = ride.began_ms, ride.origin
        return Leg(ride, state, farthest_fare(ride.service, place, at_ms, rulebook, network))
    except NoFare as error:
        return Leg(ride, state, None, str(error))


# --- packages -----------------------------------------------------------------------------------


def _rule_on(at_ms: int, rulebook: Rulebook) -> IntegratedFare | None:
    rules = rulebook.of_kind(IntegratedFare, day_of(at_ms))
    return rules[0] if rules else None


def _packages(legs: Iterable[Leg], rulebook: Rulebook) -> Iterator[tuple[Leg, ...]]:
    package: list[Leg] = []
    for leg in legs:
        if package and not _goes_on(package, leg, rulebook):
            yield tuple(package)
            package = []
        package.append(leg)
    if package:
        yield tuple(package)


def _goes_on(package: Sequence[Leg], leg: Leg, rulebook: Rulebook) -> bool:
    """Tell whether a ride belongs to the package before it, by the rule of its first tap-in."""
    first = package[0].ride.began_ms
    rule = _rule_on(first, rulebook)
    if rule is None or any(each.state != "whole" for each in (*package, leg)):
        return False
    if any(rule.mode_of(each.ride.service) is None for each in (*package, leg)):
        return False
    until_ms = first + rule.window_min * 60_000
    return package[-1].ride.ended_ms <= until_ms and leg.ride.began_ms <= until_ms


def _journey(legs: tuple[Leg, ...], rulebook: Rulebook, network: Network) -> Journey:
    rule = _rule_on(legs[0].ride.began_ms, rulebook)
    modes = {rule.mode_of(leg.ride.service) for leg in legs} if rule else set()
    if rule is not None and len(legs) > 1 and len(modes) >= rule.modes_min:
        return Journey(legs, _integrated(legs, rule, network))
    fares = [leg.fare for leg in legs if leg.fare is not None]
    if len(fares) == 1:
        return Journey(legs, fares[0])
    names = "+".join(dict.fromkeys(fare.rule for fare in fares))
    return Journey(legs, Fare(sum(fare.amount_rp for fare in fares), names, {}))


def _integrated(legs: Sequence[Leg], rule: IntegratedFare, network: Network) -> Fare:
    rides = [leg.ride for leg in legs]
    known = [network.metres(ride.service, ride.origin, ride.destination) for ride in rides]
    longest = -(-(rule.cap_rp - rule.base_rp) // max(1, rule.step_rp)) * rule.step_m
    metres = sum(longest if each is None else each for each in known)
    steps = -(-metres // rule.step_m)
    amount_rp = min(rule.cap_rp, rule.base_rp + steps * rule.step_rp)
    minutes = (rides[-1].ended_ms - rides[0].began_ms) / 60_000
    if minutes > rule.window_min:
        amount_rp = rule.cap_rp + rule.base_rp
    inputs: dict[str, object] = {"unknown_ways": known.count(None)} if None in known else {}
    inputs |= {"metres": metres, "steps": steps, "minutes": int(minutes), "rides": len(rides)}
    return Fare(amount_rp, rule.version, inputs)
