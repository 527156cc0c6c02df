"""The fleet sends open loop, survives the death of its node, and keeps every answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from msgspec.structs import replace

from ops.demo.audit import Answer
from ops.demo.city import City, Planned
from ops.demo.fleet import TICK_S, Fleet
from terminals.keys import new_key
from tests.ops.demo.fake_node import FakeNode

SPEED = 2_000.0


@asynccontextmanager
async def running(node: FakeNode, city: City) -> AsyncIterator[Fleet]:
    names = {plan.terminal for plan in (*city.loads, *city.taps)}
    fleet = Fleet(
        "ws://node",
        {name: new_key() for name in sorted(names)},
        clock_ms=lambda: 0,
        random=lambda: 0.5,
        connect=node.connect,
    )
    with trio.fail_after(100):
        async with trio.open_nursery() as nursery:
            await fleet.start(nursery)
            yield fleet
            await fleet.close()


@pytest.fixture
def brief(city: City) -> City:
    return replace(city, taps=city.taps[:200])


async def test_loads_are_sent_in_the_order_of_each_terminal_and_all_answered(
    autojump_clock: trio.testing.MockClock, brief: City
) -> None:
    node = FakeNode()
    async with running(node, brief) as fleet:
        await fleet.submit(brief.loads)
    assert fleet.answers.keys() == {(plan.terminal, plan.counter) for plan in brief.loads}
    assert {answer.position for answer in fleet.answers.values()} == set(range(len(brief.loads)))
    for terminal in {plan.terminal for plan in brief.loads}:
        counters = [n for _, name, sent in node.arrived if name == terminal for n in sent]
        assert counters == sorted(counters)
    assert fleet.waits == []


async def test_taps_are_sent_at_their_own_times_only_faster(
    autojump_clock: trio.testing.MockClock, brief: City
) -> None:
    node = FakeNode()
    async with running(node, brief) as fleet:
        began_s = trio.current_time()
        await fleet.play(brief.taps, speed=SPEED, halfway=trio.Event())
    at_ms = {(plan.terminal, plan.counter): plan.at_ms for plan in brief.taps}
    sent = [
        (arrived_s, at_ms[terminal, counter])
        for arrived_s, terminal, counters in node.arrived
        for counter in counters
    ]
    assert len(sent) == len(brief.taps) == fleet.sent == len(fleet.waits)
    for arrived_s, tap_ms in sent:
        due_s = began_s + (tap_ms - brief.taps[0].at_ms) / 1000 / SPEED
        assert -1e-6 <= arrived_s - due_s <= 2 * TICK_S


async def test_taps_go_on_while_the_node_is_deaf_and_waits_count_from_the_due_time(
    autojump_clock: trio.testing.MockClock, brief: City
) -> None:
    node = FakeNode()
    halfway = trio.Event()
    async with running(node, brief) as fleet:
        node.deaf = True
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def _play() -> None:
                await fleet.play(brief.taps, speed=SPEED, halfway=halfway)

            await halfway.wait()
            assert 2 * fleet.sent >= len(brief.taps)
            with trio.move_on_after(10):
                await trio.sleep_forever()
            assert fleet.sent == len(brief.taps)
            assert not fleet.waits
            node.deaf = False
            node.cut()
    assert len(fleet.waits) == len(brief.taps)
    assert min(wait.answered_s - wait.due_s for wait in fleet.waits) > 5


async def test_what_a_card_does_next_waits_for_the_answer_to_what_it_did_before(
    autojump_clock: trio.testing.MockClock, brief: City
) -> None:
    node = FakeNode()
    node.deaf = True
    halfway = trio.Event()
    async with running(node, brief) as fleet, trio.open_nursery() as nursery:

        @nursery.start_soon
        async def _play() -> None:
            await fleet.play(brief.taps, speed=SPEED, halfway=halfway)

        await halfway.wait()
        await trio.sleep(10)
        node.deaf = False
        node.cut()
    cards = {(plan.terminal, plan.counter): plan.intent.card for plan in brief.taps}
    order: dict[str, list[tuple[str, int]]] = {}
    for _, terminal, counters in node.arrived:
        for counter in counters:
            order.setdefault(cards[terminal, counter], []).append((terminal, counter))
    meant: dict[str, list[tuple[str, int]]] = {}
    for plan in brief.taps:
        meant.setdefault(plan.intent.card, []).append((plan.terminal, plan.counter))
    assert order == meant
    assert max(map(len, meant.values())) > 2


async def test_terminals_come_back_after_a_cut_and_nothing_is_answered_twice(
    autojump_clock: trio.testing.MockClock, brief: City
) -> None:
    node = FakeNode()
    async with running(node, brief) as fleet:
        await fleet.submit(brief.loads)
        sessions = fleet.sessions()
        assert sessions == [1] * len(fleet)
        node.cut()
        await fleet.wait_back(sessions)
        assert fleet.sessions() == [2] * len(fleet)
        before = dict(fleet.answers)
        await fleet.submit(brief.loads)
        assert fleet.repeated == len(brief.loads)
    assert fleet.answers == before


async def test_what_was_on_the_way_when_the_node_died_is_sent_again(
    autojump_clock: trio.testing.MockClock, brief: City
) -> None:
    node = FakeNode()
    async with running(node, brief) as fleet:
        node.deaf = True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fleet.submit, brief.loads)
            await trio.testing.wait_all_tasks_blocked()
            assert not fleet.answers
            node.deaf = False
            node.cut()
    assert len(fleet.answers) == fleet.resent == len(brief.loads)


@pytest.mark.parametrize(
    ("result", "reason", "kept"),
    [
        ("posted", "", ""),
        ("refused", "below_floor", "below_floor"),
        ("conflict", "", "conflict"),
    ],
)
async def test_answers_keep_the_reason_and_a_conflict_is_one(
    autojump_clock: trio.testing.MockClock, brief: City, result: str, reason: str, kept: str
) -> None:
    node = FakeNode()
    node.result, node.reason = result, reason
    tap: Planned = brief.taps[0]
    async with running(node, brief) as fleet:
        await fleet.submit([tap])
    assert fleet.answers == {(tap.terminal, tap.counter): Answer(0, kept)}
