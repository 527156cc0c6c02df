"""The first half of April 2023, as it was charged, beside what its rules say."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple

from engine.fares.lines import LineNetwork
from engine.fares.ride import Ride
from engine.fares.tariff import Tariffs
from engine.rules.kinds import Service
from ops.gtfs import read_gtfs
from tests.engine.fares.test_ride import WIB
from tests.engine.rules_here import RULEBOOK
from tests.reference import reference

APRIL: Final = "transjakarta/taps-2023-04-01..15.csv"
PAID_TO_SERVICE: Final[dict[str, Service]] = {
    "3500.0": "transjakarta_non_brt",
    "0.0": "mikrotrans",
    "20000.0": "royaltrans",
}
"""For the 13 corridors that the feed does not know, and rows that name none."""


class AprilRide(NamedTuple):
    """A row that names an amount.

    Attributes:
      line: of the file.
      paid_rp: as the file says.
      due_rp: as the rules say, of the ride alone.
    """

    line: int
    service: Service
    paid_rp: int
    due_rp: int


def april_rides() -> Iterator[AprilRide]:
    """Yield what was paid for each ride, and what was due."""
    network = LineNetwork([read_gtfs(reference("gtfs"))])
    tariffs = Tariffs(RULEBOOK, network)
    with reference(APRIL).open(encoding="utf-8", newline="") as file:
        for line, row in enumerate(csv.DictReader(file), 2):
            if not row["payAmount"]:
                continue
            known = network.services.get(row["corridorID"])
            service = known or PAID_TO_SERVICE[row["payAmount"]]
            began = datetime.fromisoformat(row["tapInTime"]).replace(tzinfo=WIB)
            at_ms = int(began.timestamp() * 1000)
            ride = Ride(service, at_ms, "a", at_ms, "b")
            due_rp = tariffs.at(at_ms).fare_of(ride).amount_rp
            yield AprilRide(line, service, int(float(row["payAmount"])), due_rp)


def test_what_was_charged_is_what_was_due_but_for_the_early_hours() -> None:
    found = Counter((ride.service, ride.paid_rp, ride.due_rp) for ride in april_rides())
    wrong = {key: count for key, count in found.items() if key[1] != key[2]}
    early = sum(count for (_, paid, due), count in wrong.items() if (paid, due) == (3_500, 2_000))
    owed_rp = sum((paid - due) * count for (_, paid, due), count in wrong.items())
    assert found.total() == 17_903
    # Rp2,000 were due from 05:00 to 07:00, and nothing on the buses of public flats.
    assert early == 2_306
    assert {key: count for key, count in wrong.items() if key[2] != 2_000} == {
        ("rusun_bus", 3_500, 0): 67
    }
    assert owed_rp == 2_306 * 1_500 + 67 * 3_500 == 3_693_500
