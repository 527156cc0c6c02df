"""Journeys: what belongs together, what it costs, and that the order of arrival does not matter."""

from __future__ import annotations

import random
from typing import Final, Literal

import pytest

from engine.fares.journey import Journey, SeenTap, journeys_of, price_rp
from engine.rules.kinds import Service
from tests.engine.fares.test_ride import Along, at
from tests.engine.rules_here import RULEBOOK

NETWORK: Final = Along()
BRT: Final[Service] = "transjakarta_brt"
DAY: Final = "2024-07-03 "


def tap(
    when: str, direction: Literal["in", "out"], service: Service, place: str, counter: int = 0
) -> SeenTap:
    at_ms = at(DAY + when)
    return SeenTap(at_ms, f"{service}-{place}", counter or at_ms, direction, service, place)


def ride(
    service: Service, since: str, origin: str, until: str, destination: str
) -> tuple[SeenTap, SeenTap]:
    return tap(since, "in", service, origin), tap(until, "out", service, destination)


def told(*taps: SeenTap) -> list[tuple[int, str]]:
    return [
        (journey.fare.amount_rp, journey.fare.rule.partition("@")[0])
        for journey in journeys_of(taps, RULEBOOK, NETWORK)
    ]


MRT_RIDE: Final = ride("mrt", "08:40", "Blok M", "08:55", "Bundaran HI")


def by_distance(since: str, until: str, metres: int) -> tuple[SeenTap, SeenTap]:
    return ride("lrt_jakarta", since, "0", until, str(metres))


def test_a_ride_of_one_mode_costs_its_own_fare() -> None:
    assert told(*ride(BRT, "08:00", "0", "08:30", "9000")) == [(3_500, "fare.transjakarta")]
    assert told(*MRT_RIDE) == [(8_000, "fare.mrt")]


def test_two_modes_are_one_package_by_distance() -> None:
    # 2,500 once, 250 for each of 4 + 5 kilometres.
    taps = (*ride(BRT, "08:00", "0", "08:30", "4000"), *by_distance("08:40", "08:55", 5_000))
    assert told(*taps) == [(4_750, "fare.integrated")]
    (journey,) = journeys_of(taps, RULEBOOK, NETWORK)
    assert journey.fare.inputs == {"metres": 9_000, "steps": 9, "minutes": 55, "rides": 2}
    assert [leg.fare.amount_rp for leg in journey.legs if leg.fare] == [3_500, 5_000]


def test_a_kilometre_that_was_begun_counts_and_no_package_costs_more_than_its_cap() -> None:
    first = ride(BRT, "08:00", "0", "08:30", "4000")
    assert told(*first, *by_distance("08:40", "08:55", 5_001)) == [(5_000, "fare.integrated")]
    assert told(*first, *by_distance("08:40", "08:55", 26_000)) == [(10_000, "fare.integrated")]
    assert told(*first, *by_distance("08:40", "08:55", 90_000)) == [(10_000, "fare.integrated")]


def test_a_way_that_the_network_does_not_know_costs_the_cap_and_says_so() -> None:
    taps = (*ride(BRT, "08:00", "0", "08:30", "4000"), *MRT_RIDE)
    (journey,) = journeys_of(taps, RULEBOOK, NETWORK)
    assert (journey.fare.amount_rp, journey.fare.inputs["unknown_ways"]) == (10_000, 1)


def test_two_services_of_a_mode_are_no_package() -> None:
    taps = (
        *ride(BRT, "08:00", "0", "08:30", "4000"),
        *ride("transjakarta_non_brt", "08:40", "4000", "09:10", "9000"),
    )
    assert told(*taps) == [(7_000, "fare.transjakarta")]


