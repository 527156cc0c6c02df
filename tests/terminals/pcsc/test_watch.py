"""What a watch tells of readers that come and go, and of a service that does."""

from __future__ import annotations

import re
import threading

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from terminals.pcsc.events import (
    CardInserted,
    CardRemoved,
    MuteCardInserted,
    ReaderAppeared,
    ReaderEvent,
    ReaderVanished,
    ServiceBack,
    ServiceLost,
)
from terminals.pcsc.service import READERS_MAX
from terminals.pcsc.watch import (
    EVENTS_MAX,
    RELEASE_S,
    STOP_S,
    ReaderChoice,
    ReaderWatch,
    every_reader,
    matching,
    named,
    starting_with,
)
from tests.terminals.pcsc.fake_service import ATR, WAIT_S_MAX, FakeContext, FakeService

Events = trio.MemoryReceiveChannel[ReaderEvent]


async def heard(events: Events, count: int) -> list[ReaderEvent]:
    told: list[ReaderEvent] = []
    with trio.fail_after(WAIT_S_MAX):
        while len(told) < count:
            told.append(await events.receive())
    return told


async def test_readers_and_cards_are_told_of_as_they_come_and_go() -> None:
    service = FakeService("A")
    async with ReaderWatch(service.establish).open() as events:
        assert await heard(events, 1) == [ReaderAppeared("A")]
        service.insert("A")
        assert await heard(events, 1) == [CardInserted("A", ATR)]
        service.plug("B")
        assert await heard(events, 1) == [ReaderAppeared("B")]
        service.insert("B", mute=True)
        assert await heard(events, 1) == [MuteCardInserted("B")]
        service.unplug("A")
        assert await heard(events, 2) == [CardRemoved("A"), ReaderVanished("A")]
        service.lose_sight("B")
        assert await heard(events, 2) == [CardRemoved("B"), ReaderVanished("B")]
    assert not service.open_contexts


async def test_a_service_that_is_lost_is_looked_for_until_it_is_back() -> None:
    service = FakeService("A")
    service.insert("A")
    async with ReaderWatch(service.establish, retry_s=0.001).open() as events:
        await heard(events, 2)
        service.stop()
        assert await heard(events, 3) == [
            CardRemoved("A"),
            ReaderVanished("A"),
            ServiceLost("the service is gone"),
        ]
        await trio.sleep(0.01)
        service.start()
        assert await heard(events, 3) == [
            ServiceBack(),
            ReaderAppeared("A"),
            CardInserted("A", ATR),
        ]
    assert not service.open_contexts


async def test_a_service_that_is_missing_at_the_beginning_is_told_of_once() -> None:
    service = FakeService("A")
    service.stop()
    async with ReaderWatch(service.establish, retry_s=0.001).open() as events:
        assert await heard(events, 1) == [ServiceLost("no service")]
        service.start()
        assert await heard(events, 2) == [ServiceBack(), ReaderAppeared("A")]


async def test_the_first_readers_by_name_are_watched_when_there_are_too_many() -> None:
    names = [f"{number:02}" for number in range(READERS_MAX + 3)]
    service = FakeService(*reversed(names))
    async with ReaderWatch(service.establish).open() as events:
        assert await heard(events, READERS_MAX) == [
            ReaderAppeared(name) for name in names[:READERS_MAX]
        ]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (every_reader, ["Gate 1", "Gate 2", "Till"]),
        (named("Till", "Gate 2"), ["Gate 2", "Till"]),
        (starting_with("Gate"), ["Gate 1", "Gate 2"]),
        (matching(re.compile("[2l]$")), ["Gate 2", "Till"]),
    ],
)
async def test_only_chosen_readers_are_watched(chosen: ReaderChoice, expected: list[str]) -> None:
    service = FakeService("Gate 1", "Gate 2", "Till")
    async with ReaderWatch(service.establish, chosen).open() as events:
        assert await heard(events, len(expected)) == [ReaderAppeared(each) for each in expected]


async def test_what_nobody_hears_waits_and_the_end_of_it_is_told_right() -> None:
    service, pause = FakeService("A"), threading.Event()
    async with ReaderWatch(service.establish).open() as events:
        await heard(events, 1)
        for _ in range(EVENTS_MAX):
            service.insert("A")
            await trio.to_thread.run_sync(pause.wait, 0.001)
            service.remove("A")
        service.insert("A")
        service.insert("A", mute=True)
        last: ReaderEvent | None = None
        with trio.fail_after(WAIT_S_MAX):
            while last != MuteCardInserted("A"):
                last = await events.receive()


async def test_a_watch_of_a_frozen_service_ends_within_its_bound(autojump_clock: MockClock) -> None:
    service = FakeService("A")
    service.frozen = True
    async with ReaderWatch(service.establish).open() as events:
        await events.receive()
        ended_s = trio.current_time()
    assert trio.current_time() <= ended_s + STOP_S + RELEASE_S
    service.stop()


async def test_a_context_that_comes_while_the_watch_ends_is_released() -> None:
    service, go = FakeService("A"), threading.Event()

    def slowly() -> FakeContext:
        assert go.wait(WAIT_S_MAX)
        return service.establish()

    async with ReaderWatch(slowly).open():
        await wait_all_tasks_blocked()
        go.set()
    assert not service.open_contexts
