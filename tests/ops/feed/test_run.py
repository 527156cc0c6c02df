"""Following ends where the journal did, or when somebody says so, and never in the middle."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator
from functools import partial

import pytest
import trio
from trio.testing import MockClock

from ops.endings import LIKE_CTRL_C
from ops.feed.run import STOP_S, Stop, follow, until_told
from terminals.errors import NodeRefused, NodeUnreachable
from terminals.feed import Wanted
from terminals.messages import Feed
from tests.ops.feed.telling import Telling
from tests.storage.entries import entries
from tests.terminals.fake_node import FakeNode

STOPS = (signal.SIGINT, *LIKE_CTRL_C)


@pytest.fixture
async def node() -> AsyncIterator[FakeNode]:
    async with trio.open_nursery() as nursery:
        yield FakeNode(nursery)
        nursery.cancel_scope.cancel()


@pytest.fixture(autouse=True)
def _signals_as_in_a_terminal() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in STOPS}
    for number in STOPS:
        signal.signal(number, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Taker:
    """Takes messages, and remembers the positions."""

    def __init__(self) -> None:
        self.positions: list[int] = []
        self.takes_s = 0.0
        self.done = 0

    async def take(self, message: Feed) -> None:
        self.positions += [entry.position for entry in message.entries]
        await trio.sleep(self.takes_s)
        self.done += 1


async def test_it_ends_where_the_journal_ended_when_it_began(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    telling, taker = Telling(node, entries(0, 95)), Taker()

    async def take(message: Feed) -> None:
        await taker.take(message)
        if message.next == 50:
            telling.add(entries(95, 100))

    await follow(telling.source, Wanted(7), take, Stop(), for_ever=False)
    assert taker.positions[:88] == [*range(7, 95)]
    assert taker.positions[-1] < 110


async def test_an_empty_journal_is_at_its_end(node: FakeNode, autojump_clock: MockClock) -> None:
    taker = Taker()
    await follow(Telling(node, []).source, Wanted(), taker.take, Stop(), for_ever=False)
    await follow(Telling(node, []).source, Wanted(9), taker.take, Stop(), for_ever=False)
    assert taker.positions == []


async def test_for_ever_it_goes_on_until_it_is_told_to_stop(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    telling, taker, stop = Telling(node, entries(0, 5)), Taker(), Stop()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            partial(follow, telling.source, Wanted(), taker.take, stop, for_ever=True)
        )
        for first in (5, 10, 15):
            await trio.sleep(10)
            telling.add(entries(first, 5))
        await trio.sleep(10)
        stop.ask()
    assert taker.positions == [*range(20)]


async def test_a_stop_lets_what_has_begun_come_to_its_end(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    telling, taker, stop = Telling(node, entries(0, 50)), Taker(), Stop()
    taker.takes_s = STOP_S / 2
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            partial(follow, telling.source, Wanted(), taker.take, stop, for_ever=True)
        )
        await trio.sleep(STOP_S * 0.6)
        stop.ask()
    assert (taker.positions, taker.done) == ([*range(20)], 2)


async def test_a_stop_does_not_wait_for_what_never_ends(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    telling, taker, stop = Telling(node, entries(0, 50)), Taker(), Stop()
    taker.takes_s = 10**6
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            partial(follow, telling.source, Wanted(), taker.take, stop, for_ever=True)
        )
        await trio.sleep(5)
        stop.ask()
    assert taker.done == 0
    assert trio.current_time() < 5 + STOP_S + 1


async def test_after_a_stop_nothing_new_begins(node: FakeNode, autojump_clock: MockClock) -> None:
    telling, taker, stop = Telling(node, entries(0, 50)), Taker(), Stop()
    stop.ask()
    await follow(telling.source, Wanted(), taker.take, stop, for_ever=True)
    assert taker.done == 0

    async def never() -> None:
        await trio.sleep_forever()

    assert not await stop.finish(never())


async def test_once_a_node_is_given_up_and_for_ever_it_is_not(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    telling, taker = Telling(node, entries(0, 5)), Taker()
    node.refusals = 10**6
    with pytest.raises(NodeUnreachable):
        await follow(telling.source, Wanted(), taker.take, Stop(), for_ever=False)
    with trio.move_on_after(100_000):
        await follow(telling.source, Wanted(), taker.take, Stop(), for_ever=True)
    assert taker.done == 0
    node.refusals = 0
    await follow(telling.source, Wanted(), taker.take, Stop(), for_ever=False)
    assert taker.positions == [*range(5)]


@pytest.mark.parametrize("number", STOPS)
async def test_signals_are_a_wish_to_stop(number: signal.Signals) -> None:
    asked: list[bool] = []

    async def run(stop: Stop) -> None:
        os.kill(os.getpid(), number)
        with trio.fail_after(10):
            while not stop.asked:  # noqa: ASYNC110 - there is no event to wait for
                await trio.sleep(0.01)
        asked.append(stop.asked)

    await until_told(run)
    assert asked == [True]


async def test_ctrl_c_counts_in_the_background_too() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    await test_signals_are_a_wish_to_stop(signal.SIGINT)


async def test_a_signal_that_was_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    async def run(stop: Stop) -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        await trio.sleep(0.05)
        assert not stop.asked

    await until_told(run)


@pytest.mark.parametrize("failure", [NodeRefused("no", "", "no"), BrokenPipeError()])
async def test_a_failure_comes_as_it_is(failure: Exception) -> None:
    async def run(_stop: Stop) -> None:
        raise failure

    with pytest.raises(type(failure)) as caught:
        await until_told(run)
    assert caught.value is failure
