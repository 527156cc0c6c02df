"""What a ride costs: worked examples of each instrument, and what always holds."""

from __future__ import annotations

import csv
from datetime import date, datetime, time, timedelta, timezone
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.calendar import day_of_date
from engine.fares.days import at_hour, hours_of, is_workday
from engine.fares.ride import Fare, NoFare, Ride
from engine.fares.tariff import Tariffs, check_fares
from engine.rules.kinds import Service, Window
from engine.rules.reading import RulesInvalid
from engine.rules.rulebook import Rulebook
from tests.engine.rules.written import rule, written
from tests.engine.rules_here import RULEBOOK
from tests.reference import reference

WIB: Final = timezone(timedelta(hours=7))


class Along:
    """A network on one line: a place is its distance from the end, in metres."""

    def knows(self, _service: Service, place: str) -> bool:
        """Tell whether it is a number."""
        return place.isdigit()

    def metres(self, _service: Service, origin: str, destination: str) -> int | None:
        """Return the distance of two numbers; other places are unknown."""
        if not (origin.isdigit() and destination.isdigit()):
            return None
        return abs(int(origin) - int(destination))

    def farthest(self, _service: Service, place: str) -> int | None:
        """Return the distance to the other end, a hundred kilometres from the first."""
        return max(int(place), 100_000 - int(place)) if place.isdigit() else None

    def may_change(
        self, _service: Service, place: str, _other_service: Service, other_place: str
    ) -> bool | None:
        """Tell that one may not change at two places beyond the line."""
        return False if (place, other_place) == ("far", "away") else None


TARIFFS: Final = Tariffs(RULEBOOK, Along())


def at(when: str) -> int:
    """Return a time of Jakarta as the host's clock tells it."""
    return int(datetime.fromisoformat(when).replace(tzinfo=WIB).timestamp() * 1000)


def fare(
    service: Service, when: str, origin: str = "0", destination: str = "1", minutes: float = 20
) -> Fare:
    """Return the fare of a ride by the rules that come with the program."""
    began_ms = at(when)
    ride = Ride(service, began_ms, origin, began_ms + int(minutes * 60_000), destination)
    return TARIFFS.at(began_ms).price_of(service).of_ride(ride)


# Each line: the source in the table of fares, then a ride and what it costs.
EXAMPLES: Final[list[tuple[str, Service, str, str, int]]] = [
    ("flat Rp3,500", "transjakarta_brt", "2023-04-03 07:00", "1", 3_500),
    ("Rp2,000 for 05:00-07:00", "transjakarta_brt", "2023-04-03 05:00", "1", 2_000),
    ("Rp2,000 for 05:00-07:00", "transjakarta_non_brt", "2023-04-03 06:59:59.999", "1", 2_000),
    ("Rp2,000 for 05:00-07:00", "transjakarta_brt", "2023-04-03 04:59:59", "1", 3_500),
    ("Mikrotrans Rp0", "mikrotrans", "2023-04-03 08:00", "1", 0),
    ("routes of the kind Rusun, GTFS", "rusun_bus", "2023-04-03 08:00", "1", 0),
    ("Royaltrans Rp20,000", "royaltrans", "2023-04-03 08:00", "1", 20_000),
    ("Royaltrans Rp20,000", "royaltrans", "2024-04-03 08:00", "1", 20_000),
    ("LRT Jakarta flat Rp5,000", "lrt_jakarta", "2024-04-03 06:00", "1", 5_000),
    ("LRT Jabodebek, first km", "lrt_jabodebek", "2024-07-03 12:00", "1000", 5_000),
    ("LRT Jabodebek, + Rp700/km", "lrt_jabodebek", "2024-07-03 12:00", "1001", 5_700),
    ("LRT Jabodebek, + Rp700/km", "lrt_jabodebek", "2024-07-03 12:00", "4000", 7_100),
    ("cap Rp10,000 otherwise", "lrt_jabodebek", "2024-07-03 12:00", "30000", 10_000),
    ("cap Rp20,000 in peak", "lrt_jabodebek", "2024-07-03 06:00", "30000", 20_000),
    ("peak until 08:59", "lrt_jabodebek", "2024-07-03 08:59:59", "30000", 20_000),
    ("peak until 08:59", "lrt_jabodebek", "2024-07-03 09:00", "30000", 10_000),
    ("peak from 16:00", "lrt_jabodebek", "2024-07-03 16:00", "20000", 18_300),
    ("peak until 19:59", "lrt_jabodebek", "2024-07-03 20:00", "20000", 10_000),
    ("weekends", "lrt_jabodebek", "2024-07-06 07:00", "30000", 10_000),
    ("holidays", "lrt_jabodebek", "2025-05-01 07:00", "30000", 10_000),
    ("KRL Rp3,000 first 25 km", "krl", "2024-07-03 07:00", "25000", 3_000),
    ("KRL + Rp1,000 per started 10 km", "krl", "2024-07-03 07:00", "25001", 4_000),
    ("KRL + Rp1,000 per started 10 km", "krl", "2024-07-03 07:00", "35000", 4_000),
    ("KRL + Rp1,000 per started 10 km", "krl", "2024-07-03 07:00", "35001", 5_000),
    ("KRL Rp2,000 in Permenhub 17/2015", "krl", "2015-07-03 07:00", "25000", 2_000),
]


