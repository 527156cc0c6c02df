"""Entries as lines, written out one message after the other, and the position kept behind them."""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import partial
from typing import Final

import trio

from ops.feed.named import lines_of
from ops.feed.output import Output
from ops.feed.position_file import PositionFile
from ops.feed.run import Source, Stop, follow
from terminals.feed import Wanted
from terminals.messages import Feed
from terminals.nursery import flat_nursery

KEEP_S: Final = 0.2
"""How often the position is saved while lines are written; and once in the end. A run that lives no
longer than this gets nowhere; more often, and the disk has more to flush than to write."""


class Lines:
    """One run of `jakarta-one feed`.

    Args:
      source: whose journal.
      wanted: which entries, and from where on.
      output: takes the lines.
      kept: keeps the position; None where nobody wants it.
      say: takes one line for the operator.
    """

    def __init__(
        self,
        source: Source,
        wanted: Wanted,
        output: Output,
        kept: PositionFile | None,
        say: Callable[[str], None],
    ) -> None:
        self._source = source
        self._wanted = wanted
        self._output = output
        self._kept = kept
        self._say = say
        self._written = wanted.position
        self._is_first = True

    async def run(self, stop: Stop, *, for_ever: bool) -> None:
        """Write lines until the journal's end, or for ever, or until a stop.

        Durability: what `kept` says was written before; on return it says all that was written.

        Raises:
          TerminalError: the node does not let us follow, or is given up.
          OSError: the output takes no more, or the position cannot be kept.
        """
        try:
            async with flat_nursery() as nursery:
                nursery.start_soon(self._keep_now_and_then)
                await follow(self._source, self._wanted, self._take, stop, for_ever=for_ever)
                nursery.cancel_scope.cancel()
        finally:
            self._keep()

    async def _take(self, message: Feed) -> None:
        if self._is_first and message.next > message.head:
            self._say(f"the journal ends at {message.head}: waiting for position {message.next}")
        self._is_first = False
        if message.entries:
            # In a thread, for the reader may be slow. One that is never done with is left behind.
            write = partial(self._output.write, lines_of(message.entries))
            await trio.to_thread.run_sync(write, abandon_on_cancel=True)
        self._written = message.next

    async def _keep_now_and_then(self) -> None:
        while True:
            await trio.sleep(KEEP_S)
            await trio.to_thread.run_sync(self._keep)
            if self._output.is_gone():
                # Also where there is nothing to write, which would tell.
                raise BrokenPipeError(errno.EPIPE, "nobody reads the output")

    def _keep(self) -> None:
        if self._kept is None:
            return
        # What is written after this look is not in it, and may be flushed all the same.
        written = self._written
        self._output.flush()
        self._kept.save(written)
