"""Blocks become durable one after the other, and a disk without room loses nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest
import trio
import trio.testing

from actors import limits
from actors.checkpointer import Checkpointer
from actors.committer import Committer
from actors.errors import ShardBroken
from actors.runtime import ChildSpec, Life
from actors.seams import in_thread
from actors.shard import Shard
from protocol.errors import BusyReason
from storage.errors import StorageFailed, StorageFull
from storage.shard_store import ShardStore
from storage.views import Checkpoint
from tests.actors.world import Clock, Disk, Sender, on_the_spot, tap

T = TypeVar("T")


def a_life() -> Life:
    async def nothing(_life: Life) -> None:
        """Do nothing: only the life is wanted."""

    return Life(ChildSpec("child", nothing), trio.Event(), lambda: None)


class Gate:
    """Runs calls on the spot, but only when it is opened."""

    def __init__(self) -> None:
        self.calls = 0
        self.open = trio.Event()

    async def __call__(self, call: Callable[[], T], /) -> T:
        self.calls += 1
        await self.open.wait()
        return call()


async def test_while_a_block_is_written_the_next_one_fills(shard: Shard, sender: Sender) -> None:
    gate, life = Gate(), a_life()
    committer = Committer(shard, offload=gate, report=pytest.fail)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(committer.run, life)
        shard.submit(sender, "GATE-1", [tap(1)])
        await trio.testing.wait_all_tasks_blocked()
        for counter in range(2, 12):
            shard.submit(sender, "GATE-1", [tap(counter, 0)])
        assert sender.outcomes == []
        gate.open.set()
        await shard.wait_durable(shard.book.position)
        life.stopping.set()
    assert (committer.blocks, gate.calls) == (2, 2)
    assert [outcome.counter for outcome in sender.outcomes] == list(range(1, 12))


async def test_a_stop_waits_for_what_was_taken(shard: Shard, sender: Sender) -> None:
    life = a_life()
    shard.submit(sender, "GATE-1", [tap(1)])
    life.stopping.set()
    await Committer(shard, offload=in_thread, report=pytest.fail).run(life)
    assert [outcome.result for outcome in sender.outcomes] == ["posted"]


async def test_a_full_disk_stops_transactions_loses_nothing_and_ends(
    disk: Disk, shard: Shard, sender: Sender, autojump_clock: trio.testing.MockClock
) -> None:
    said: list[str] = []
    life = a_life()
    committer = Committer(shard, offload=on_the_spot, report=said.append)
    disk.journal.fail_next(StorageFull("no room"), times=5)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(committer.run, life)
        shard.submit(sender, "GATE-1", [tap(1)])
        await trio.sleep(limits.FULL_DISK_POLL_S * 2)
        (turned_away,) = shard.submit(sender, "GATE-1", [tap(2)])
        assert (turned_away.result, turned_away.reason) == ("busy", BusyReason.STORAGE_FULL)
        assert sender.outcomes == []
        await shard.wait_durable(shard.book.position)
        assert shard.submit(sender, "GATE-1", [tap(2)]) == []
        life.stopping.set()
    assert [outcome.balance_rp for outcome in sender.outcomes] == [96_500, 93_000]
    assert len(said) == 2
    assert trio.current_time() >= 5 * limits.FULL_DISK_POLL_S


async def test_a_stop_does_not_wait_for_room(
    disk: Disk, shard: Shard, sender: Sender, autojump_clock: trio.testing.MockClock
) -> None:
    said: list[str] = []
    life = a_life()
    disk.journal.fail_next(StorageFull("no room"), times=100)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Committer(shard, offload=on_the_spot, report=said.append).run, life)
        nursery.start_soon(Checkpointer(shard, offload=on_the_spot, report=pytest.fail).run, life)
        shard.submit(sender, "GATE-1", [tap(1)])
        await trio.sleep(10)
        life.stopping.set()
    assert trio.current_time() == pytest.approx(10)
    assert sender.outcomes == []
    assert "1 entries unwritten" in said[-1]
    with disk.open() as reopened:
        assert reopened.position_of("GATE-1", 1) is None


async def test_a_failed_flush_is_not_retried(disk: Disk, shard: Shard, sender: Sender) -> None:
    disk.journal.fail_next(StorageFailed("the flush failed"))
    shard.submit(sender, "GATE-1", [tap(1)])
    with pytest.RaisesGroup(StorageFailed):
        await Committer(shard, offload=on_the_spot, report=pytest.fail).run(a_life())
    assert sender.outcomes == []


async def test_a_shard_that_broke_is_given_up_with_what_broke_it(
    shard: Shard, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with trio.open_nursery() as nursery:
        with pytest.RaisesGroup(ValueError):
            nursery.start_soon(break_soon, shard, sender, monkeypatch)
            await Committer(shard, offload=on_the_spot, report=pytest.fail).run(a_life())
    assert sender.outcomes == []
    assert shard.waiting == 0, "the entry that failed counts nowhere"


async def break_soon(shard: Shard, sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    await trio.testing.wait_all_tasks_blocked()
    break_it(shard, sender, monkeypatch)


def break_it(shard: Shard, sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the shard fail while it applies an entry."""

    def fail(*_: object) -> None:
        raise ValueError("planted")

    monkeypatch.setattr(shard.book, "apply", fail)
    with pytest.raises(ShardBroken):
        shard.submit(sender, "GATE-9", [tap(1)])


