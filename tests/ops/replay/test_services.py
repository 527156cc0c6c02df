"""The service of a trip is that of its corridor, or what was paid tells it."""

from __future__ import annotations

import pytest

from ops.replay.services import Services
from tests.ops.replay.small import trip

SERVICES = Services({"5": "transjakarta_brt", "R1A": "rusun_bus"})


@pytest.mark.parametrize(
    ("corridor", "amount_rp", "service"),
    [
        ("5", 3_500, "transjakarta_brt"),
        ("5", 20_000, "transjakarta_brt"),
        ("R1A", 3_500, "rusun_bus"),
        ("", 0, "mikrotrans"),
        ("JIS3", 3_500, "transjakarta_non_brt"),
        ("1T", 20_000, "royaltrans"),
        ("1T", 2_000, "transjakarta_non_brt"),
    ],
)
def test_a_corridor_of_the_network_tells_the_service_and_else_the_amount(
    corridor: str, amount_rp: int, service: str
) -> None:
    ride = trip("T1", amount_rp=amount_rp)._replace(corridor=corridor)
    assert SERVICES.of(ride) == service


def test_trips_that_are_judged_by_their_amount_are_told() -> None:
    trips = [trip("T1"), trip("T2", line=3)._replace(corridor="")]
    assert SERVICES.judged(trips) == [3]
