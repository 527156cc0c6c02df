"""A budget counts failures within a period, and forgets them after a quiet time."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from actors.runtime import Backoff, Intensity
from actors.runtime.budget import Budget

PLAIN = Backoff(first_s=1.0, factor=2.0, longest_s=8.0, jitter=0.0)


def waits(intensity: Intensity, *failures: tuple[float, float]) -> list[float | None]:
    """Return what a budget answers to failures at moments, after runs of so many seconds."""
    budget = Budget(intensity, PLAIN)
    return [budget.spend(at_s, ran_s, float) for at_s, ran_s in failures]


def test_one_failure_more_than_allowed_within_the_period_spends_it() -> None:
    three = Intensity(restarts_max=3, period_s=60)
    assert waits(three, (0, 0), (20, 0), (40, 0), (60, 0)) == [1, 2, 4, None]
    assert waits(three, (0, 0), (20, 0), (40, 0), (60.1, 0), (80.1, 0)) == [1, 2, 4, 8, 8]


def test_no_restarts_allowed_means_none() -> None:
    assert waits(Intensity(restarts_max=0), (0, 1_000)) == [None]


def test_a_quiet_time_gives_back_all_of_it() -> None:
    two = Intensity(restarts_max=2, period_s=1_000, quiet_s=50)
    assert waits(two, (0, 0), (10, 9), (70, 49.9)) == [1, 2, None]
    assert waits(two, (0, 0), (10, 9), (70, 50), (80, 9), (90, 9)) == [1, 2, 1, 2, None]


@given(seed=st.integers(), jitter=st.floats(0, 1), failures=st.integers(1, 2_000))
def test_no_number_of_failures_makes_a_wait_longer_than_the_longest(
    seed: int, jitter: float, failures: int
) -> None:
    backoff = Backoff(first_s=0.1, factor=10.0, longest_s=30.0, jitter=jitter)
    budget = Budget(Intensity(restarts_max=failures), backoff)
    chance = random.Random(seed).random
    last_s = 0.0
    for number in range(failures):
        wait_s = budget.spend(float(number), 0.0, chance)
        assert wait_s is not None
        last_s = wait_s
        assert 0 <= wait_s <= 30
    if failures > 3:
        assert last_s >= 30 * (1 - jitter)