@pytest.mark.parametrize(("source", "service", "when", "destination", "amount_rp"), EXAMPLES)
def test_a_ride_costs_what_its_instrument_says(
    source: str, service: Service, when: str, destination: str, amount_rp: int
) -> None:
    assert fare(service, when, "0", destination).amount_rp == amount_rp, source


def test_every_pair_of_mrt_stations_costs_what_the_table_says() -> None:
    with reference("mrt_fares.csv").open(encoding="utf-8", newline="") as file:
        (_, *stations), *rows = csv.reader(file)
    found = 0
    for origin, *amounts in rows:
        for destination, amount in zip(stations, amounts, strict=True):
            told = fare("mrt", "2024-07-03 07:00", origin, destination)
            assert (told.amount_rp, told.rule) == (int(amount), "fare.mrt@2019-04-01")
            found += 1
    assert found == 13 * 13


@pytest.mark.parametrize(
    ("when", "minutes", "amount_rp"),
    [
        ("2024-07-03 12:00", 59.99, 5_000),
        ("2024-07-03 12:00", 60, 10_000),
        ("2024-07-03 07:00", 60, 20_000),
        ("2024-07-03 08:30", 61, 20_000),
    ],
)
def test_who_leaves_where_they_came_in_pays_the_least_or_after_an_hour_the_cap(
    when: str, minutes: float, amount_rp: int
) -> None:
    told = fare("lrt_jabodebek", when, "5", "5", minutes)
    assert told.amount_rp == amount_rp
    assert told.inputs["minutes_inside"] == int(minutes)


def test_a_fare_tells_its_rule_and_what_it_was_worked_out_from() -> None:
    early = fare("transjakarta_brt", "2023-04-03 05:30")
    assert early == Fare(
        2_000, "fare.transjakarta@2005-01-01", {"hours": "05:00-07:00", "else_rp": 3_500}
    )
    far = fare("lrt_jabodebek", "2024-07-03 12:00", "0", "4000")
    assert far.inputs == {"metres": 4_000, "cap_rp": 10_000, "steps": 3}


def test_a_ride_keeps_the_rule_of_its_beginning() -> None:
    long = fare("krl", "2016-09-30 23:50", "0", "1", minutes=30)
    assert (long.amount_rp, long.rule) == (2_000, "fare.krl@2015-04-01")
    assert fare("krl", "2016-10-01 00:00").rule == "fare.krl@2016-10-01"


@pytest.mark.parametrize(
    ("service", "when", "origin", "destination", "reason", "field"),
    [
        ("krl", "2014-01-01 07:00", "0", "1", "fare_unknown", "service"),
        ("mrt", "2024-01-01 07:00", "Monas", "Blok M", "place_unknown", "origin"),
        ("mrt", "2024-01-01 07:00", "Blok M", "Monas", "place_unknown", "destination"),
        ("krl", "2024-01-01 07:00", "0", "Bogor", "place_unknown", "destination"),
    ],
)
def test_what_no_rule_knows_has_no_fare(
    service: Service, when: str, origin: str, destination: str, reason: str, field: str
) -> None:
    with pytest.raises(NoFare) as caught:
        fare(service, when, origin, destination)
    assert (caught.value.reason, caught.value.field) == (reason, field)


