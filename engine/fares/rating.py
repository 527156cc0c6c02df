"""Rating: what each tap of a card adds to what is to be paid.

    taps, in the order of their time ──> rate, one after the other ──> charges

The charges of a set of taps sum up to its price, so the price is a function of the set: whoever has
all taps of a card rates them in the order of their time. A tap that comes late is put in its place
(engine.fares.kept), and what the price of the set changes by is the charge of that tap.

Where the instruments are silent, this is what is done (grade D):

- A second tap of the same direction at the same place within `double_tap_s` is the first one again.
- A ride without a tap-out costs the farthest fare once another one begins or it is reset, and so
  does one without a tap-in. Where rides are completed, one that is followed by a tap-in of the same
  service is taken to have ended there. Until then it is open, and costs nothing yet.
- A ride belongs to the package before it if its mode is of the integrated fare, it begins within
  the window of the first tap-in, and one may change there: between two modes, as far as the network
  knows it. One that ends beyond the window is the last of its package; so is one that is not whole.
- A ride of a service that is not of the integrated fare stands alone, and a package goes on
  after it.
- A package with a way that the network does not know costs what its rides cost alone, up to its
  cap.
- The operators of a package share its fare as their own fares would be to each other.
- A charge counts for the caps of the day on which its ride began.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.accounts import OPERATOR_REVENUE, PROGRAMME_FUND
from engine.calendar import day_of, week_of
from engine.card import Granted
from engine.fares.boarding import is_twice
from engine.fares.ride import NO_CHARGE, Charge, Fare, Ride
from engine.fares.state import (
    NOT_RATED,
    Alighting,
    Boarding,
    Counted,
    Leg,
    Package,
    Rating,
    SeenTap,
)
from engine.fares.tariff import NO_CONCESSION, Concession, Tariff, Tariffs
from engine.limits import PACKAGE_RIDES_MAX
from engine.rules.kinds import FareCap


def rate(
    rating: Rating, tap: SeenTap, tariffs: Tariffs, grants: Sequence[Granted] = ()
) -> tuple[Rating, Charge]:
    """Rate one tap, later than all those that led to `rating`.

    Args:
      rating: where the card stands.
      tap: at a place that the tariff of its day knows.
      tariffs: by day.
      grants: what the card is entitled to.

    Returns:
      Where the card stands then, and what the tap adds to the price.

    Raises:
      NoFare: a fare that was in the rules when the ride began is there no more.
    """
    inside = rating.inside
    if tap.direction == "in":
        if inside is not None and is_twice(inside, tap, tariffs):
            return rating, NO_CHARGE
        after, charge = rating, NO_CHARGE
        if inside is not None:
            after, charge = _close(rating, tap, tariffs, grants)
        if charge is NO_CHARGE:
            charge = tariffs.at(tap.at_ms).price_of(tap.service).no_charge
        package = after.package
        if package is not None and _is_over(package, tap.at_ms, tariffs):
            package = None
        boarding = Boarding(tap.at_ms, tap.service, tap.place, tap.operator)
        return Rating(boarding, None, package, after.counted), charge
    if tap.direction == "reset":
        return _close(rating, None, tariffs, grants)
    if inside is not None and ends_ride(inside, tap, tariffs):
        ride = Ride(tap.service, inside.at_ms, inside.place, tap.at_ms, tap.place)
        return _add(rating, ride, inside.operator, tariffs, grants)
    ended = _last_end(rating)
    if inside is None and ended is not None and is_twice(ended, tap, tariffs):
        return rating, NO_CHARGE
    after, before = _close(rating, tap, tariffs, grants)
    after, charge = _add_half(after, tap, tariffs, grants)
    return after, _joined(before, charge)


def rate_all(
    taps: Iterable[SeenTap],
    tariffs: Tariffs,
    grants: Sequence[Granted] = (),
    *,
    rating: Rating = NOT_RATED,
) -> tuple[Rating, list[Charge]]:
    """Rate taps in the order in which they are given; return a charge for each of them."""
    charges: list[Charge] = []
    for tap in taps:
        rating, charge = rate(rating, tap, tariffs, grants)
        charges.append(charge)
    return rating, charges


def ends_ride(inside: Boarding, tap: SeenTap, tariffs: Tariffs) -> bool:
    """Tell whether a ride that is open is taken to have ended where a tap is."""
    if tap.service != inside.service:
        return False
    if tap.direction == "out":
        return True
    rule = tariffs.at(inside.at_ms).journeys.get(inside.service)
    return tap.direction == "in" and rule is not None and rule.missing_out == "complete"


def _last_end(rating: Rating) -> Alighting | None:
    package = rating.package
    if rating.ended is not None or package is None:
        return rating.ended
    last = package.legs[-1]
    return Alighting(package.ended_ms, last.service, last.destination)


# --- rides ----------------------------------------------------------------------------------------


def _add(
    rating: Rating, ride: Ride, operator: str, tariffs: Tariffs, grants: Sequence[Granted]
) -> tuple[Rating, Charge]:
    """Add a whole ride."""
    day = day_of(ride.began_ms)
    tariff = tariffs.on(day)
    fare = tariff.fare_of(ride)
    ended = None
    given = tariff.concession(ride.service, grants, day) if grants else NO_CONCESSION
    leg = Leg(
        ride.service,
        ride.origin,
        ride.destination,
        operator,
        fare.amount_rp,
        given.programme,
        given.percent,
    )
    package = rating.package
    if package is not None and _joins(package, ride, first := tariffs.at(package.began_ms)):
        grown = Package(package.began_ms, ride.ended_ms, (*package.legs, leg))
        charge = _grown(package, grown, first) or _charge(leg, fare, given)
        package = grown
    else:
        charge = _charge(leg, fare, given)
        if ride.service in tariff.modes:
            package = Package(ride.began_ms, ride.ended_ms, (leg,))
        else:
            ended = Alighting(ride.ended_ms, ride.service, ride.destination)
    counted = rating.counted
    if tariff.caps:
        counted, charge = _capped(counted, charge, day, tariff.caps.get(ride.service))
    return Rating(None, ended, package, counted), charge


def _close(
    rating: Rating,
    tap: SeenTap | None,
    tariffs: Tariffs,
    grants: Sequence[Granted],
) -> tuple[Rating, Charge]:
    """End a ride that was not tapped out, before another tap or a reset."""
    inside = rating.inside
    if inside is None:
        return rating, NO_CHARGE
    if tap is not None and ends_ride(inside, tap, tariffs):
        ride = Ride(inside.service, inside.at_ms, inside.place, tap.at_ms, tap.place)
        return _add(rating, ride, inside.operator, tariffs, grants)
    half = SeenTap(inside.at_ms, "in", inside.service, inside.place, inside.operator)
    return _add_half(rating, half, tariffs, grants)


def _add_half(
    rating: Rating, tap: SeenTap, tariffs: Tariffs, grants: Sequence[Granted]
) -> tuple[Rating, Charge]:
    """Add a ride of which one end alone is known; it ends its package."""
    day = day_of(tap.at_ms)
    tariff = tariffs.on(day)
    fare = tariff.price_of(tap.service).farthest(tap.service, tap.place, tap.at_ms)
    given = tariff.concession(tap.service, grants, day) if grants else NO_CONCESSION
    leg = Leg(
        tap.service,
        tap.place,
        tap.place,
        tap.operator,
        fare.amount_rp,
        given.programme,
        given.percent,
    )
    charge = _charge(leg, fare, given)
    counted = rating.counted
    if tariff.caps:
        counted, charge = _capped(counted, charge, day, tariff.caps.get(tap.service))
    ended = Alighting(tap.at_ms, tap.service, tap.place) if tap.direction == "out" else None
    return Rating(None, ended, None, counted), charge


def _charge(leg: Leg, fare: Fare, given: Concession) -> Charge:
    """Return the charge of a ride by its own fare."""
    fare_rp = leg.fare_rp
    if not fare_rp:
        return Charge(0, (), given.rule or fare.rule)
    if not leg.percent:
        return Charge(fare_rp, ((OPERATOR_REVENUE, leg.operator, fare_rp),), fare.rule)
    fund_rp = fare_rp * leg.percent // 100
    lines = (
        (PROGRAMME_FUND, leg.programme, -fund_rp),
        (OPERATOR_REVENUE, leg.operator, fare_rp),
    )
    return Charge(fare_rp - fund_rp, lines, given.rule)


def _joined(one: Charge, other: Charge) -> Charge:
    if one is NO_CHARGE:
        return other
    return Charge(one.card_rp + other.card_rp, (*one.lines, *other.lines), other.rule)


# --- packages -------------------------------------------------------------------------------------


def _joins(package: Package, ride: Ride, tariff: Tariff) -> bool:
    """Tell whether a ride belongs to a package, by the tariff of its first tap-in.

    One that is over was left behind at the tap-in of the ride.
    """
    mode, last = tariff.modes.get(ride.service), package.legs[-1]
    if mode is None or len(package.legs) >= PACKAGE_RIDES_MAX:
        return False
    if mode == tariff.modes.get(last.service):
        return True
    change = (last.service, last.destination, ride.service, ride.origin)
    return tariff.network.may_change(*change) is not False


def _is_over(package: Package, at_ms: int, tariffs: Tariffs) -> bool:
    """Tell whether no ride that begins at a moment or later can belong to a package."""
    rule = tariffs.at(package.began_ms).integrated
    until_ms = package.began_ms + (rule.window_min * 60_000 if rule else 0)
    return package.ended_ms > until_ms or at_ms > until_ms


def _grown(before: Package, after: Package, tariff: Tariff) -> Charge | None:
    """Return what a ride adds to the price of its package; None: its own fare."""
    if not is_integrated(after, tariff):
        return None
    changes: dict[tuple[int, str], int] = {}
    card_rp = 0
    for package, sign in ((before, -1), (after, 1)):
        for leg, due_rp in zip(package.legs, shares_rp(package, tariff), strict=True):
            fund_rp = due_rp * leg.percent // 100
            card_rp += sign * (due_rp - fund_rp)
            for account, amount_rp in (
                ((PROGRAMME_FUND, leg.programme), -fund_rp),
                ((OPERATOR_REVENUE, leg.operator), due_rp),
            ):
                changes[account] = changes.get(account, 0) + sign * amount_rp
    lines = tuple((*account, amount_rp) for account, amount_rp in changes.items() if amount_rp)
    return Charge(card_rp, lines, tariff.integrated_version)


def is_integrated(package: Package, tariff: Tariff) -> bool:
    """Tell whether a package is of so many modes that it has a fare of its own."""
    rule = tariff.integrated
    if rule is None or len(package.legs) == 1:
        return False
    return len({tariff.modes.get(leg.service) for leg in package.legs}) >= rule.modes_min


def shares_rp(package: Package, tariff: Tariff) -> list[int]:
    """Return what each ride of a package comes to."""
    fares = [leg.fare_rp for leg in package.legs]
    if not is_integrated(package, tariff):
        return fares
    total_rp = integrated_fare(package, tariff).amount_rp
    sum_rp = sum(fares)
    if not sum_rp:
        return [total_rp, *([0] * (len(fares) - 1))]
    shares: list[int] = []
    told = so_far = 0
    for fare_rp in fares:
        so_far += fare_rp
        shares.append(total_rp * so_far // sum_rp - told)
        told += shares[-1]
    return shares


def integrated_fare(package: Package, tariff: Tariff) -> Fare:
    """Return the fare of a package of several modes, by the tariff of its first tap-in."""
    rule = tariff.integrated
    assert rule is not None, "a package is of the integrated fare"
    ways = [tariff.network.metres(leg.service, leg.origin, leg.destination) for leg in package.legs]
    known = [metres for metres in ways if metres is not None]
    steps = -(-sum(known) // rule.step_m)
    amount_rp = rule.base_rp + steps * rule.step_rp
    if len(known) < len(ways):
        amount_rp = sum(leg.fare_rp for leg in package.legs)
    amount_rp = min(rule.cap_rp, amount_rp)
    minutes = (package.ended_ms - package.began_ms) / 60_000
    if minutes > rule.window_min:
        amount_rp = rule.cap_rp + rule.base_rp
    unknown = len(ways) - len(known)
    inputs: dict[str, object] = {"unknown_ways": unknown} if unknown else {}
    inputs |= {
        "metres": sum(known),
        "steps": steps,
        "minutes": int(minutes),
        "rides": len(package.legs),
    }
    return Fare(amount_rp, tariff.integrated_version, inputs)


# --- caps -----------------------------------------------------------------------------------------


def _capped(
    counted: Counted | None, charge: Charge, day: int, cap: tuple[FareCap, str] | None
) -> tuple[Counted | None, Charge]:
    """Return what is counted after a charge, and the charge with what a cap leaves of it."""
    if cap is None:
        return counted, charge
    rule, version = cap
    before = _on_day(counted, day, rule)
    after = Counted(day, before.day_rp + charge.card_rp, before.week, before.week_rp)
    card_rp = _payable_rp(after, rule) - _payable_rp(before, rule)
    fund_rp = charge.card_rp - card_rp
    if not fund_rp:
        return after, charge
    lines = ((PROGRAMME_FUND, rule.programme, -fund_rp), *charge.lines)
    return after, Charge(card_rp, lines, version)


def _on_day(counted: Counted | None, day: int, rule: FareCap) -> Counted:
    week = week_of(day)
    if counted is None:
        return Counted(day, 0, week, 0)
    if counted.day == day:
        return counted
    if counted.week != week:
        return Counted(day, 0, week, 0)
    return Counted(day, 0, week, counted.week_rp + _payable_rp(counted, rule))


def _payable_rp(counted: Counted, rule: FareCap) -> int:
    """Return what is to be paid of a day's charges."""
    due_rp = counted.day_rp if rule.day_rp is None else min(counted.day_rp, rule.day_rp)
    if rule.week_rp is None:
        return due_rp
    return min(due_rp, rule.week_rp - min(rule.week_rp, counted.week_rp))