async def test_a_shard_that_broke_does_not_wait_for_room_on_the_disk(
    disk: Disk,
    shard: Shard,
    sender: Sender,
    monkeypatch: pytest.MonkeyPatch,
    autojump_clock: trio.testing.MockClock,
) -> None:
    disk.journal.fail_next(StorageFull("no room"), times=1_000)
    shard.submit(sender, "GATE-1", [tap(1)])
    block = shard.take_block()
    assert block is not None
    break_it(shard, sender, monkeypatch)
    committer = Committer(shard, offload=on_the_spot, report=lambda _: None)
    with pytest.raises(ValueError, match="planted"):
        await committer._commit(block, trio.Event())  # noqa: SLF001 - it is in the middle of it


async def committing(shard: Shard, checkpointer: Checkpointer, sender: Sender) -> None:
    """Run both, tap, let half a minute pass, and stop both in order."""
    writer, viewer = a_life(), a_life()
    committer = Committer(shard, offload=on_the_spot, report=pytest.fail)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(committer.run, writer)
        nursery.start_soon(checkpointer.run, viewer)
        assert shard.submit(sender, "GATE-1", [tap(1)]) == []
        await trio.sleep(30)
        viewer.stopping.set()
        await trio.testing.wait_all_tasks_blocked()
        writer.stopping.set()


async def test_a_checkpoint_is_written_when_it_is_time_and_only_if_something_changed(
    disk: Disk, clock: Clock, shard: Shard, sender: Sender, autojump_clock: trio.testing.MockClock
) -> None:
    checkpointer = Checkpointer(shard, offload=on_the_spot, report=pytest.fail)
    await committing(shard, checkpointer, sender)
    assert checkpointer.checkpoints == 1
    assert shard.store.entries_since_checkpoint == 0
    with disk.open() as reopened:
        assert reopened.recovered.replayed_entries == 0
        assert reopened.book.accounts == shard.book.accounts


async def test_many_changes_do_not_wait_for_the_time(
    shard: Shard,
    sender: Sender,
    monkeypatch: pytest.MonkeyPatch,
    autojump_clock: trio.testing.MockClock,
) -> None:
    monkeypatch.setattr(limits, "CHECKPOINT_ENTRIES", 2)
    monkeypatch.setattr(limits, "CHECKPOINT_INTERVAL_S", 1_000)
    checkpointer = Checkpointer(shard, offload=on_the_spot, report=pytest.fail)
    life = a_life()
    shard.submit(sender, "GATE-1", [tap(1)])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(checkpointer.run, life)
        await trio.sleep(1)
        assert checkpointer.checkpoints == 0, "what is not durable must not be in the views"
        block = shard.take_block()
        assert block is not None
        shard.store.append(block.entries, block.entries[-1].decided_ms)
        shard.release(block)
        await trio.sleep(1)
        assert checkpointer.checkpoints == 1
        life.stopping.set()


