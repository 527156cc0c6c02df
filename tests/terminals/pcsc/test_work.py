"""The work with one card: its thread, its end in any case, and readers that do not come back."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from terminals.errors import CardGone, CardMute, ReaderFailed, WorkStopped
from terminals.pcsc.card_link import CardLink
from terminals.pcsc.service import Leaving
from terminals.pcsc.work import CardWorkers
from tests.terminals.pcsc.fake_service import WAIT_S_MAX, FakeService

PATIENCE_S = 5.0


class Held:
    """A card that answers when it is let go.

    Attributes:
      asked: how many commands it was sent.
    """

    def __init__(self) -> None:
        self.asked = 0
        self.go = threading.Event()
        self.begun = threading.Event()

    def __call__(self, _command: bytes) -> bytes:
        self.asked += 1
        self.begun.set()
        assert self.go.wait(WAIT_S_MAX)
        return b"\x90\x00"

    async def is_asked(self) -> None:
        assert await trio.to_thread.run_sync(self.begun.wait, WAIT_S_MAX)

    async def goes_on_after(self, scope: trio.CancelScope) -> None:
        """Cancel, and answer once everybody knows of it."""
        scope.cancel()
        with trio.CancelScope(shield=True):
            await wait_all_tasks_blocked()
        self.go.set()


def once(link: CardLink) -> bytes:
    return link.transmit(b"\x80\x01\x00\x00")


def twice(link: CardLink) -> bytes:
    once(link)
    return once(link)


async def lose_patience(clock: MockClock) -> None:
    """Let the patience pass twice: after the first time there may have been steps in between."""
    await wait_all_tasks_blocked()
    for _ in range(2):
        clock.jump(PATIENCE_S)
        await wait_all_tasks_blocked()


async def until(true: Callable[[], bool]) -> None:
    """Wait for what a thread does, and for some seconds at most."""
    pause = threading.Event()
    for _ in range(10_000):
        if true():
            return
        await trio.to_thread.run_sync(pause.wait, 0.001)
    raise AssertionError("a thread does not come back")


@pytest.mark.parametrize("leaving", Leaving)
async def test_a_work_returns_its_result_and_leaves_the_card_as_it_was_told(
    leaving: Leaving,
) -> None:
    service = FakeService("A")
    service.insert("A")
    assert await CardWorkers(service.establish).run("A", twice, leaving) == b"\x90\x00"
    assert service.left == [leaving]
    assert not service.open_contexts


async def test_a_work_that_fails_resets_the_card() -> None:
    def fail(_link: CardLink) -> None:
        raise KeyError("mine")

    service = FakeService("A")
    service.insert("A")
    with pytest.raises(KeyError, match="mine"):
        await CardWorkers(service.establish).run("A", fail)
    assert service.left == [Leaving.RESET]
    assert not service.open_contexts


async def test_a_card_that_is_not_there_is_not_worked_with() -> None:
    service = FakeService("A", "B")
    service.insert("B", mute=True)
    workers = CardWorkers(service.establish)
    with pytest.raises(CardGone):
        await workers.run("A", once)
    with pytest.raises(CardMute):
        await workers.run("B", once)
    with pytest.raises(ReaderFailed):
        await workers.run("C", once)
    service.stop()
    with pytest.raises(ReaderFailed):
        await workers.run("A", once)
    assert not service.open_contexts


async def test_works_on_one_reader_come_one_after_the_other() -> None:
    service, together, most = FakeService("A"), 0, 0

    def count(_command: bytes) -> bytes:
        nonlocal together, most
        together += 1
        most = max(most, together)
        together -= 1
        return b"\x90\x00"

    service.insert("A", count)
    workers = CardWorkers(service.establish)
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(workers.run, "A", twice)
    assert most == 1


async def test_a_cancelled_work_ends_before_its_next_command() -> None:
    service, held = FakeService("A"), Held()
    service.insert("A", held)
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(CardWorkers(service.establish).run, "A", twice)
            await held.is_asked()
            await held.goes_on_after(scope)
    assert scope.cancelled_caught
    assert held.asked == 1
    assert service.left == [Leaving.RESET]
    assert not service.open_contexts


async def test_a_result_that_is_there_when_a_work_is_cancelled_is_returned() -> None:
    service, held, results = FakeService("A"), Held(), []
    service.insert("A", held)

    async def work() -> None:
        results.append(await CardWorkers(service.establish).run("A", once))

    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work)
            await held.is_asked()
            await held.goes_on_after(scope)
    assert results == [b"\x90\x00"]


async def test_a_work_may_make_something_of_being_stopped() -> None:
    def persist(link: CardLink) -> str:
        once(link)
        with pytest.raises(WorkStopped):
            once(link)
        return "half"

    service, held, results = FakeService("A"), Held(), []
    service.insert("A", held)

    async def work() -> None:
        results.append(await CardWorkers(service.establish).run("A", persist))

    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work)
            await held.is_asked()
            await held.goes_on_after(scope)
    assert results == ["half"]


async def test_a_reader_that_hangs_is_given_up_until_its_thread_comes_back(
    mock_clock: MockClock,
) -> None:
    service, held = FakeService("A"), Held()
    service.insert("A", held)
    workers = CardWorkers(service.establish, patience_s=PATIENCE_S)

    async def work() -> None:
        with pytest.raises(ReaderFailed, match="A has done nothing for 5 s"):
            await workers.run("A", twice)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
        await held.is_asked()
        await lose_patience(mock_clock)
    assert workers.hung == {"A"}
    with pytest.raises(ReaderFailed, match="has not come back"):
        await workers.run("A", once)
    held.go.set()
    await until(lambda: not workers.hung)
    assert held.asked == 1, "what was given up sends nothing more"
    assert not service.open_contexts


async def test_whoever_waits_for_a_reader_that_hangs_does_not_wait_for_ever(
    autojump_clock: MockClock,
) -> None:
    service, held, said = FakeService("A"), Held(), list[str]()
    service.insert("A", held)
    workers = CardWorkers(service.establish, patience_s=PATIENCE_S)

    async def work() -> None:
        with pytest.raises(ReaderFailed) as caught:
            await workers.run("A", once)
        said.append(str(caught.value))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
        nursery.start_soon(work)
    assert any("busy" in each for each in said)
    held.go.set()


async def test_a_work_that_goes_on_step_by_step_is_waited_for(mock_clock: MockClock) -> None:
    """It takes ten times the patience, and none of its steps does."""
    service, asked, go = FakeService("A"), threading.Semaphore(0), threading.Semaphore(0)

    def step_by_step(_command: bytes) -> bytes:
        asked.release()
        assert go.acquire(timeout=WAIT_S_MAX)
        return b"\x90\x00"

    def often(link: CardLink) -> None:
        for _ in range(10):
            once(link)

    service.insert("A", step_by_step)
    workers = CardWorkers(service.establish, patience_s=PATIENCE_S)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(workers.run, "A", often)
        for _ in range(10):
            assert await trio.to_thread.run_sync(lambda: asked.acquire(timeout=WAIT_S_MAX))
            mock_clock.jump(PATIENCE_S)
            await wait_all_tasks_blocked()
            go.release()
    assert not workers.hung


async def test_a_work_that_was_cancelled_and_hangs_is_given_up_too(mock_clock: MockClock) -> None:
    service, held, scope = FakeService("A"), Held(), trio.CancelScope()
    service.insert("A", held)
    workers = CardWorkers(service.establish, patience_s=PATIENCE_S)

    async def work() -> None:
        with pytest.raises(ReaderFailed, match="done nothing"), scope:
            await workers.run("A", once)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
        await held.is_asked()
        scope.cancel()
        await lose_patience(mock_clock)
    assert workers.hung == {"A"}
    held.go.set()
    await until(lambda: not workers.hung)
