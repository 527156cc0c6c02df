"""How far a version has spread: a share is reached once, and that moment stays."""

from __future__ import annotations

from engine.fleet.coverage import NOT_YET, Coverage


def test_each_share_is_reached_at_the_first_moment_when_so_many_hold_it() -> None:
    coverage = Coverage(1_000)
    coverage.look(0, 200, 1_000)
    assert coverage.reached_ms == [NOT_YET] * 3
    coverage.look(99, 200, 1_100)
    assert coverage.reached_ms == [NOT_YET] * 3
    coverage.look(100, 200, 1_200)
    coverage.look(190, 200, 1_900)
    assert coverage.reached_ms == [200, 900, NOT_YET]
    coverage.look(199, 200, 2_000)
    assert coverage.reached_ms == [200, 900, NOT_YET]
    coverage.look(200, 200, 2_100)
    assert coverage.reached_ms == [200, 900, 1_100]


def test_a_share_that_was_reached_stays_so_when_others_connect() -> None:
    coverage = Coverage(0)
    coverage.look(1, 1, 5)
    coverage.look(1, 1_000, 9)
    assert coverage.reached_ms == [5, 5, 5]


def test_nobody_connected_reaches_nothing() -> None:
    coverage = Coverage(0)
    coverage.look(0, 0, 5)
    assert coverage.reached_ms == [NOT_YET] * 3


def test_a_clock_that_is_set_back_gives_no_time_below_zero() -> None:
    coverage = Coverage(1_000)
    coverage.look(1, 1, 400)
    assert coverage.reached_ms == [0, 0, 0]
