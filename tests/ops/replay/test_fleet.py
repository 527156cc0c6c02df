"""The fleet keeps the order of each card and each terminal, on as few connections as it may."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

import pytest
import trio
import trio.testing

from ops.replay.fleet import BATCH_MAX, Fleet
from ops.replay.held import Held
from ops.replay.plan import Step, make_plan
from terminals.client import ClientOptions, TerminalClient, open_terminal
from terminals.keys import new_key
from tests.ops.demo.fake_node import FakeNode
from tests.ops.replay.small import trip

STEPS_OF = 40


def steps_of(count: int = STEPS_OF, cards: int = 3) -> list[Step]:
    """Return the steps of trips of a few cards between stops that change."""
    return make_plan(
        [
            trip(
                f"T{number:03}",
                f"C{number % cards}",
                at=f"3 07:{number:02}:00",
                stop="ABC"[number % 3],
                out=f"3 07:{number:02}:30",
                out_stop="BCDA"[number % 4],
            )
            for number in range(count)
        ],
        Held(),
    ).steps


async def sent(
    node: FakeNode, steps: Sequence[Step], *, terminals_max: int = 9, speed: float = 0
) -> Fleet:
    key = new_key()

    def open_client(terminal: str) -> AbstractAsyncContextManager[TerminalClient]:
        return open_terminal(
            "ws://node",
            terminal,
            key,
            clock_ms=lambda: 0,
            random=lambda: 0.5,
            connect=node.connect,
            options=ClientOptions(backoff_first_s=0.1),
        )

    answered: list[Step] = []
    fleet = Fleet(open_client, terminals_max=terminals_max, on_answer=answered.append)
    with trio.fail_after(10_000):
        await fleet.send(steps, speed=speed)
    assert len(answered) == len(steps)
    return fleet


def arrivals(node: FakeNode) -> list[tuple[str, int]]:
    return [(terminal, counter) for _, terminal, batch in node.arrived for counter in batch]


@pytest.mark.parametrize("terminals_max", [1, 2, 9])
async def test_each_card_and_each_terminal_keeps_its_order(
    autojump_clock: trio.testing.MockClock, terminals_max: int
) -> None:
    node, steps = FakeNode(), steps_of()
    fleet = await sent(node, steps, terminals_max=terminals_max)
    order = arrivals(node)
    assert sorted(order) == sorted((step.terminal, step.counter) for step in steps)
    cards, terminals = defaultdict[str, list[int]](list), defaultdict[str, list[int]](list)
    for step in steps:
        at = order.index((step.terminal, step.counter))
        cards[step.trip.card].append(at)
        terminals[step.terminal].append(at)
    for places in (*cards.values(), *terminals.values()):
        assert places == sorted(places)
    assert max(len(batch) for _, _, batch in node.arrived) <= BATCH_MAX
    assert fleet.connections == 5 if terminals_max == 9 else fleet.connections > 5


async def test_a_terminal_that_waits_for_a_card_holds_back_its_later_taps(
    autojump_clock: trio.testing.MockClock,
) -> None:
    node = FakeNode()
    trips = [
        trip("T1", "C1", at="3 07:00:00", stop="A", out="3 07:01:00", out_stop="B"),
        trip("T2", "C2", at="3 07:02:00", stop="B", out=None),
    ]
    steps = make_plan(trips, Held()).steps
    await sent(node, steps)
    assert [counter % 10 for terminal, counter in arrivals(node) if terminal == "B"] == [1, 2]


async def test_a_whole_day_of_one_stop_goes_in_small_batches(
    autojump_clock: trio.testing.MockClock,
) -> None:
    node = FakeNode()
    trips = [trip(f"T{n:02}", f"C{n}", amount_rp=0, out=None) for n in range(3 * BATCH_MAX)]
    await sent(node, make_plan(trips, Held()).steps)
    counters = [counter for _, counter in arrivals(node)]
    assert counters == sorted(counters)
    assert max(len(batch) for _, _, batch in node.arrived) <= BATCH_MAX


async def test_steps_are_sent_at_their_time_if_a_speed_is_asked_for(
    autojump_clock: trio.testing.MockClock,
) -> None:
    node = FakeNode()
    began_s = trio.current_time()
    await sent(node, steps_of(10), speed=60)
    assert trio.current_time() - began_s == pytest.approx(9.5, abs=0.1)


async def test_what_was_sent_again_says_so(autojump_clock: trio.testing.MockClock) -> None:
    node = FakeNode()
    node.deaf = True
    first, second = make_plan([trip("T1", amount_rp=0)], Held()).steps
    with trio.fail_after(1_000):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sent, node, [first, second])
            await trio.testing.wait_all_tasks_blocked()
            node.deaf = False
            node.cut()
    assert (first.was_resent, second.was_resent) == (True, False)
