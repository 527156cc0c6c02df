"""What a terminal decides by itself, by the rules that come with the program."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Literal

import pytest

from engine.calendar import day_of
from engine.fares.ride import Ride
from engine.rules.kinds import TableFare
from protocol.chip.profile import CardFace, Record, Use
from terminals.acceptance.offline import Accepted, Decision, Held, Offline
from terminals.acceptance.point import Places, Point, mark_of
from terminals.acceptance.refusal import Refusal, Refused
from tests.terminals.acceptance.lab import BRT, LAW, NOON_MS, PLACES

NUMBER = "9360020000000017"
MRT = replace(BRT, operator="mrt", service="mrt", place="Blok M BCA", side="both")
BUS = replace(BRT, kind="bus", service="transjakarta_non_brt", place="", side="both")
MINUTE_MS = 60_000


def nobody(_number: str) -> None:
    """Deny no card."""


def record_of(
    use: Use, at_ms: int, service: str | None = "transjakarta_brt", place: str = "Blok M"
) -> bytes:
    return Record(use, at_ms // 1000, 0, mark_of(service, place), 9).encode()


ISSUED = record_of(Use.ISSUED, 0, None, "")


def held(
    *,
    value_rp: int = 50_000,
    record: bytes = ISSUED,
    group: int = 0,
    at_ms: int = NOON_MS,
    expires_day: int = 30_000,
) -> Held:
    face = CardFace(NUMBER, 1, expires_day, group, 30_000 if group else 0)
    return Held(face, value_rp, record, at_ms)


def decide(point: Point, what: Held, denied: dict[str, str] | None = None) -> Decision:
    return Offline(point, LAW.tariffs, PLACES, (denied or {}).get).ride(what)


def refusal(decision: Decision) -> Refusal:
    assert isinstance(decision, Refused)
    return decision.refusal


def accepted(decision: Decision) -> Accepted:
    assert isinstance(decision, Accepted)
    return decision


def test_who_enters_pays_nothing_yet() -> None:
    entered = accepted(decide(replace(BRT, side="in"), held()))
    assert (entered.use, entered.direction, entered.change_rp) == (Use.TAP_IN, "in", 0)


@pytest.mark.parametrize(("hour", "fare_rp"), [(-6, 2_000), (0, 3_500)])
def test_who_leaves_pays_the_fare_of_the_hour_in_which_they_entered(
    hour: int, fare_rp: int
) -> None:
    entered_ms = NOON_MS + hour * 60 * MINUTE_MS
    inside = record_of(Use.TAP_IN, entered_ms)
    left = accepted(
        decide(replace(BRT, side="out", place="Senen"), held(record=inside, at_ms=NOON_MS + 1))
    )
    assert (left.use, left.direction, left.change_rp) == (Use.TAP_OUT, "out", -fare_rp)
    assert left.rule


def test_a_gate_and_the_node_take_the_same_for_every_pair_of_stations() -> None:
    price = LAW.tariffs.at(NOON_MS).price_of("mrt")
    assert isinstance(price.rule, TableFare)
    stations = price.rule.stations
    places = Places(("mrt", station) for station in stations)
    began_ms = NOON_MS - 30 * MINUTE_MS
    for origin, destination in permutations(stations, 2):
        point = replace(MRT, side="out", place=destination)
        inside = record_of(Use.TAP_IN, began_ms, "mrt", origin)
        left = Offline(point, LAW.tariffs, places, nobody).ride(held(record=inside))
        ride = Ride("mrt", began_ms, origin, NOON_MS, destination)
        assert accepted(left).change_rp == -price.of_ride(ride).amount_rp


@pytest.mark.parametrize(
    ("value_rp", "group", "expected"),
    [(4_999, 0, Refusal.BELOW_FLOOR), (5_000, 0, None), (0, 1, None)],
)
def test_who_rides_free_needs_no_money(value_rp: int, group: int, expected: Refusal | None) -> None:
    decision = decide(replace(BRT, side="in"), held(value_rp=value_rp, group=group))
    assert (refusal(decision) if isinstance(decision, Refused) else None) is expected


def test_who_rides_free_pays_nothing_as_long_as_the_group_is_known_to_hold() -> None:
    inside = record_of(Use.TAP_IN, NOON_MS - 30 * MINUTE_MS)
    leaving = replace(BRT, side="out")
    assert accepted(decide(leaving, held(record=inside, group=1))).change_rp == 0
    over = replace(held(record=inside, group=1), face=CardFace(NUMBER, 1, 30_000, 1, 100))
    assert accepted(decide(leaving, over)).change_rp == -3_500


def test_a_card_on_the_deny_list_is_turned_away() -> None:
    decision = decide(BRT, held(), {NUMBER: "lost"})
    assert decision == Refused(Refusal.DENIED, "lost")


def test_a_card_is_good_on_its_last_day_and_not_after() -> None:
    today = day_of(NOON_MS)
    assert isinstance(decide(BRT, held(expires_day=today)), Accepted)
    assert refusal(decide(BRT, held(expires_day=today - 1))) is Refusal.EXPIRED


def test_an_open_ride_is_not_begun_again() -> None:
    inside = record_of(Use.TAP_IN, NOON_MS - 3600_000, place="Senen")
    assert refusal(decide(replace(BRT, side="in"), held(record=inside))) is Refusal.JOURNEY_OPEN


@pytest.mark.parametrize(
    ("seconds", "expected"), [(5, "again"), (60, Refusal.PASSBACK), (600, Refusal.JOURNEY_OPEN)]
)
def test_a_card_that_is_held_twice_is_told_from_one_that_was_handed_back(
    seconds: int, expected: Refusal | Literal["again"]
) -> None:
    inside = record_of(Use.TAP_IN, NOON_MS - seconds * 1000)
    decision = decide(replace(BRT, side="in"), held(record=inside))
    if expected == "again":
        assert accepted(decision).again
    else:
        assert refusal(decision) is expected


def test_a_bus_lets_in_who_is_outside_and_out_who_is_inside() -> None:
    assert accepted(decide(BUS, held())).direction == "in"
    inside = record_of(Use.TAP_IN, NOON_MS - 30 * MINUTE_MS, BUS.service, "")
    assert accepted(decide(BUS, held(record=inside))).direction == "out"
    twice = record_of(Use.TAP_IN, NOON_MS - 3_000, BUS.service, "")
    assert accepted(decide(BUS, held(record=twice))).again


def test_a_ride_of_another_service_that_is_open_is_paid_where_the_next_one_begins() -> None:
    inside = record_of(Use.TAP_IN, NOON_MS - 3600_000, "mikrotrans", "")
    decision = decide(replace(BRT, side="in"), held(record=inside))
    assert isinstance(decision, Accepted)


def test_who_cannot_pay_the_way_out_is_turned_to_the_staff() -> None:
    inside = record_of(Use.TAP_IN, NOON_MS - 3600_000)
    decision = decide(replace(BRT, side="out"), held(value_rp=100, record=inside))
    assert refusal(decision) is Refusal.BELOW_FLOOR


def test_a_record_that_nobody_can_read_is_no_ride() -> None:
    assert accepted(decide(replace(BRT, side="in"), held(record=b"\xff" * 16))).direction == "in"


def test_a_way_out_without_a_way_in_costs_the_farthest_fare() -> None:
    decision = accepted(decide(replace(BRT, side="out"), held()))
    assert decision.change_rp == -3_500


def test_a_service_without_a_fare_is_not_used() -> None:
    nowhere = replace(BRT, service="krl", place="Nowhere", side="out")
    assert refusal(decide(nowhere, held())) is Refusal.FARE_UNKNOWN


def test_an_officer_ends_a_ride_and_the_card_pays_what_it_can() -> None:
    inside = record_of(Use.TAP_IN, NOON_MS - 3600_000)
    offline = Offline(BRT, LAW.tariffs, PLACES, nobody)
    ended = accepted(offline.reset(held(record=inside)))
    assert (ended.use, ended.direction, ended.change_rp) == (Use.RESET, "reset", -3_500)
    assert accepted(offline.reset(held(record=inside, value_rp=100))).change_rp == -100
    denied = Offline(BRT, LAW.tariffs, PLACES, {NUMBER: "lost"}.get)
    assert refusal(denied.reset(held())) is Refusal.DENIED


@pytest.mark.parametrize(("amount_rp", "expected"), [(50_000, None), (50_001, Refusal.BELOW_FLOOR)])
def test_goods_cost_what_is_on_the_card_at_most(amount_rp: int, expected: Refusal | None) -> None:
    offline = Offline(BRT, LAW.tariffs, PLACES, nobody)
    decision = offline.purchase(held(), amount_rp)
    assert (refusal(decision) if isinstance(decision, Refused) else None) is expected


def test_a_denied_card_buys_nothing() -> None:
    offline = Offline(BRT, LAW.tariffs, PLACES, {NUMBER: "stolen"}.get)
    assert refusal(offline.purchase(held(), 5)) is Refusal.DENIED


def test_a_ride_of_which_nobody_knows_the_fare_is_not_ended_by_an_order() -> None:
    inside = held(record=record_of(Use.TAP_IN, NOON_MS - MINUTE_MS, "mrt", "Nowhere"))
    decision = Offline(MRT, LAW.tariffs, PLACES, nobody).reset(inside)
    assert refusal(decision) is Refusal.FARE_UNKNOWN
