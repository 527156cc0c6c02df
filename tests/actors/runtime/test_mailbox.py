"""A mailbox is bounded, sheds the lesser classes first, and never loses what it took."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from actors.runtime import Bug, Busy, Mailbox, MailboxClosed, Why

TAP, QUERY = "tap", "query"


class Clock:
    """Seconds, set by hand."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.s


def small(clock: Clock | None = None) -> Mailbox[int, str]:
    return Mailbox({TAP: 4, QUERY: 2}, clock=clock or Clock())


def test_queries_are_shed_before_taps_and_both_before_it_overflows() -> None:
    box = small()
    assert [box.put_nowait(n, QUERY) for n in range(2)] == [None, None]
    shed = box.put_nowait(2, QUERY)
    assert shed is not None
    assert shed.why is Why.SHED
    assert [box.put_nowait(n, TAP) for n in (3, 4)] == [None, None]
    full = box.put_nowait(5, TAP)
    assert full is not None
    assert full.why is Why.FULL
    trace = box.trace()
    assert (trace.depth, trace.depth_max, trace.accepted, trace.refused) == (4, 4, 4, 2)


def test_who_is_refused_is_told_to_come_again_when_the_queue_has_moved() -> None:
    clock = Clock()
    box = small(clock)
    for number in range(4):
        box.put_nowait(number, TAP)
    assert box.put_nowait(9, TAP) == Busy(Why.FULL, 50)
    clock.s = 1.5
    assert box.oldest_age_s == 1.5
    assert box.put_nowait(9, TAP) == Busy(Why.FULL, 1_500)
    clock.s = 100
    assert box.put_nowait(9, TAP) == Busy(Why.FULL, 5_000)


def test_an_empty_mailbox_has_no_age() -> None:
    assert small().oldest_age_s == 0


def test_a_class_that_is_never_taken_is_a_mistake() -> None:
    with pytest.raises(Bug):
        Mailbox[int, str]({TAP: 0})
    with pytest.raises(Bug):
        Mailbox[int, str]({})


async def test_messages_come_in_the_order_they_were_put() -> None:
    box = small()
    got: list[int] = []

    async def read_all() -> None:
        while True:
            got.append(await box.get())

    async def reader() -> None:
        with pytest.raises(MailboxClosed):
            await read_all()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader)
        await trio.testing.wait_all_tasks_blocked()
        for number in range(3):
            box.put_nowait(number, TAP)
        await trio.testing.wait_all_tasks_blocked()
        box.close()
    assert got == [0, 1, 2]


async def test_a_batch_takes_what_is_there_and_no_more_than_asked_for() -> None:
    box = small()
    for number in range(4):
        box.put_nowait(number, TAP)
    assert await box.get_batch(3) == [0, 1, 2]
    assert await box.get_batch(3) == [3]


async def test_a_cancelled_reader_has_taken_nothing() -> None:
    box = small()
    with trio.move_on_after(0) as scope:
        await box.get()
    assert scope.cancelled_caught
    box.put_nowait(7, TAP)
    with trio.CancelScope() as cancelled:
        cancelled.cancel()
        await box.get()
    assert len(box) == 1
    assert await box.get() == 7


async def test_closing_hands_back_every_message_and_refuses_new_ones() -> None:
    box = small()
    for number in range(4):
        box.put_nowait(number, TAP)
    assert box.close() == [0, 1, 2, 3]
    assert box.close() == []
    refused = box.put_nowait(5, TAP)
    assert refused is not None
    assert refused.why is Why.CLOSED
    with pytest.raises(MailboxClosed):
        await box.get()


@given(st.lists(st.sampled_from([TAP, QUERY, "get"]), max_size=60))
def test_it_is_a_bounded_queue_whatever_is_done(steps: list[str]) -> None:
    box, model = small(), list[int]()
    taken = list[int]()
    for number, step in enumerate(steps):
        if step == "get":
            if model:
                taken.append(model.pop(0))
                assert trio.run(box.get) == taken[-1]
            continue
        room = len(model) < (4 if step == TAP else 2)
        assert (box.put_nowait(number, step) is None) == room
        if room:
            model.append(number)
        assert len(box) == len(model) <= 4
    assert box.close() == model
