"""The facts of the built-in network hang together."""

from __future__ import annotations

from itertools import pairwise

import pytest

from engine.accounts import is_name
from engine.fares.tariff import Tariffs
from ops.demo.city import TODAY
from ops.demo.network import Line, Network, seconds
from ops.rulebook import NOWHERE
from tests.engine.rules_here import RULEBOOK


def line_of(network: Network, code: str) -> Line:
    return next(line for line in network.lines if line.code == code)


def test_every_line_has_a_source_a_fare_and_stops_in_order(network: Network) -> None:
    for line in network.lines:
        assert line.source
        assert network.fares[line.fare].source
        assert line.stops[0].minute == 0
        assert all(before.minute < after.minute for before, after in pairwise(line.stops))
        assert len({stop.name for stop in line.stops}) == len(line.stops)


def test_mrt_table_is_square_symmetric_and_cheapest_at_home(network: Network) -> None:
    table = network.fares["mrt-jakarta"].table
    stations = len(line_of(network, "MRT").stops)
    assert [len(row) for row in table] == [stations] * stations
    for row in range(stations):
        assert table[row][row] == 3_000
        for column in range(stations):
            assert table[row][column] == table[column][row]
            assert table[row][column] in range(3_000, 15_000, 1_000)


def test_mrt_costs_no_less_further_away(network: Network) -> None:
    for start, row in enumerate(network.fares["mrt-jakarta"].table):
        onward = row[start:]
        assert list(onward) == sorted(onward)


@pytest.mark.parametrize(
    ("origin", "destination", "fare_rp"),
    [
        ("Lebak Bulus", "Bundaran HI", 14_000),
        ("Blok M", "Senayan", 4_000),
        ("Istora", "Blok A", 6_000),
    ],
)
def test_mrt_fares_are_read_from_the_table_by_station(
    network: Network, origin: str, destination: str, fare_rp: int
) -> None:
    names = [stop.name for stop in line_of(network, "MRT").stops]
    price_rp = network.fares["mrt-jakarta"].price_rp(
        names.index(origin), names.index(destination), seconds("06:00")
    )
    assert price_rp == fare_rp


@pytest.mark.parametrize(
    ("clock", "fare_rp"),
    [("04:59", 3_500), ("05:00", 2_000), ("06:59", 2_000), ("07:00", 3_500), ("08:30", 3_500)],
)
def test_transjakarta_is_cheaper_from_five_to_seven(
    network: Network, clock: str, fare_rp: int
) -> None:
    assert network.fares["transjakarta"].price_rp(0, 1, seconds(clock)) == fare_rp


def test_the_farthest_fare_is_the_dearest_of_the_table_or_the_flat_one(network: Network) -> None:
    fares, six = network.fares, seconds("06:00")
    assert [fares["mrt-jakarta"].farthest_rp(stop, six) for stop in (0, 6)] == [14_000, 9_000]
    assert fares["transjakarta"].farthest_rp(18, six) == 2_000
    assert fares["transjakarta"].farthest_rp(18, seconds("08:00")) == 3_500


def test_a_chip_pays_the_same_at_all_hours(network: Network) -> None:
    assert network.fares["transjakarta"].chip_rp(0, 1) == 3_500
    assert network.fares["mrt-jakarta"].chip_rp(0, 12) == 14_000


def test_the_rules_know_these_fares(network: Network) -> None:
    tariff = Tariffs(RULEBOOK, NOWHERE).on(TODAY)
    for line in network.lines:
        fare = network.fares[line.fare]
        journey = tariff.journeys.get(fare.service)
        assert fare.balance_min_rp == (journey.balance_min_rp if journey else 0)
        price = tariff.prices[fare.service]
        for stop in line.stops:
            assert price.knows(fare.service, stop.name)  # type: ignore[arg-type]


def test_flat_fares_do_not_look_at_the_clock(network: Network) -> None:
    for clock in ("05:30", "08:30"):
        assert network.fares["mikrotrans"].price_rp(0, 1, seconds(clock)) == 0
        assert network.fares["lrt-jakarta"].price_rp(0, 1, seconds(clock)) == 5_000


def test_readers_have_different_names_and_are_a_fleet_of_some_size(network: Network) -> None:
    readers = list(network.readers())
    assert len(set(readers)) == len(readers)
    assert 60 <= len(readers) <= 120


def test_lines_with_vehicles_carry_their_readers(network: Network) -> None:
    assert len(line_of(network, "JAK04").readers) == 12
    assert len(line_of(network, "LRT").readers) == 12
    assert line_of(network, "LRT").readers[:2] == ("LRT-01-in", "LRT-01-out")


def test_owners_of_accounts_have_names_the_ledger_takes(network: Network) -> None:
    owners = {line.operator for line in network.lines} | set(network.banks)
    assert all(map(is_name, owners | {network.programme.code}))


def test_the_morning_covers_five_to_nine_and_peaks_after_eight(network: Network) -> None:
    day = network.morning
    assert day.begins_s + len(day.shares) * day.slot_s == seconds("09:00")
    peak = day.shares.index(max(day.shares))
    assert day.begins_s + peak * day.slot_s == seconds("08:00")
