"""The price list of the demo reads taps as rides, in whatever order they come."""

from __future__ import annotations

import random
from typing import Literal

import pytest

from engine.transaction import Tap
from ops.demo.city import MIDNIGHT
from ops.demo.network import Network, seconds
from ops.demo.prices import At, due_rp


def tap(
    clock: str,
    direction: Literal["in", "out", "reset"],
    place: str,
    line: str = "TJ1",
    operator: str = "transjakarta",
) -> At:
    at_ms = (int(MIDNIGHT.timestamp()) + seconds(clock)) * 1000
    return at_ms, Tap("C", 0, operator, direction, place, line)


def mrt(clock: str, direction: Literal["in", "out", "reset"], place: str) -> At:
    return tap(clock, direction, place, "MRT", "mrt-jakarta")


EARLY_IN, LATE_OUT = tap("06:59", "in", "Karet"), tap("07:30", "out", "Glodok")


@pytest.mark.parametrize(
    ("taps", "due"),
    [
        ([], {}),
        ([EARLY_IN], {}),
        ([EARLY_IN, LATE_OUT], {"transjakarta": 2_000}),
        ([LATE_OUT], {"transjakarta": 3_500}),
        ([mrt("08:00", "in", "Istora"), mrt("08:10", "out", "Blok A")], {"mrt-jakarta": 6_000}),
        ([mrt("08:10", "out", "Blok A")], {"mrt-jakarta": 9_000}),
        ([EARLY_IN, tap("07:40", "reset", "Glodok")], {"transjakarta": 2_000}),
        ([tap("07:40", "reset", "Glodok")], {}),
        ([EARLY_IN, tap("08:00", "in", "Karet")], {"transjakarta": 2_000}),
        (
            [EARLY_IN, mrt("08:10", "out", "Blok A")],
            {"transjakarta": 2_000, "mrt-jakarta": 9_000},
        ),
    ],
)
def test_rides_cost_what_their_taps_tell(
    network: Network, taps: list[At], due: dict[str, int]
) -> None:
    for seed in range(4):
        shuffled = list(taps)
        random.Random(seed).shuffle(shuffled)
        assert due_rp(network, shuffled) == due
