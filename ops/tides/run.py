"""Following the journal into a folder of files."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import pyarrow as pa
import trio

from ops.feed.run import Source, Stop, follow
from ops.tides.folder import Folder
from ops.tides.rows import KINDS, Row, columns, rows_of
from ops.tides.schema import SCHEMA
from terminals.feed import Wanted
from terminals.messages import Feed
from terminals.nursery import flat_nursery

LOOK_S: Final = 1.0
"""How often it is looked whether rows have waited long enough."""


class Export:
    """One run of `jakarta-one export tides`.

    Args:
      source: whose journal.
      folder: where the files go.
      rows_max: a file is written when it has so many rows, or a few more.
      age_s_max: or when its first row has waited so long.
      say: takes one line for the operator.

    Attributes:
      rows: how many were written.
      seen: where the journal was looked at up to.
    """

    def __init__(
        self,
        source: Source,
        folder: Folder,
        *,
        rows_max: int,
        age_s_max: float,
        say: Callable[[str], None],
    ) -> None:
        self.rows = 0
        self.seen = folder.next
        self._source = source
        self._folder = folder
        self._rows_max = rows_max
        self._age_s_max = age_s_max
        self._say = say
        self._batches: list[pa.RecordBatch] = []
        self._waiting = 0
        self._since_s = 0.0
        self._writing = trio.Lock()

    async def run(self, stop: Stop, *, for_ever: bool) -> None:
        """Write files until the journal's end, or for ever, or until a stop.

        Durability: each file is there when it is whole and on disk, and its rows only in it.

        Raises:
          TerminalError: the node does not let us follow, or is given up.
          OSError: a file cannot be written.
        """
        wanted = Wanted(self._folder.next, KINDS)
        async with flat_nursery() as nursery:
            nursery.start_soon(self._write_what_is_old)
            await follow(self._source, wanted, self._take, stop, for_ever=for_ever)
            nursery.cancel_scope.cancel()
        if self._waiting:
            await self._write()

    async def _take(self, message: Feed) -> None:
        if message.next == self.seen > message.head:
            self._say(f"the journal ends at {message.head}: waiting for position {message.next}")
        rows = [row for entry in message.entries for row in rows_of(entry)]
        async with self._writing:
            self.seen = message.next
            if rows:
                self._add(rows)
            if self._waiting >= self._rows_max:
                await self._write()

    def _add(self, rows: list[Row]) -> None:
        if not self._waiting:
            self._since_s = trio.current_time()
        self._batches.append(pa.RecordBatch.from_pydict(columns(rows, SCHEMA.names), SCHEMA))
        self._waiting += len(rows)

    async def _write_what_is_old(self) -> None:
        while True:
            await trio.sleep(LOOK_S)
            async with self._writing:
                if self._is_old():
                    await self._write()

    def _is_old(self) -> bool:
        return bool(self._waiting) and trio.current_time() - self._since_s >= self._age_s_max

    async def _write(self) -> None:
        write = partial(self._folder.write, self._batches, self.seen)
        await trio.to_thread.run_sync(write)
        self.rows += self._waiting
        self._batches, self._waiting = [], 0