async def test_a_checkpoint_without_room_is_taken_back_and_written_later(
    disk: Disk, shard: Shard, sender: Sender, autojump_clock: trio.testing.MockClock
) -> None:
    said: list[str] = []
    disk.views.fail_next(StorageFull("no room"), times=2)
    checkpointer = Checkpointer(shard, offload=on_the_spot, report=said.append)
    await committing(shard, checkpointer, sender)
    assert checkpointer.checkpoints == 1
    assert len(said) == 1
    with disk.open() as reopened:
        assert isinstance(reopened, ShardStore)
        assert reopened.recovered.from_position == shard.book.position


async def test_views_without_room_are_not_tried_all_the_time_and_memory_is_bounded(
    disk: Disk,
    shard: Shard,
    sender: Sender,
    monkeypatch: pytest.MonkeyPatch,
    autojump_clock: trio.testing.MockClock,
) -> None:
    monkeypatch.setattr(limits, "CHECKPOINT_ENTRIES", 1)
    monkeypatch.setattr(limits, "UNSAVED_ENTRIES_MAX", 4)
    disk.views.fail_next(StorageFull("no room"), times=7)
    said: list[str] = []
    lives = a_life()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Committer(shard, offload=on_the_spot, report=pytest.fail).run, lives)
        checkpointer = Checkpointer(shard, offload=on_the_spot, report=said.append)
        nursery.start_soon(checkpointer.run, lives)
        assert shard.submit(sender, "GATE-1", [tap(1)]) == []
        await trio.sleep(5.5 * limits.CHECKPOINT_INTERVAL_S)
        assert (checkpointer.checkpoints, len(said), shard.stopped_by) == (0, 1, None)
        assert shard.submit(sender, "GATE-1", [tap(2)]) == []
        await trio.sleep(limits.CHECKPOINT_INTERVAL_S)
        (turned_away,) = shard.submit(sender, "GATE-1", [tap(3)])
        assert (turned_away.result, turned_away.reason) == ("busy", BusyReason.STORAGE_FULL)
        await trio.sleep(limits.CHECKPOINT_INTERVAL_S)
        assert checkpointer.checkpoints == 1
        assert shard.submit(sender, "GATE-1", [tap(3)]) == []
        lives.stopping.set()


async def test_others_get_a_turn_when_nothing_becomes_durable_any_more(
    shard: Shard,
    sender: Sender,
    monkeypatch: pytest.MonkeyPatch,
    autojump_clock: trio.testing.MockClock,
) -> None:
    monkeypatch.setattr(limits, "CHECKPOINT_ENTRIES", 1)
    begun = 0
    begin = shard.store.begin_checkpoint

    def counted() -> Checkpoint | None:
        nonlocal begun
        begun += 1
        assert begun < 100, "it lets nobody else run"
        return begin()

    monkeypatch.setattr(shard.store, "begin_checkpoint", counted)
    shard.submit(sender, "GATE-1", [tap(1)])
    shard.end()
    life = a_life()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Checkpointer(shard, offload=on_the_spot, report=pytest.fail).run, life)
        await trio.sleep(2)
        life.stopping.set()
    assert begun > 2


async def test_a_checkpoint_that_will_never_be_durable_is_taken_back(
    shard: Shard, sender: Sender
) -> None:
    checkpointer = Checkpointer(shard, offload=on_the_spot, report=pytest.fail)
    shard.submit(sender, "GATE-1", [tap(1)])
    shard.end()
    await checkpointer.checkpoint()
    assert checkpointer.checkpoints == 0
    assert shard.store.entries_since_checkpoint == 3
