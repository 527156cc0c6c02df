"""The node's clock as a terminal estimates it, whatever its own does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminals.clock import EXCHANGES_KEPT, JUMP_MS, NodeClock
from terminals.messages import Pulse

NODE_MS = 1_760_000_000_000


class World:
    """A node's clock and a terminal's, and the time that goes on for both."""

    def __init__(self, own_ms: int = 1_000) -> None:
        self.s = 50.0
        self.wrong_ms = own_ms - 50_000
        self.jumps: list[int] = []
        self.clock = NodeClock(self.own_ms, steady_s=lambda: self.s, on_jump=self.jumps.append)

    def own_ms(self) -> int:
        return int(self.s * 1_000) + self.wrong_ms

    def node_ms(self) -> int:
        return NODE_MS + int(self.s * 1_000)

    def exchange(self, there_s: float, back_s: float) -> None:
        at_ms = self.clock.heartbeat()
        self.s += there_s
        pulse = Pulse(at_ms, self.node_ms())
        self.s += back_s
        self.clock.pulse(pulse)


def test_before_the_node_told_anything_the_own_clock_counts() -> None:
    world = World(own_ms=777)
    assert (world.clock.corrected_ms(), world.clock.offset_ms()) == (777, 0)
    assert not world.clock.synchronised
    assert world.clock.uncertainty_ms is None


def test_an_exchange_tells_the_nodes_clock() -> None:
    world = World()
    world.exchange(0.1, 0.1)
    assert world.clock.synchronised
    assert world.clock.corrected_ms() == world.node_ms()
    assert world.clock.offset_ms() == world.node_ms() - world.own_ms()
    assert world.clock.uncertainty_ms == pytest.approx(100)
    world.s += 1_000
    assert world.clock.corrected_ms() == world.node_ms()


@given(
    st.lists(st.tuples(st.floats(0, 9), st.floats(0, 9)), min_size=1, max_size=EXCHANGES_KEPT),
    st.integers(0, 10**13),
)
def test_the_estimate_is_as_good_as_the_shortest_round_trip(
    trips: list[tuple[float, float]], own_ms: int
) -> None:
    world = World(own_ms)
    for there_s, back_s in trips:
        world.s += 20
        world.exchange(there_s, back_s)
    best_s = min(there_s + back_s for there_s, back_s in trips)
    assert abs(world.clock.corrected_ms() - world.node_ms()) <= best_s * 500 + 2
    assert world.clock.uncertainty_ms == pytest.approx(best_s * 500, abs=1e-3)


def test_old_exchanges_are_forgotten() -> None:
    world = World()
    world.exchange(0, 0)
    for _ in range(EXCHANGES_KEPT):
        world.exchange(0, 2)
    assert world.clock.corrected_ms() == world.node_ms() - 1_000


def test_a_pulse_that_was_not_asked_for_tells_nothing() -> None:
    world = World()
    world.clock.pulse(Pulse(5, 99))
    world.clock.heartbeat()
    world.clock.pulse(Pulse(5, 99))
    assert not world.clock.synchronised


def test_a_heartbeat_of_another_connection_is_not_awaited() -> None:
    world = World()
    at_ms = world.clock.heartbeat()
    world.clock.begin()
    world.clock.pulse(Pulse(at_ms, 99))
    assert not world.clock.synchronised


def test_a_pulse_belongs_to_its_heartbeat_also_if_one_before_was_not_answered() -> None:
    world = World()
    world.clock.heartbeat()
    world.s += 20
    world.exchange(0.1, 0.1)
    assert world.clock.uncertainty_ms == pytest.approx(100)


@pytest.mark.parametrize("jump_ms", [JUMP_MS + 1, -JUMP_MS - 1, 10**12, -(10**9)])
def test_a_jump_of_the_own_clock_is_noticed_and_does_not_touch_the_estimate(jump_ms: int) -> None:
    world = World()
    world.exchange(0, 0)
    assert not world.clock.look()
    world.s += 20
    world.wrong_ms += jump_ms
    assert world.clock.look()
    assert not world.clock.look()
    assert (world.jumps, world.clock.jumps) == ([jump_ms], 1)
    assert world.clock.corrected_ms() == world.node_ms()
    assert world.clock.own_ms() == world.own_ms()


def test_a_clock_that_runs_a_little_fast_has_not_jumped() -> None:
    world = World()
    for _ in range(100):
        assert not world.clock.look()
        world.s += 20
        world.wrong_ms += JUMP_MS // 10
    assert not world.jumps


def test_a_jump_that_nobody_wants_to_hear_of_is_counted() -> None:
    now_ms = 0
    clock = NodeClock(lambda: now_ms, steady_s=lambda: 0.0)
    clock.look()
    now_ms = 5_000
    assert clock.look()
    assert clock.jumps == 1