def test_what_is_not_of_the_integrated_fare_stands_alone() -> None:
    taps = (
        *ride(BRT, "08:00", "0", "08:30", "4000"),
        *ride("krl", "08:40", "0", "09:10", "9000"),
        *by_distance("09:20", "09:40", 3_000),
    )
    assert told(*taps) == [
        (3_500, "fare.transjakarta"),
        (3_000, "fare.krl"),
        (5_000, "fare.lrt_jakarta"),
    ]


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        ("10:40", "11:00", [(4_750, "fare.integrated")]),
        # Beyond 180 minutes: the cap, and the base of a new package.
        ("10:40", "11:00:01", [(12_500, "fare.integrated")]),
        ("11:00", "11:20", [(12_500, "fare.integrated")]),
        ("11:00:01", "11:20", [(3_500, "fare.transjakarta"), (5_000, "fare.lrt_jakarta")]),
    ],
)
def test_a_package_lasts_three_hours(
    since: str, until: str, expected: list[tuple[int, str]]
) -> None:
    taps = (*ride(BRT, "08:00", "0", "08:30", "4000"), *by_distance(since, until, 5_000))
    assert told(*taps) == expected


def test_what_ends_beyond_the_window_is_the_last_of_its_package() -> None:
    taps = (
        *ride(BRT, "08:00", "0", "08:30", "4000"),
        *by_distance("10:50", "11:10", 5_000),
        *ride(BRT, "11:15", "0", "11:20", "1000"),
    )
    assert [amount for amount, _ in told(*taps)] == [12_500, 3_500]


def test_before_the_integrated_fare_each_ride_cost_its_own() -> None:
    taps = (
        SeenTap(at("2022-10-03 08:00"), "a", 1, "in", BRT, "0"),
        SeenTap(at("2022-10-03 08:30"), "a", 2, "out", BRT, "1"),
        SeenTap(at("2022-10-03 08:40"), "b", 1, "in", "lrt_jakarta", "0"),
        SeenTap(at("2022-10-03 08:55"), "b", 2, "out", "lrt_jakarta", "1"),
    )
    assert told(*taps) == [(3_500, "fare.transjakarta"), (5_000, "fare.lrt_jakarta")]


def test_a_journey_that_was_open_when_the_rule_changed_keeps_the_rule_of_its_beginning() -> None:
    """4 October 2022: who was on their way at midnight was neither refused nor charged twice."""
    taps = (
        SeenTap(at("2022-10-03 23:50"), "a", 1, "in", BRT, "0"),
        SeenTap(at("2022-10-04 00:10"), "a", 2, "out", BRT, "4000"),
        SeenTap(at("2022-10-04 00:20"), "b", 1, "in", "lrt_jakarta", "0"),
        SeenTap(at("2022-10-04 00:40"), "b", 2, "out", "lrt_jakarta", "5000"),
    )
    assert told(*taps) == [(3_500, "fare.transjakarta"), (5_000, "fare.lrt_jakarta")]
    states = [leg.state for found in journeys_of(taps, RULEBOOK, NETWORK) for leg in found.legs]
    assert states == ["whole", "whole"]


# --- taps that are missing, or too many -----------------------------------------------------------


def legs_of(*taps: SeenTap) -> list[tuple[str, int | None]]:
    found: list[Journey] = journeys_of(taps, RULEBOOK, NETWORK)
    return [
        (leg.state, leg.fare.amount_rp if leg.fare else None)
        for journey in found
        for leg in journey.legs
    ]


def test_a_ride_is_open_until_it_ends_or_another_one_begins() -> None:
    first = tap("08:00", "in", "mrt", "Blok M")
    assert legs_of(first) == [("open", None)]
    assert price_rp([first], RULEBOOK, NETWORK) == 0
    assert legs_of(first, tap("08:20", "out", "mrt", "Senayan")) == [("whole", 4_000)]
    # The farthest from Blok M is Lebak Bulus, or Bundaran HI: Rp8,000 either way.
    assert legs_of(first, tap("18:00", "in", "mrt", "Senayan")) == [
        ("no_tap_out", 8_000),
        ("open", None),
    ]


def test_a_tap_out_without_a_tap_in_costs_the_farthest_fare() -> None:
    assert legs_of(tap("08:20", "out", "mrt", "Bundaran HI")) == [("no_tap_in", 14_000)]
    assert legs_of(tap("08:00", "out", "krl", "0")) == [("no_tap_in", 11_000)]
    assert legs_of(tap("05:30", "out", BRT, "anywhere")) == [("no_tap_in", 2_000)]


