"""The checkpointer: writes what changed into the views, apart from the way of a tap (D1).

A checkpoint is frozen in one step of the event loop and written by a worker thread. Its entries
must be durable in the journal first: views are never ahead of it.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from actors import limits
from actors.runtime import Life
from actors.seams import Offload, in_thread
from actors.shard import Shard
from protocol.errors import BusyReason
from storage.errors import StorageFull


class Checkpointer:
    """Writes the checkpoints of one shard, and a last one at its end.

    Args:
      shard: whose views.
      offload: where the blocking write runs.
      report: takes one line for the operator.
    """

    def __init__(
        self, shard: Shard, *, offload: Offload = in_thread, report: Callable[[str], None]
    ) -> None:
        self._shard = shard
        self._offload = offload
        self._report = report
        self._full = False
        self.checkpoints = 0

    async def run(self, life: Life) -> None:
        """Write a checkpoint when it is time, or when much has changed, until told to stop.

        Raises:
          StorageFailed: a write or its flush failed; the node must stop.

        Cancellation: a checkpoint on its way to the disk is waited for.
        """
        life.ready()
        while not life.stopping.is_set():
            await self._wait_due(life.stopping)
            await self.checkpoint()
        await self.checkpoint()

    async def checkpoint(self) -> None:
        """Write one checkpoint, if anything changed."""
        store = self._shard.store
        checkpoint = store.begin_checkpoint()
        if checkpoint is None:
            return
        written = False
        try:
            if await self._shard.wait_durable(checkpoint.position):
                await self._offload(lambda: store.write_checkpoint(checkpoint))
                written = True
        except StorageFull as full:
            # The journal is what counts; the views catch up when there is room.
            if not self._full:
                self._report(f"the disk is full, no checkpoint is written: {full}")
            self._full = True
            if store.entries_since_checkpoint >= limits.UNSAVED_ENTRIES_MAX:
                self._shard.stopped_by = BusyReason.STORAGE_FULL
        finally:
            if written:
                store.end_checkpoint(checkpoint)
                if self._full and self._shard.stopped_by is BusyReason.STORAGE_FULL:
                    self._shard.stopped_by = None
                self._full = False
            else:
                store.abandon_checkpoint(checkpoint)
        self.checkpoints += written

    async def _wait_due(self, stopping: trio.Event) -> None:
        due_s = trio.current_time() + limits.CHECKPOINT_INTERVAL_S
        many = False
        # Others always get a turn here, also when each checkpoint is due as soon as one failed.
        while not (many or stopping.is_set() or trio.current_time() >= due_s):
            with trio.move_on_after(limits.CHECKPOINT_POLL_S):
                await stopping.wait()
            unsaved = self._shard.store.entries_since_checkpoint
            many = unsaved >= limits.CHECKPOINT_ENTRIES and not self._full
