"""Whether a card may begin a ride."""

from __future__ import annotations

from msgspec.structs import replace

from engine.calendar import day_of
from engine.card import Granted
from engine.errors import Reason
from engine.fares.boarding import floor_refusal, is_twice, open_ride_refusal
from engine.fares.state import Boarding, SeenTap
from tests.engine.ledger import wib_ms
from tests.engine.rules_here import LAW

NOON_MS = wib_ms(2026, 9, 23) + 12 * 3_600_000
TARIFFS = LAW.tariffs
TAP = SeenTap(NOON_MS, "in", "transjakarta_brt", "Blok M", "transjakarta")


def inside(seconds_before: int, place: str = "Blok M") -> Boarding:
    return Boarding(NOON_MS - seconds_before * 1000, "transjakarta_brt", place, "transjakarta")


def test_a_tap_is_the_one_before_it_within_seconds_at_one_place() -> None:
    assert is_twice(inside(9), TAP, TARIFFS)
    assert not is_twice(inside(10), TAP, TARIFFS)
    assert not is_twice(inside(9, "Senen"), TAP, TARIFFS)
    assert not is_twice(inside(-1), TAP, TARIFFS)


def test_a_ride_that_is_open_keeps_a_card_out_unless_it_is_the_same_tap_or_a_later_ride() -> None:
    told = [open_ride_refusal(inside(seconds), TAP, TARIFFS) for seconds in (9, 60, 600, -5)]
    reasons = [refusal and refusal[0] for refusal in told]
    assert reasons == [None, Reason.PASSBACK, Reason.JOURNEY_OPEN, None]


def test_a_service_without_such_a_rule_asks_for_nothing() -> None:
    bus = replace(TAP, service="mikrotrans")
    tariff = TARIFFS.at(NOON_MS)
    assert floor_refusal(bus, tariff, (), lambda: -1) is None
    open_ride = Boarding(NOON_MS - 60_000, "mikrotrans", "Blok M", "x")
    assert open_ride_refusal(open_ride, bus, TARIFFS) is None


def test_there_has_to_be_so_much_on_a_card() -> None:
    tariff = TARIFFS.at(NOON_MS)
    assert floor_refusal(TAP, tariff, (), lambda: 5_000) is None
    refusal = floor_refusal(TAP, tariff, (), lambda: 4_999)
    assert refusal is not None
    assert refusal[0] is Reason.BELOW_FLOOR


def test_who_rides_free_needs_nothing() -> None:
    tariff, day = TARIFFS.at(NOON_MS), day_of(NOON_MS)
    free, _, groups = tariff.free_rides(TAP.service)[0]
    granted = Granted(free.programme, min(groups), "somebody", day, day)
    assert floor_refusal(TAP, tariff, (granted,), lambda: 0) is None
    over = replace(granted, until_day=day - 1)
    assert floor_refusal(TAP, tariff, (over,), lambda: 0) is not None
