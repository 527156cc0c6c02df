"""What a tree tells is true at every stage, cheap for a crowd, and plain data."""

from __future__ import annotations

import gc
import tracemalloc

import msgspec
import pytest
import trio
from trio.testing import MockClock

from actors.runtime import (
    ChildSpec,
    Intensity,
    Kind,
    Life,
    Mailbox,
    MailboxTrace,
    Node,
    Restart,
    State,
    Supervisor,
)
from actors.runtime.children import HISTORY_MAX, LISTED_MAX
from actors.runtime.trace import REASON_CHARS_MAX
from tests.actors.runtime.office import NO_WAIT, Planted, temporary
from tests.actors.runtime.stage import ignore


class Stages:
    """A child that comes to its next stage when it is let."""

    def __init__(self) -> None:
        self.gates = [trio.Event() for _ in range(3)]

    async def run(self, life: Life) -> None:
        """Start, run, and stop, each behind a gate."""
        await self.gates[0].wait()
        life.ready()
        await life.stopping.wait()
        await self.gates[1].wait()


def states(supervisor: Supervisor) -> list[State]:
    top = supervisor.snapshot()
    return [top.state, *(child.state for child in top.children)]


async def test_a_tree_tells_each_stage_of_a_start_and_a_stop(autojump_clock: MockClock) -> None:
    first, second = Stages(), Stages()
    specs = [ChildSpec("first", first.run), ChildSpec("second", second.run)]
    supervisor = Supervisor("top", specs, report=ignore, chance=float)
    life = Life(supervisor.as_child(), trio.Event(), lambda: None)
    seen = [states(supervisor)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run, life)
        for step in (
            first.gates[0].set,
            second.gates[0].set,
            life.stop,
            second.gates[1].set,
            first.gates[1].set,
        ):
            await trio.sleep(1)
            seen.append(states(supervisor))
            step()
    seen.append(states(supervisor))
    starting, running, stopping, stopped = (
        State.STARTING,
        State.RUNNING,
        State.STOPPING,
        State.STOPPED,
    )
    assert seen == [
        [stopped, stopped, stopped],
        [starting, starting, stopped],
        [starting, running, starting],
        [running, running, running],
        [stopping, running, stopping],
        [stopping, stopping, stopped],
        [stopped, stopped, stopped],
    ]


async def test_since_is_the_moment_the_state_was_entered(autojump_clock: MockClock) -> None:
    async def fails(life: Life) -> None:
        life.ready()
        await trio.sleep(3)
        raise Planted

    supervisor = Supervisor(
        "top", [ChildSpec("a", fails, backoff=NO_WAIT)], report=ignore, chance=float
    )
    began_s = trio.current_time()
    async with supervisor.running():
        await trio.sleep(3.5)
        (node,) = supervisor.snapshot().children
        assert node.state is State.BACKING_OFF
        assert node.since_s - began_s == pytest.approx(3)
        assert node.history[-1].at_s == node.since_s
        await trio.sleep(1)
        (node,) = supervisor.snapshot().children
        assert node.state is State.RUNNING
        assert node.since_s - began_s == pytest.approx(4)


async def test_a_tree_is_plain_data_at_any_time(autojump_clock: MockClock) -> None:
    box: Mailbox[int, str] = Mailbox({"tap": 3})

    async def idle(life: Life) -> None:
        life.ready()
        await life.stopping.wait()

    inner = Supervisor(
        "inner", [ChildSpec("a", idle, mailbox=box.trace)], report=ignore, chance=float
    )
    top = Supervisor("top", [inner.as_child()], report=ignore, chance=float)

    def told() -> Node:
        node = top.snapshot()
        assert msgspec.json.decode(msgspec.json.encode(node), type=Node) == node
        return node

    told()
    async with top.running():
        put_s = trio.current_time()
        for number in range(4):
            box.put_nowait(number, "tap")
        await trio.sleep(2)
        (below,) = told().children
        (leaf,) = below.children
        assert (below.kind, leaf.kind) == (Kind.SUPERVISOR, Kind.WORKER)
        assert leaf.mailbox == MailboxTrace(
            depth=3, depth_max=3, oldest_age_s=trio.current_time() - put_s, accepted=3, refused=1
        )
    told()


async def test_histories_reasons_and_lists_are_bounded(autojump_clock: MockClock) -> None:
    async def fails(life: Life) -> None:
        life.ready()
        await trio.sleep(1)
        raise Planted("x" * 10_000)

    async def idle(life: Life) -> None:
        life.ready()
        await life.stopping.wait()

    spec = ChildSpec("a", fails, backoff=NO_WAIT, intensity=Intensity(restarts_max=1_000))
    supervisor = Supervisor("top", [spec], report=ignore, chance=float)
    async with supervisor.running():
        for number in range(3 * LISTED_MAX):
            supervisor.start_child(temporary(f"s{number}", idle))
        await trio.sleep(500)
        top = supervisor.snapshot()
    assert top.crowd is not None
    assert (top.crowd.live, len(top.children)) == (3 * LISTED_MAX, 1 + LISTED_MAX)
    assert top.children[0].restarts > 2 * HISTORY_MAX
    assert len(top.children[0].history) == HISTORY_MAX
    assert len(top.children[0].history[0].reason) == REASON_CHARS_MAX


async def test_a_dynamic_child_costs_little_and_leaves_nothing(autojump_clock: MockClock) -> None:
    count = 2_000
    supervisor = Supervisor("top", report=ignore, chance=float, dynamic_max=count)
    tracemalloc.start()
    try:
        async with supervisor.running():
            waves = [await wave(supervisor, count) for _ in range(3)]
    finally:
        tracemalloc.stop()
    _, left = waves[0]
    for live, still_left in waves[1:]:
        assert (live - left) / count < 5_000, "bytes for each that is live"
        assert still_left - left < count, "less than a byte for each that ended"


async def wave(supervisor: Supervisor, count: int) -> tuple[int, int]:
    """Return the bytes in use while so many sessions are there, and when all are gone."""
    hang_up = trio.Event()

    async def session(life: Life) -> None:
        life.ready()
        await hang_up.wait()

    spec = ChildSpec("session", session, Restart.TEMPORARY)
    assert all(supervisor.start_child(spec) for _ in range(count))
    await trio.sleep(1)
    live = _traced()
    hang_up.set()
    await trio.sleep(1)
    return live, _traced()


def _traced() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]
