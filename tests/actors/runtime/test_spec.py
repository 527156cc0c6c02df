"""One life of a child, without a supervisor around it."""

from __future__ import annotations

import math

import pytest
import trio
from trio.testing import MockClock

from actors.runtime import ChildSpec, Ending, FatalFailure, Life, Restart, State, UnexpectedExit
from actors.runtime.spec import Start
from tests.actors.runtime.office import Planted

End = tuple[Ending, Exception | None]


async def quick(life: Life) -> None:
    life.ready()


async def lived(start: Start, restart: Restart = Restart.PERMANENT) -> tuple[Life, list[End]]:
    """Live once, with three seconds to start and two to stop, which comes after ten."""
    spec = ChildSpec("x", start, restart, start_timeout_s=3, shutdown_timeout_s=2)
    life = Life(spec, trio.Event(), lambda: None)
    ends: list[End] = []

    def ended(_life: Life, ending: Ending, failure: Exception | None) -> None:
        ends.append((ending, failure))
        life.enter(State.STOPPED)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(life.live, ended)
        await trio.sleep(10)
        life.stop()
    return life, ends


async def test_a_life_is_ready_once_and_only_in_time(autojump_clock: MockClock) -> None:
    async def late(life: Life) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(4)
        life.ready()
        assert life.state is State.STARTING
        await trio.sleep_forever()

    _, ((ending, failure),) = await lived(late)
    assert ending is Ending.CRASHED
    assert str(failure) == "not ready within 3 s"


async def test_who_was_told_to_stop_cannot_be_ready_any_more(autojump_clock: MockClock) -> None:
    spec = ChildSpec("x", quick, start_timeout_s=30, shutdown_timeout_s=2)
    life = Life(spec, trio.Event(), lambda: pytest.fail("nobody wants to know"))
    life.stop()
    gone_by_s = life.gone_by_s
    life.ready()
    assert life.state is State.STOPPING
    assert life.gone_by_s == gone_by_s == trio.current_time() + 2


async def test_telling_twice_gives_no_more_time(autojump_clock: MockClock) -> None:
    life = Life(ChildSpec("x", quick, shutdown_timeout_s=2), trio.Event(), lambda: None)
    life.ready()
    assert life.gone_by_s == math.inf
    life.stop()
    told_s, gone_by_s = life.since_s, life.gone_by_s
    await trio.sleep(1)
    life.stop()
    assert (life.since_s, life.gone_by_s) == (told_s, gone_by_s)


async def test_a_stop_after_the_end_changes_nothing(autojump_clock: MockClock) -> None:
    life, ((ending, failure),) = await lived(quick, Restart.TRANSIENT)
    assert (ending, failure, life.told) == (Ending.RETURNED, None, False)


async def test_returning_is_a_fault_of_a_permanent_child_alone(autojump_clock: MockClock) -> None:
    for restart in Restart:
        _, ((ending, failure),) = await lived(quick, restart)
        permanent = restart is Restart.PERMANENT
        assert isinstance(failure, UnexpectedExit) == permanent
        assert ending is (Ending.CRASHED if permanent else Ending.RETURNED)


async def test_a_lone_failure_is_taken_out_of_its_groups(autojump_clock: MockClock) -> None:
    alone = Planted()

    async def nested(_life: Life) -> None:
        raise ExceptionGroup("outer", [ExceptionGroup("inner", [alone])])

    async def two(_life: Life) -> None:
        raise ExceptionGroup("outer", [alone, ValueError()])

    assert (await lived(nested))[1] == [(Ending.CRASHED, alone)]
    ((_, failure),) = (await lived(two))[1]
    assert isinstance(failure, ExceptionGroup)
    assert len(failure.exceptions) == 2


def test_fatal_is_what_the_spec_says_and_what_was_fatal_below() -> None:
    below = FatalFailure("office", "x", ())
    for fatal, failure, expected in (
        ((), Planted(), False),
        ((), below, True),
        ((), ExceptionGroup("", [ExceptionGroup("", [below]), ValueError()]), True),
        ((OSError,), FileNotFoundError(), True),
        ((OSError,), ExceptionGroup("", [Planted()]), False),
    ):
        assert ChildSpec("x", quick, fatal=fatal).is_fatal(failure) is expected
