"""Explaining a tap that was rated: the rules of its ride, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from engine.calendar import date_of_day, day_of
from engine.card import Granted
from engine.explaining.sentences import Rupiah, Said, When
from engine.fares.kept import seen_tap, taps_of
from engine.fares.rating import ends_ride, integrated_fare, is_integrated, rate_all
from engine.fares.ride import Fare, Ride
from engine.fares.state import Kept, Leg, Package, Rating, SeenTap
from engine.fares.tariff import NO_CONCESSION, Tariff, Tariffs
from engine.rules.kinds import Service
from engine.transaction import Entry, Tap


def explain_ride(
    entry: Entry, kept: Kept, grants: Sequence[Granted], tariffs: Tariffs
) -> Iterator[Said]:
    """Yield what is to be said of a tap.

    Args:
      entry: of the tap.
      kept: the taps of its card before it.
      grants: what the card was entitled to.
      tariffs: by which it was rated.
    """
    intent = entry.intent
    assert isinstance(intent, Tap), "only taps are rated"
    tap = seen_tap(entry.at_ms, intent)
    earlier = [one for one in taps_of(kept) if one < tap]
    later = kept.count - len(earlier)
    before, _ = rate_all(earlier, tariffs, grants, rating=kept.base)
    yield from before_ride(before)
    if later:
        yield Said("input", "", "late", {"later": later})
    yield from _Ride(before, tap, tariffs, grants).said()


def before_ride(rating: Rating) -> Iterator[Said]:
    """Yield where a card stood before a tap."""
    inside, package = rating.inside, rating.package
    if inside is None:
        yield Said("input", "", "no_ride_open", {})
    else:
        words = {"service": inside.service, "place": inside.place, "at": When(inside.at_ms)}
        yield Said("input", "", "ride_open", words)
    if package is not None:
        words = {
            "at": When(package.began_ms),
            "rides": len(package.legs),
            "until": When(package.ended_ms),
        }
        yield Said("input", "", "package_before", words)


class _Ride:
    """What a tap makes of the ride before it."""

    def __init__(
        self, before: Rating, tap: SeenTap, tariffs: Tariffs, grants: Sequence[Granted]
    ) -> None:
        self._before, self._tap = before, tap
        self._tariffs, self._grants = tariffs, grants
        (self._after, (self._charge,)) = rate_all([tap], tariffs, grants, rating=before)

    def said(self) -> Iterator[Said]:
        """Yield all that is to be said."""
        tap, inside = self._tap, self._before.inside
        if self._after is self._before and tap.direction != "reset":
            yield from self._same_tap()
            return
        if inside is not None and ends_ride(inside, tap, self._tariffs):
            yield from self._whole(
                Ride(tap.service, inside.at_ms, inside.place, tap.at_ms, tap.place)
            )
            if tap.direction == "out":
                return
        elif inside is not None:
            yield from self._half(inside.service, inside.place, inside.at_ms)
        if tap.direction == "in":
            yield Said("tried", self._price(tap.at_ms), "begins", {})
        elif tap.direction == "out":
            yield from self._half(tap.service, tap.place, tap.at_ms)
        elif inside is None:
            yield Said("tried", "", "nothing_to_reset", {})

    def _price(self, at_ms: int) -> str:
        return self._tariffs.at(at_ms).price_of(self._tap.service).version

    def _same_tap(self) -> Iterator[Said]:
        rule = self._tariffs.at(self._tap.at_ms).journeys.get(self._tap.service)
        assert rule is not None, "what makes two taps one is a rule of journeys"
        yield Said("tried", rule.version, "same_tap", {"seconds": rule.double_tap_s})

    def _half(self, service: Service, place: str, at_ms: int) -> Iterator[Said]:
        tariff = self._tariffs.at(at_ms)
        fare = tariff.price_of(service).farthest(service, place, at_ms)
        words = {"place": place, "amount": Rupiah(fare.amount_rp)}
        yield Said("tried", fare.rule, "half_ride", words)
        yield from self._concessions(service, tariff, at_ms)
        yield Said("cheaper", fare.rule, "cheaper_out", {})

    # --- a whole ride -----------------------------------------------------------------------------

    def _whole(self, ride: Ride) -> Iterator[Said]:
        tariff = self._tariffs.at(ride.began_ms)
        fare = tariff.fare_of(ride)
        words = {
            "origin": ride.origin,
            "destination": ride.destination,
            "amount": Rupiah(fare.amount_rp),
            "inputs": _told(fare.inputs),
        }
        yield Said("tried", fare.rule, "ride_fare", words)
        yield from self._integration(ride, tariff)
        yield from self._concessions(ride.service, tariff, ride.began_ms)
        yield from self._cap(ride, tariff)
        yield from self._other_hours(ride, fare, tariff)

    def _integration(self, ride: Ride, tariff: Tariff) -> Iterator[Said]:
        package, before = self._after.package, self._before.package
        first = self._tariffs.at(package.began_ms) if package else tariff
        if first.integrated is None:
            yield Said("rejected", "", "integrated_not_yet", {})
        elif ride.service not in first.modes:
            words: dict[str, object] = {"service": ride.service}
            yield Said("rejected", first.integrated_version, "integrated_not_this", words)
        elif package is not None and is_integrated(package, first):
            fare = integrated_fare(package, first)
            words = {"amount": Rupiah(fare.amount_rp), "inputs": _told(fare.inputs)}
            yield Said("tried", fare.rule, "integrated", words)
            apart_rp = sum(leg.fare_rp for leg in package.legs)
            if apart_rp < fare.amount_rp:
                yield Said("cheaper", fare.rule, "cheaper_apart", {"amount": Rupiah(apart_rp)})
        elif before is not None and len(self._legs(package)) == 1:
            last = before.legs[-1]
            words = {"origin": last.destination, "destination": ride.origin}
            yield Said("rejected", first.integrated_version, "integrated_no_change", words)
        else:
            words = {"minutes": first.integrated.window_min}
            yield Said("rejected", first.integrated_version, "integrated_alone", words)

    @staticmethod
    def _legs(package: Package | None) -> tuple[Leg, ...]:
        return package.legs if package is not None else ()

    def _concessions(self, service: str, tariff: Tariff, at_ms: int) -> Iterator[Said]:
        day = day_of(at_ms)
        given = tariff.concession(service, self._grants, day)
        if given is not NO_CONCESSION:
            group = next(
                grant.group
                for grant in self._grants
                if grant.programme == given.programme and grant.since_day <= day <= grant.until_day
            )
            words: dict[str, object] = {
                "group": group,
                "programme": given.programme,
                "percent": given.percent,
            }
            yield Said("tried", given.rule, "concession", words)
            return
        for rule, version, _ in tariff.free_rides(service):
            own = [grant for grant in self._grants if grant.programme == rule.programme]
            if own:
                words = {
                    "since": date_of_day(own[0].since_day),
                    "until": date_of_day(own[0].until_day),
                }
                yield Said("rejected", version, "grant_other_day", words)
            else:
                yield Said("rejected", version, "no_grant", {"programme": rule.programme})
            if self._charge.card_rp > 0:
                words = {"programme": rule.programme}
                yield Said("cheaper", version, "cheaper_group", words)

    def _cap(self, ride: Ride, tariff: Tariff) -> Iterator[Said]:
        cap = tariff.caps.get(ride.service)
        if cap is not None and self._charge.rule == cap[1]:
            yield Said("tried", cap[1], "capped", {"programme": cap[0].programme})

    def _other_hours(self, ride: Ride, fare: Fare, tariff: Tariff) -> Iterator[Said]:
        for hours, amount_rp in tariff.price_of(ride.service).hours():
            if amount_rp >= fare.amount_rp:
                continue
            words = {"hours": hours, "amount": Rupiah(amount_rp), "at": When(ride.began_ms)}
            yield Said("rejected", fare.rule, "outside_hours", words)
            yield Said("cheaper", fare.rule, "cheaper_hours", words)


def _told(inputs: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in inputs.items() if value is not None)
