"""Bad lines: what they do to frames, and that nothing of the protocol is broken by that."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

import msgpack
import pytest
import trio

from bench import rough
from bench.rough import SMOOTH, RoughLines, RoughLink, Roughness, Tally, count_of
from terminals import wire
from terminals.errors import LinkLost
from terminals.link import Link
from terminals.messages import Outcomes, Ready

CREDITS = 100


class Wire:
    """A link of which one sees what was sent, and says what comes."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.say, self._comes = trio.open_memory_channel[bytes](100)

    async def send(self, payload: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self.sent.append(payload)

    async def receive(self) -> bytes:
        return await self._comes.receive()

    def counters(self) -> list[int]:
        frames = [msgpack.unpackb(each) for each in self.sent if count_of(each)]
        return [number for _, many in frames for number, *_ in many]


def frame(*counters: int) -> bytes:
    return wire.submit([wire.transaction(counter, 0, ["probe"]) for counter in counters])


def packed(*fields: object) -> bytes:
    return cast("bytes", msgpack.packb(fields))


def ready(credits_: int = CREDITS) -> bytes:
    return packed("ready", 1, 0, credits_, 20, 262_144, 500, [])


def outcome(*counters: int, repeated: bool = False) -> bytes:
    found = [[counter, "posted", 0, 1, repeated] for counter in counters]
    return packed("outcome", found, len(counters))


@asynccontextmanager
async def line(
    roughness: Roughness, tally: Tally, seed: int = 1, credits_: int = CREDITS
) -> AsyncIterator[tuple[RoughLink, Wire]]:
    below = Wire()
    link = RoughLink(below, random.Random(seed), roughness, tally)
    below.say.send_nowait(ready(credits_))
    await link.receive()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(link.release)
        yield link, below
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("count", [1, 15, 16, 500])
def test_transactions_of_a_frame_are_counted_without_reading_them(count: int) -> None:
    assert count_of(frame(*range(1, count + 1))) == count


async def test_a_node_seems_to_take_shorter_frames() -> None:
    below = Wire()
    link = RoughLink(below, random.Random(1), SMOOTH, Tally())
    below.say.send_nowait(ready())
    said = wire.decode(await link.receive())
    assert isinstance(said, Ready)
    assert (said.credits, said.transactions_per_frame_max) == (CREDITS, SMOOTH.frame_taps)


async def test_a_smooth_line_passes_all_on_as_it_is() -> None:
    tally, beat = Tally(), wire.heartbeat(1, 0)
    async with line(SMOOTH, tally) as (link, below):
        for payload in (frame(1), beat, frame(2, 3)):
            await link.send(payload)
        below.say.send_nowait(outcome(1))
        assert isinstance(wire.decode(await link.receive()), Outcomes)
        assert below.sent == [frame(1), beat, frame(2, 3)]
    assert (tally.frames, tally.taps, tally.repeated) == (2, 3, 0)


async def test_frames_come_twice_and_repeated_outcomes_are_counted() -> None:
    tally = Tally()
    async with line(Roughness(doubled=1.0, held=0.0, cut=0.0), tally) as (link, below):
        await link.send(frame(1, 2))
        below.say.send_nowait(outcome(1, 2, repeated=True))
        await link.receive()
        assert below.counters() == [1, 2, 1, 2]
    assert (tally.doubled, tally.repeated) == (1, 2)


async def test_the_next_frame_overtakes_one_that_is_held_back() -> None:
    tally = Tally()
    async with line(Roughness(doubled=0.0, held=1.0, cut=0.0), tally) as (link, below):
        await link.send(frame(1))
        await link.send(frame(2))
        assert below.counters() == [2, 1]
    assert tally.overtaken == 1


async def test_a_frame_that_nothing_comes_after_is_not_held_for_long(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with line(Roughness(doubled=0.0, held=1.0, cut=0.0), Tally()) as (link, below):
        await link.send(frame(1))
        assert below.sent == []
        await trio.sleep(2 * rough.HELD_S)
        assert below.counters() == [1]


async def test_a_frame_waits_until_there_are_credits_for_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with line(SMOOTH, Tally(), credits_=2) as (link, below):
        await link.send(frame(1, 2))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(link.send, frame(3))
            await trio.sleep(1)
            assert below.counters() == [1, 2]
            below.say.send_nowait(outcome(1))
            await link.receive()
        assert below.counters() == [1, 2, 3]


async def send_until_lost(link: RoughLink, frames: Sequence[bytes]) -> None:
    for payload in frames:
        await link.send(payload)


async def test_a_cut_line_is_lost_to_all_who_use_it() -> None:
    tally = Tally()
    cut = Roughness(doubled=0.0, held=0.0, cut=1.0, cut_after_max=3)
    async with line(cut, tally) as (link, below):
        async with trio.open_nursery() as nursery:

            async def hear() -> None:
                with pytest.raises(LinkLost):
                    await link.receive()

            nursery.start_soon(hear)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(LinkLost):
                await send_until_lost(link, [frame(number) for number in range(1, 5)])
        with pytest.raises(LinkLost):
            await link.send(wire.heartbeat(1, 0))
        with pytest.raises(LinkLost):
            await link.receive()
        assert tally.lost == len(below.counters()) > 0
    assert tally.cuts == 1


async def test_what_is_held_back_when_the_line_is_cut_is_lost_with_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    cut = Roughness(doubled=0.0, held=1.0, cut=1.0, cut_after_max=1)
    async with line(cut, Tally()) as (link, below):
        await link.send(frame(1))
        with pytest.raises(LinkLost):
            await link.send(frame(2))
        await trio.sleep(1)
        assert below.sent == []


async def test_each_line_of_a_terminal_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def connected(url: str) -> AsyncIterator[Link]:
        assert url == "ws://node"
        await trio.lowlevel.checkpoint()
        yield Wire()

    monkeypatch.setattr(rough, "websocket", connected)
    tally = Tally()
    lines = RoughLines(random.Random(1), SMOOTH, tally)
    for _ in range(2):
        async with lines.connect("ws://node") as link:
            await link.send(wire.heartbeat(1, 0))
    assert tally.connections == 2
