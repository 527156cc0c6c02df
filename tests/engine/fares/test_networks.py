"""The networks that come with the program, and worked examples of fares that need one."""

from __future__ import annotations

from typing import Final

import pytest

from engine.fares.lines import LineNetwork
from engine.fares.network_file import networks_by_file
from engine.fares.ride import Fare, Ride
from engine.fares.tariff import Tariffs
from engine.rules.kinds import Service, TableFare
from ops.network import load_network
from tests.engine.fares.test_network_file import head, line
from tests.engine.fares.test_ride import at
from tests.engine.rules_here import RULEBOOK

SHIPPED: Final[LineNetwork] = load_network().network
LRT: Final[Service] = "lrt_jabodebek"
PEAK, NOON = "2024-07-03 07:00", "2024-07-03 12:00"


def fare(
    service: Service,
    when: str,
    origin: str,
    destination: str,
    *,
    minutes: int = 20,
    network: LineNetwork = SHIPPED,
) -> Fare:
    """Return the fare of a ride by the rules and on the network that come with the program."""
    began_ms = at(when)
    ride = Ride(service, began_ms, origin, began_ms + minutes * 60_000, destination)
    return Tariffs(RULEBOOK, network).at(began_ms).price_of(service).of_ride(ride)


# --- what is shipped ----------------------------------------------------------------------------


def test_mrt_has_the_stations_of_its_table_of_fares_and_its_published_length() -> None:
    (version,) = RULEBOOK.versions("fare.mrt")
    assert isinstance(version.rule, TableFare)
    stations = version.rule.stations
    assert len(stations) == 13
    ways = [SHIPPED.metres("mrt", stations[0], station) for station in stations]
    assert None not in ways
    assert ways == sorted(ways, key=lambda metres: metres or 0)
    assert ways[-1] == SHIPPED.farthest("mrt", "Bundaran HI") == 15_700


def test_lrt_jakarta_has_its_published_length() -> None:
    ends = "Pegangsaan Dua", "Velodrome"
    assert SHIPPED.metres("lrt_jakarta", *ends) == SHIPPED.farthest("lrt_jakarta", ends[0]) == 5_800


def test_lrt_jabodebek_parts_at_cawang_and_has_its_published_length() -> None:
    ends = ("Dukuh Atas", "Harjamukti", "Jatimulya")
    ways = [SHIPPED.metres(LRT, "Cawang", end) or 0 for end in ends]
    assert 41_000 <= sum(ways) <= 44_500
    assert SHIPPED.metres(LRT, "Harjamukti", "Jatimulya") == ways[1] + ways[2]
    # The same names are other stations of other services.
    assert SHIPPED.may_change(LRT, "Setiabudi", "mrt", "Setiabudi") is None


# Kilometres that were told with KM 67/2023; the fare before any cap is Rp5,000 + Rp700/km.
PAIRS: Final = [
    ("Dukuh Atas", "Cawang", 10, 11_300),
    ("Dukuh Atas", "Harjamukti", 25, 21_800),
    ("Dukuh Atas", "Jatimulya", 28, 23_900),
    ("Dukuh Atas", "Halim", 13, 13_400),
    ("Harjamukti", "Jatimulya", 33, 27_400),
    ("Harjamukti", "Cawang", 15, 14_800),
    ("Harjamukti", "Halim", 19, 17_600),
    ("Jatimulya", "Cawang", 18, 16_900),
    ("Jatimulya", "Halim", 15, 14_800),
    ("Cawang", "Halim", 4, 7_100),
]


@pytest.mark.parametrize(("origin", "destination", "kilometres", "uncapped_rp"), PAIRS)
def test_lrt_jabodebek_costs_what_was_told_of_ten_pairs(
    origin: str, destination: str, kilometres: int, uncapped_rp: int
) -> None:
    peak = fare(LRT, PEAK, origin, destination)
    assert peak.inputs["steps"] == kilometres - 1
    # From the table of fares: cap Rp20,000 in peak, Rp10,000 otherwise.
    assert peak.amount_rp == min(uncapped_rp, 20_000)
    assert fare(LRT, NOON, origin, destination).amount_rp == min(uncapped_rp, 10_000)


# Each line: the source in the table of fares, then a ride and what it costs.
LRT_EXAMPLES: Final = [
    ("Rp5,000 first km", NOON, "Dukuh Atas", "Setiabudi", 20, 5_000),
    ("+ Rp700/km", NOON, "Cikoko", "Cawang", 20, 5_700),
    ("+ Rp700/km", NOON, "Cawang", "Halim", 20, 7_100),
    ("+ Rp700/km, from branch to branch", NOON, "TMII", "Halim", 20, 10_000),
    ("+ Rp700/km, from branch to branch", PEAK, "TMII", "Halim", 20, 10_600),
    ("cap Rp20,000 in peak", "2024-07-03 19:59", "Jatimulya", "Dukuh Atas", 55, 20_000),
    ("Rp10,000 otherwise", "2024-07-03 20:00", "Jatimulya", "Dukuh Atas", 55, 10_000),
    ("weekends", "2024-07-06 07:00", "Jatimulya", "Dukuh Atas", 55, 10_000),
    ("holidays", "2025-05-01 07:00", "Jatimulya", "Dukuh Atas", 55, 10_000),
    ("same station <60 min Rp5,000", PEAK, "Cawang", "Cawang", 59, 5_000),
    ("same station >60 min the cap", NOON, "Cawang", "Cawang", 61, 10_000),
    ("same station >60 min the cap", PEAK, "Cawang", "Cawang", 61, 20_000),
]


@pytest.mark.parametrize(
    ("source", "when", "origin", "destination", "minutes", "amount_rp"), LRT_EXAMPLES
)
def test_a_ride_with_lrt_jabodebek_costs_what_its_decision_says(
    source: str, when: str, origin: str, destination: str, minutes: int, amount_rp: int
) -> None:
    told = fare(LRT, when, origin, destination, minutes=minutes)
    assert told.amount_rp == amount_rp, source


# --- the commuter line, on a network of its own ---------------------------------------------------

(KRL_FILE,) = networks_by_file(
    {
        "krl.toml": head("krl")
        + line('["Jakarta Kota", 0], ["Manggarai", 10_000], ["Depok", 22_000], ["Bogor", 23_000]')
        + line('["Manggarai", 0], ["Bekasi", 16_000]', name="krl-2")
    }
)
KRL: Final = LineNetwork([KRL_FILE.part])


@pytest.mark.parametrize(
    ("source", "origin", "destination", "amount_rp"),
    [
        ("Rp3,000 first 25 km", "Depok", "Manggarai", 3_000),
        ("+ Rp1,000 per started 10 km", "Jakarta Kota", "Bekasi", 4_000),
        ("+ Rp1,000 per started 10 km", "Depok", "Bekasi", 5_000),
        ("+ Rp1,000 per started 10 km", "Bogor", "Bekasi", 7_000),
        ("+ Rp1,000 per started 10 km", "Bogor", "Jakarta Kota", 6_000),
    ],
)
def test_a_ride_with_the_commuter_line_is_paid_by_its_way(
    source: str, origin: str, destination: str, amount_rp: int
) -> None:
    told = fare("krl", PEAK, origin, destination, network=KRL)
    assert told.amount_rp == amount_rp, source
