"""The committer: makes blocks durable, one after the other, and releases their answers.

While block n is being synced in the worker thread, block n+1 fills (D2). An idle engine commits a
lone tap at once; nobody waits for a timer.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import trio

from actors import limits
from actors.runtime import Life
from actors.seams import Offload, in_thread
from actors.shard import OpenBlock, Shard
from protocol.errors import BusyReason
from storage.errors import StorageFull


class Committer:
    """Commits the blocks of one shard.

    Args:
      shard: whose blocks.
      offload: where the blocking write runs.
      report: takes one line for the operator.
    """

    def __init__(
        self, shard: Shard, *, offload: Offload = in_thread, report: Callable[[str], None]
    ) -> None:
        self._shard = shard
        self._offload = offload
        self._report = report
        self.blocks = 0

    async def run(self, life: Life) -> None:
        """Commit until told to stop and nothing is left.

        Raises:
          StorageFailed: the write or its flush failed; the node must stop.
          Exception: what broke the shard; it has to be opened anew.

        Cancellation: a block on its way to the disk is waited for, its answers are released.
        """
        life.ready()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._wake_at, life.stopping)
                await self._commit_all(life.stopping)
                nursery.cancel_scope.cancel()
        finally:
            self._shard.end()

    async def _commit_all(self, stopping: trio.Event) -> None:
        while True:
            block = self._shard.take_block()
            if block is not None:
                if not await self._commit(block, stopping):
                    return
            elif stopping.is_set():
                return
            else:
                await self._shard.work.wait()

    async def _wake_at(self, stopping: trio.Event) -> None:
        await stopping.wait()
        self._shard.work.set()

    async def _commit(self, block: OpenBlock, stopping: trio.Event) -> bool:
        """Make a block durable and release it; False if a stop met a disk without room."""
        shard = self._shard
        append = partial(shard.store.append, block.entries, block.entries[-1].decided_ms)
        was_full = False
        while True:
            try:
                await self._offload(append)
                break
            except StorageFull as full:
                if stopping.is_set():
                    # Nobody was answered, so terminals send all of it again.
                    self._report(f"stopped on a full disk, {len(block.entries)} entries unwritten")
                    return False
                # The block stays as it is and is tried again; new transactions are turned away,
                # so no more than this block and the one open behind it wait.
                if not was_full:
                    self._report(f"the disk is full, transactions are turned away: {full}")
                was_full = True
                shard.stopped_by = BusyReason.STORAGE_FULL
                with trio.move_on_after(limits.FULL_DISK_POLL_S):
                    await stopping.wait()
                shard.check_whole()
        if was_full and shard.stopped_by is BusyReason.STORAGE_FULL:
            shard.stopped_by = None
            self._report("the disk has room again, transactions are taken")
        shard.release(block)
        self.blocks += 1
        return True