def test_a_tap_out_at_another_service_ends_no_ride() -> None:
    taps = (tap("08:00", "in", "mrt", "Blok M"), tap("08:30", "out", "krl", "0"))
    assert legs_of(*taps) == [("no_tap_out", 8_000), ("no_tap_in", 11_000)]


def test_a_ride_that_is_not_whole_ends_a_package() -> None:
    taps = (
        *ride(BRT, "08:00", "0", "08:30", "4000"),
        tap("08:40", "in", "lrt_jakarta", "0"),
        *ride(BRT, "09:00", "0", "09:30", "4000"),
    )
    assert [amount for amount, _ in told(*taps)] == [3_500, 5_000, 3_500]


def test_a_second_tap_within_seconds_is_the_same_tap() -> None:
    taps = [tap("08:00:00", "in", BRT, "0"), tap("08:00:09", "in", BRT, "0")]
    assert legs_of(*taps) == [("open", None)]
    late = [taps[0], tap("08:00:10", "in", BRT, "0")]
    assert legs_of(*late) == [("no_tap_out", 3_500), ("open", None)]
    out = [taps[0], tap("08:00:09", "out", BRT, "0")]
    assert legs_of(*out) == [("whole", 3_500)]
    # No instrument says so of the commuter line.
    krl = [tap("08:00:00", "in", "krl", "0"), tap("08:00:09", "in", "krl", "0")]
    assert legs_of(*krl) == [("no_tap_out", 11_000), ("open", None)]


def test_what_no_rule_knows_is_told_and_costs_nothing() -> None:
    (journey,) = journeys_of(ride("mrt", "08:00", "Blok M", "08:20", "Monas"), RULEBOOK, NETWORK)
    (leg,) = journey.legs
    assert (leg.fare, leg.unknown) == (None, "place_unknown: destination")
    assert (journey.fare.amount_rp, journey.fare.rule) == (0, "")
    for service in ("mrt", "krl"):
        (half,) = journeys_of([tap("08:00", "out", service, "?")], RULEBOOK, NETWORK)
        assert half.legs[0].unknown == "place_unknown: origin"


# --- any order ------------------------------------------------------------------------------------

SERVICES: Final[tuple[Service, ...]] = (
    BRT,
    "transjakarta_non_brt",
    "mikrotrans",
    "mrt",
    "lrt_jakarta",
    "lrt_jabodebek",
    "krl",
)
SETS: Final = 10_000


def random_taps(chance: random.Random) -> list[SeenTap]:
    """Return the taps of some hours, some of them missing or doubled."""
    found: list[SeenTap] = []
    at_ms = at("2024-07-03 04:30") + chance.randrange(16 * 3_600_000)
    for _ in range(chance.randint(1, 5)):
        service = chance.choice(SERVICES)
        places = ("Blok M", "Senayan", "Monas") if service == "mrt" else ("0", "4000", "30000", "?")
        for direction in ("in", "out"):
            at_ms += chance.choice((1_000, 8_000, 300_000, 1_800_000, 5_400_000))
            if chance.random() > 0.1:
                terminal, counter = chance.choice("ab"), len(found) + 1
                place = chance.choice(places)
                found.append(SeenTap(at_ms, terminal, counter, direction, service, place))
    return found


@pytest.mark.slow
def test_whatever_order_taps_come_in_they_make_the_same_journeys() -> None:
    chance = random.Random(20_241_004)
    integrated = 0
    for _ in range(SETS):
        taps = random_taps(chance)
        expected = journeys_of(taps, RULEBOOK, NETWORK)
        for _ in range(3):
            other = [*taps, *chance.sample(taps, chance.randint(0, len(taps)))]
            chance.shuffle(other)
            assert journeys_of(other, RULEBOOK, NETWORK) == expected
        integrated += any(found.fare.rule.startswith("fare.integrated") for found in expected)
    assert integrated > SETS // 20