METRES = st.integers(1, 200_000)
TIMES = st.integers(0, 900 * 24 * 3600 * 1000).map(
    lambda since_ms: datetime(2024, 6, 1, tzinfo=WIB) + timedelta(milliseconds=since_ms)
)


@given(st.sampled_from(["krl", "lrt_jabodebek"]), TIMES, METRES, METRES)
def test_who_rides_farther_pays_no_less(
    service: Service, when: datetime, one: int, other: int
) -> None:
    near, far = sorted((one, other))
    amounts = [fare(service, when.isoformat(), "0", str(to)).amount_rp for to in (near, far)]
    assert amounts == sorted(amounts)
    assert fare(service, when.isoformat(), str(far), "0").amount_rp == amounts[1]


@given(TIMES, METRES)
def test_no_ride_costs_more_than_its_cap(when: datetime, metres: int) -> None:
    told = fare("lrt_jabodebek", when.isoformat(), "0", str(metres))
    day = day_of_date(when.date())
    hours = (time(6), time(9)), (time(16), time(20))
    is_peak = is_workday(day, RULEBOOK) and any(
        since <= when.time() < until for since, until in hours
    )
    assert told.inputs["cap_rp"] == (20_000 if is_peak else 10_000)
    assert 5_000 <= told.amount_rp <= (20_000 if is_peak else 10_000)


@given(TIMES, st.sampled_from([(time(5), time(7)), (time(23, 30), time(23, 59, 59))]))
def test_hours_are_those_of_the_clock_in_jakarta(when: datetime, hours: tuple[time, time]) -> None:
    since, until = hours
    windows = [Window(since=since, until=until, amount_rp=1)]
    found = at_hour(hours_of(windows, workday=True, told=lambda _: "in"), at(when.isoformat()))
    assert (found == "in") is (since <= when.time() < until)


def test_hours_of_workdays_are_not_those_of_other_days() -> None:
    windows = [Window(since=time(0), until=time(12), days="workdays", amount_rp=1)]
    assert hours_of(windows, workday=False, told=lambda _: "in") == ()
    assert len(hours_of(windows, workday=True, told=lambda _: "in")) == 1


def test_no_service_has_two_fares_on_a_day() -> None:
    flat = 'services = ["mrt", "krl"]\namount_rp = 1\n'
    other = rule("fare.b", "flat_fare", flat.replace('"mrt", ', ""), since="2020-01-01")
    book = Rulebook([written("a", rule("fare.a", "flat_fare", flat)), written("b", other)])
    with pytest.raises(RulesInvalid) as caught:
        check_fares(book)
    assert str(caught.value) == "b.toml:7: fare.b: krl has the fare fare.a (a.toml:7)"
    ended = rule("fare.a", "flat_fare", "valid_to = 2019-12-31\n" + flat)
    check_fares(Rulebook([written("a", ended), written("b", other)]))


def test_no_service_has_two_journeys_or_caps_and_no_day_two_integrated_fares() -> None:
    journey = 'services = ["krl"]\nbalance_min_rp = 0\nmissing_out = "refuse"\ndouble_tap_s = 0'
    cap = 'services = ["krl"]\nprogramme = "cap"\nday_rp = 1'
    both = (
        'modes = [["krl"], ["mrt"]]\nmodes_min = 2\nbase_rp = 1\nstep_m = 1\nstep_rp = 1\n'
        "cap_rp = 1\nwindow_min = 1"
    )
    for kind, figures, told in (
        ("journey", journey, "krl has the journey a"),
        ("fare_cap", cap, "krl has the cap a"),
        ("integrated_fare", both, "the day has the integrated fare a"),
    ):
        book = Rulebook([written("x", rule("a", kind, figures), rule("b", kind, figures))])
        with pytest.raises(RulesInvalid, match=told):
            check_fares(book)


def test_holidays_are_no_workdays() -> None:
    days = {date(2025, 5, 1): False, date(2025, 5, 2): True, date(2025, 5, 3): False}
    assert {day: is_workday(day_of_date(day), RULEBOOK) for day in days} == days
