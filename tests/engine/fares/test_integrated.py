"""The integrated fare on a network: how far, and where one may change."""

from __future__ import annotations

from typing import Final

from engine.fares.lines import LineNetwork
from engine.fares.network_file import networks_by_file
from engine.fares.rating import integrated_fare, rate_all
from engine.fares.state import SeenTap
from engine.fares.tariff import Tariffs
from engine.rules.kinds import Service
from ops.network import load_network
from tests.engine.fares.test_network_file import head, line
from tests.engine.fares.test_ride import at
from tests.engine.rules_here import RULEBOOK

BRT: Final[Service] = "transjakarta_brt"

(BUS_FILE,) = networks_by_file(
    {
        "brt.toml": head("brt")
        + line('["B1", 0], ["B2", 3_400], ["B3", 900]', name="brt-1", service=BRT)
        + f'\n[[transfer]]\nplaces = [["mrt", "Blok M"], ["{BRT}", "B3"]]\n'
        + f'\n[[transfer]]\nplaces = [["{BRT}", "B1"], ["lrt_jakarta", "Velodrome"]]\n'
    }
)
# What is shipped, and a line of buses that meets two lines of it.
CITY: Final = LineNetwork([*(file.part for file in load_network().files), BUS_FILE.part])


def test_bus_and_metro_are_one_journey_by_distance() -> None:
    first, second = at("2024-07-03 07:00"), at("2024-07-03 07:30")
    taps = [
        SeenTap(first, "in", BRT, "B1", "tj"),
        SeenTap(first + 900_000, "out", BRT, "B3", "tj"),
        SeenTap(second, "in", "mrt", "Blok M", "mrtj"),
        SeenTap(second + 900_000, "out", "mrt", "Bundaran HI", "mrtj"),
    ]
    tariffs = Tariffs(RULEBOOK, CITY)
    rating, charges = rate_all(taps, tariffs)
    tariff = tariffs.at(first)
    assert rating.package is not None
    fare = integrated_fare(rating.package, tariff)
    # "Rp2,500 once at first tap-in + Rp250/km, cap Rp10,000": 4.3 and 7.51 km are 12 begun.
    assert fare.inputs["metres"] == 4_300 + 7_510
    assert fare.amount_rp == 2_500 + 12 * 250
    assert sum(charge.card_rp for charge in charges) == fare.amount_rp


def test_one_changes_only_at_integrated_stations() -> None:
    # "change only at integrated halte/stations"
    assert CITY.may_change(BRT, "B3", "mrt", "Blok M") is True
    assert CITY.may_change("mrt", "Blok M", BRT, "B3") is True
    assert CITY.may_change(BRT, "B2", "mrt", "Blok M") is False
    assert CITY.may_change(BRT, "B1", "lrt_jakarta", "Velodrome") is True
    # Nobody told where one changes to the commuter line.
    assert CITY.may_change("mrt", "Dukuh Atas", "krl", "Sudirman") is None
