"""Blocking calls in threads: their results, and what becomes of them when nobody waits."""

from __future__ import annotations

import threading

import pytest
import trio
from trio.testing import MockClock

from terminals.pcsc.threads import ThreadCall, call

WAIT_S_MAX = 10.0


async def test_a_call_returns_what_the_function_does_in_a_thread_of_that_name() -> None:
    name = await call(lambda: threading.current_thread().name, "a name", bound_s=1)
    assert name == "a name"


async def test_a_call_raises_what_the_function_does() -> None:
    def fail() -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await call(fail, "fails", bound_s=1)


async def test_a_cancelled_call_is_interrupted_until_that_has_an_effect() -> None:
    """The first interruption comes before the function listens, and is lost."""
    stop, asked = threading.Event(), 0

    def interrupt() -> None:
        nonlocal asked
        asked += 1
        if asked > 2:
            stop.set()

    with trio.CancelScope() as scope:
        scope.cancel()
        await call(lambda: stop.wait(WAIT_S_MAX), "waits", bound_s=2, interrupt=interrupt)
    assert scope.cancelled_caught
    assert asked == 3


async def test_an_interruption_that_blocks_itself_is_not_repeated(
    autojump_clock: MockClock,
) -> None:
    stop, begun, asked = threading.Event(), threading.Event(), []

    def interrupt() -> None:
        asked.append(1)
        begun.set()
        stop.wait(WAIT_S_MAX)

    with trio.move_on_after(0) as scope:
        await call(lambda: stop.wait(WAIT_S_MAX), "waits", bound_s=2, interrupt=interrupt)
    assert scope.cancelled_caught
    assert await trio.to_thread.run_sync(begun.wait, WAIT_S_MAX)
    assert len(asked) == 1
    stop.set()


async def test_a_call_that_does_not_come_back_is_left_alone_after_its_bound(
    autojump_clock: MockClock,
) -> None:
    stop = threading.Event()
    begun_s = trio.current_time()
    with trio.move_on_after(1):
        await call(lambda: stop.wait(WAIT_S_MAX), "waits", bound_s=2)
    assert trio.current_time() == begun_s + 3
    stop.set()


async def test_a_call_tells_its_end_before_its_result_is_taken() -> None:
    told: list[bool] = []
    running: ThreadCall[int] = ThreadCall(lambda: 7, "seven", lambda: told.append(True))
    assert not running.done.is_set()
    await running.done.wait()
    assert told == [True]
    assert running.result() == 7


def test_a_thread_that_outlives_the_run_ends_in_silence() -> None:
    stop, threads = threading.Event(), list[threading.Thread]()

    def wait() -> None:
        threads.append(threading.current_thread())
        stop.wait(WAIT_S_MAX)

    async def leave() -> None:
        ThreadCall(wait, "outlives")
        await trio.lowlevel.checkpoint()

    trio.run(leave)
    stop.set()
