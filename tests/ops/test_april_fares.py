"""The first half of April 2023, as it was charged, beside what its rules say."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import datetime

from engine.fares.lines import LineNetwork
from engine.fares.ride import Ride
from engine.fares.tariff import Tariffs
from ops.gtfs import read_gtfs
from tests.engine.fares.test_ride import WIB
from tests.engine.rules_here import RULEBOOK
from tests.reference import reference

PAID_TO_SERVICE = {
    "3500.0": "transjakarta_non_brt",
    "0.0": "mikrotrans",
    "20000.0": "royaltrans",
}
"""For the 13 corridors that the feed does not know, and rows that name none."""


def test_what_was_charged_is_what_was_due_but_for_the_early_hours() -> None:
    network = LineNetwork([read_gtfs(reference("gtfs"))])
    tariffs = Tariffs(RULEBOOK, network)
    found: Counter[tuple[str, int, int]] = Counter()
    with reference("transjakarta/taps-2023-04-01..15.csv").open(encoding="utf-8", newline="") as f:
        for row in csv.DictReader(f):
            if not row["payAmount"]:
                continue
            known = network.services.get(row["corridorID"])
            service = known or PAID_TO_SERVICE[row["payAmount"]]
            began = datetime.fromisoformat(row["tapInTime"]).replace(tzinfo=WIB)
            at_ms = int(began.timestamp() * 1000)
            ride = Ride(service, at_ms, "a", at_ms, "b")  # type: ignore[arg-type]
            due_rp = tariffs.at(at_ms).fare_of(ride).amount_rp
            found[service, int(float(row["payAmount"])), due_rp] += 1
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
