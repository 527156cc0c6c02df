"""What a watch tells of the real service, its readers and the cards on them."""

from __future__ import annotations

import re
import signal

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

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
from terminals.pcsc.watch import (
    ReaderChoice,
    ReaderWatch,
    every_reader,
    matching,
    named,
    starting_with,
)
from tests.readers.pcsc_stack import PcscStack, need_stack
from tests.readers.slots import PresentedCard, echo

WAIT_S_MAX = 20.0
NO_ATR = b"\x3b" + bytes(50)
"""Longer than any ATR can be: the driver does not take it, and the card counts as mute."""


async def heard(events: trio.MemoryReceiveChannel[ReaderEvent], count: int) -> list[ReaderEvent]:
    told: list[ReaderEvent] = []
    with trio.fail_after(WAIT_S_MAX):
        while len(told) < count:
            told.append(await events.receive())
    return told


async def test_readers_appear_and_cards_come_and_go(stack: PcscStack) -> None:
    async with ReaderWatch(stack.establish).open() as events:
        assert await heard(events, 4) == [ReaderAppeared(each) for each in stack.readers]
        card = stack.insert(2, echo)
        assert await heard(events, 1) == [CardInserted(stack.readers[2], PresentedCard.ATR)]
        card.take_out()
        assert await heard(events, 1) == [CardRemoved(stack.readers[2])]


async def test_a_card_that_lies_there_at_the_beginning_is_told_of(stack: PcscStack) -> None:
    stack.insert(0, echo)
    async with ReaderWatch(stack.establish, named(stack.readers[0])).open() as events:
        told = await heard(events, 2)
    assert told == [
        ReaderAppeared(stack.readers[0]),
        CardInserted(stack.readers[0], PresentedCard.ATR),
    ]


async def test_cards_on_four_readers_at_once_are_all_told_of(stack: PcscStack) -> None:
    async with ReaderWatch(stack.establish).open() as events:
        await heard(events, 4)
        for slot in range(4):
            stack.insert(slot, echo, bytes.fromhex("3B8180018080"))
        told = await heard(events, 4)
    assert set(told) == {CardInserted(each, PresentedCard.ATR) for each in stack.readers}


async def test_what_does_not_answer_is_told_of_as_mute_and_the_next_card_is_not(
    stack: PcscStack,
) -> None:
    reader = stack.readers[1]
    async with ReaderWatch(stack.establish, named(reader)).open() as events:
        await heard(events, 1)
        mute = stack.insert(1, echo, NO_ATR)
        assert await heard(events, 1) == [MuteCardInserted(reader)]
        mute.take_out()
        assert await heard(events, 1) == [CardRemoved(reader)]
        stack.insert(1, echo)
        assert await heard(events, 1) == [CardInserted(reader, PresentedCard.ATR)]


async def test_a_card_that_never_tells_its_atr_keeps_nobody_else_waiting(stack: PcscStack) -> None:
    async with ReaderWatch(stack.establish).open() as events:
        await heard(events, 4)
        stack.insert(0, echo, None)
        stack.insert(1, echo)
        stack.insert(2, echo)
        told = await heard(events, 2)
    assert {event.reader for event in told if isinstance(event, CardInserted)} == {
        *stack.readers[1:3]
    }


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_a_service_that_is_started_anew_is_found_again_with_its_readers(
    stack: PcscStack, how: signal.Signals
) -> None:
    reader = stack.readers[0]
    stack.insert(0, echo)
    async with ReaderWatch(stack.establish, named(reader), retry_s=0.01).open() as events:
        await heard(events, 2)
        stack.halt(how)
        *gone, lost = await heard(events, 3)
        assert gone == [CardRemoved(reader), ReaderVanished(reader)]
        assert isinstance(lost, ServiceLost)
        stack.restart()
        assert await heard(events, 2) == [ServiceBack(), ReaderAppeared(reader)]
        stack.insert(0, echo)
        assert await heard(events, 1) == [CardInserted(reader, PresentedCard.ATR)]


async def test_a_watch_may_begin_before_the_service(stack: PcscStack) -> None:
    stack.halt()
    watch = ReaderWatch(stack.establish, starting_with("Gate 0"), retry_s=0.01)
    async with watch.open() as events:
        assert isinstance((await heard(events, 1))[0], ServiceLost)
        stack.restart()
        assert await heard(events, 3) == [
            ServiceBack(),
            *(ReaderAppeared(each) for each in stack.readers[:2]),
        ]


async def test_only_chosen_readers_are_watched(stack: PcscStack) -> None:
    chosen = matching(re.compile(r"^Gate 1 .* 01$"))
    async with ReaderWatch(stack.establish, chosen).open() as events:
        assert await heard(events, 1) == [ReaderAppeared(stack.readers[3])]
        stack.insert(2, echo)
        stack.insert(3, echo)
        assert await heard(events, 1) == [CardInserted(stack.readers[3], PresentedCard.ATR)]


@pytest.mark.parametrize("chosen", [every_reader, named()])
async def test_a_service_without_readers_is_no_error(chosen: ReaderChoice) -> None:
    need_stack()
    stack = PcscStack(0)
    try:
        stack.start()
        async with ReaderWatch(stack.establish, chosen).open() as events:
            await wait_all_tasks_blocked(0.05)
            with pytest.raises(trio.WouldBlock):
                events.receive_nowait()
    finally:
        stack.stop()


async def test_a_watch_ends_when_it_is_told_to_though_nothing_happens(stack: PcscStack) -> None:
    for _ in range(20):
        with trio.fail_after(WAIT_S_MAX):
            async with ReaderWatch(stack.establish).open() as events:
                await heard(events, 4)


async def test_a_watch_of_a_service_that_is_frozen_ends_too(stack: PcscStack) -> None:
    with trio.fail_after(WAIT_S_MAX):
        async with ReaderWatch(stack.establish).open() as events:
            await heard(events, 4)
            go_on = stack.freeze()
    go_on()
