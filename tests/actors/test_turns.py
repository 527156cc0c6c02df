"""Turns: who may work when, and for how long."""

from __future__ import annotations

from contextlib import suppress

import pytest
import trio
import trio.testing

from actors import limits
from actors.turns import Breath, Turns


async def test_a_breath_is_taken_only_when_it_is_time(mock_clock: trio.testing.MockClock) -> None:
    breath = Breath()
    with trio.testing.assert_no_checkpoints():
        await breath.take()
    mock_clock.jump(limits.TURN_S)
    with trio.testing.assert_checkpoints():
        await breath.take()
    with trio.testing.assert_no_checkpoints():
        await breath.take()


async def work(turns: Turns, clock: trio.testing.MockClock, seconds: float) -> float:
    """Work for so long; return when it began."""
    async with turns.turn():
        began_s = trio.current_time()
        clock.jump(seconds)
    return began_s


async def test_all_work_together_has_its_share_of_each_period(
    autojump_clock: trio.testing.MockClock,
) -> None:
    turns = Turns(2.0, 5.0)
    began = [await work(turns, autojump_clock, 1.0) for _ in range(5)]
    assert began == pytest.approx([0.0, 1.0, 5.0, 6.0, 10.0])


async def test_what_takes_too_long_is_taken_off_later_periods(
    autojump_clock: trio.testing.MockClock,
) -> None:
    turns = Turns(2.0, 5.0)
    assert await work(turns, autojump_clock, 7.0) == 0.0
    # Five seconds too long: two periods pay four of them, and the third is left one.
    assert await work(turns, autojump_clock, 0.0) == pytest.approx(17.0)


async def test_what_is_not_used_is_not_saved_up(autojump_clock: trio.testing.MockClock) -> None:
    turns = Turns(2.0, 5.0)
    await trio.sleep(1_000)
    assert await work(turns, autojump_clock, 2.0) == pytest.approx(1_000.0)
    assert await work(turns, autojump_clock, 2.0) == pytest.approx(1_005.0)


async def test_turns_are_given_in_the_order_they_were_asked_for(
    autojump_clock: trio.testing.MockClock,
) -> None:
    turns = Turns(1.0, 10.0)
    order: list[int] = []

    async def ask(number: int) -> None:
        await work(turns, autojump_clock, 1.0)
        order.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(ask, number)
            await trio.testing.wait_all_tasks_blocked()
    assert order == list(range(5))


async def test_who_is_cancelled_in_the_queue_holds_up_nobody(
    autojump_clock: trio.testing.MockClock,
) -> None:
    turns = Turns(1.0, 10.0)
    await work(turns, autojump_clock, 1.0)
    with trio.move_on_after(2):
        await work(turns, autojump_clock, 1.0)
    assert await work(turns, autojump_clock, 1.0) == pytest.approx(10.0)


async def test_work_that_fails_is_counted_as_well(autojump_clock: trio.testing.MockClock) -> None:
    turns = Turns(1.0, 10.0)
    with suppress(ValueError):
        async with turns.turn():
            autojump_clock.jump(1.0)
            raise ValueError("planted")
    assert await work(turns, autojump_clock, 0.0) == pytest.approx(10.0)
