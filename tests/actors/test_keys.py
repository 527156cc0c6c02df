"""The time by which keys expire never goes back."""

from __future__ import annotations

from actors.keys import LatestTime
from tests.actors.world import NOON_MS, Clock


def test_a_clock_that_is_set_back_is_not_followed(clock: Clock) -> None:
    latest_ms = LatestTime(clock, int)
    assert (latest_ms(), latest_ms.behind_ms) == (NOON_MS, 0)
    clock.ms -= 5_000
    assert (latest_ms(), latest_ms.behind_ms) == (NOON_MS, 5_000)
    clock.ms = NOON_MS + 1
    assert (latest_ms(), latest_ms.behind_ms) == (NOON_MS + 1, 0)


def test_the_journal_is_a_witness_of_a_later_time(clock: Clock) -> None:
    decided_ms = [0]
    latest_ms = LatestTime(clock, lambda: decided_ms[0])
    decided_ms[0] = NOON_MS + 60_000
    assert (latest_ms(), latest_ms.behind_ms) == (NOON_MS + 60_000, 60_000)
    # A shard that is opened anew may have lost what was not durable.
    decided_ms[0] = 0
    assert latest_ms() == NOON_MS + 60_000
