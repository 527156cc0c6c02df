"""Figures: the middle, the spread, and the ratio to the peer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.figures import Figure, percentile, rounded

VALUES = st.lists(st.floats(0, 1e6), min_size=1)


@given(VALUES, st.floats(0.01, 1))
def test_a_percentile_is_a_value_that_enough_others_do_not_exceed(
    values: list[float], share: float
) -> None:
    found = percentile(values, share)
    assert found in values
    # The rank is rounded, so it may fall short by half a value.
    assert sum(each <= found for each in values) >= share * len(values) - 0.5


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 50), (0.99, 99), (0.999, 100), (1.0, 100), (0.0, 1)]
)
def test_percentiles_of_a_hundred_values(share: float, expected: float) -> None:
    assert percentile([float(n) for n in range(100, 0, -1)], share) == expected


def test_a_figure_tells_its_median_and_spread_and_target() -> None:
    figure = Figure("a_per_s", "a", [3_000.4, 1_000, 2_000.2], ">= 1", per_tap_rate=True)
    assert figure.summary(500.0) == {
        "median": 2_000,
        "min": 1_000,
        "max": 3_000,
        "repeats": 3,
        "target": ">= 1",
        "ratio_to_postgres": 4.0,
    }


def test_there_is_no_ratio_without_a_peer_or_for_what_is_no_rate() -> None:
    assert Figure("a", "a", [1.0], per_tap_rate=True).summary(None)["ratio_to_postgres"] is None
    assert Figure("a", "a", [1.0]).ratio(500.0) is None


@pytest.mark.parametrize(("value", "shown"), [(12_345.6, 12_346), (-123.4, -123), (1.234, 1.23)])
def test_no_more_digits_are_shown_than_were_measured(value: float, shown: float) -> None:
    assert rounded(value) == shown
