"""Turns: how work is kept from holding up everybody else's.

Nothing here knows what the work is. One event loop serves all; whoever works without a pause is
felt by every terminal of the node.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from actors import limits


class Breath:
    """Lets others in now and then, in a loop that never has to wait."""

    __slots__ = ("_since_s",)

    def __init__(self) -> None:
        self._since_s = trio.current_time()

    async def take(self) -> None:
        """Let others have their turn if this one has lasted long enough."""
        if trio.current_time() - self._since_s >= limits.TURN_S:
            await trio.lowlevel.checkpoint()
            self._since_s = trio.current_time()


class Turns:
    """A share of the time for all work of one kind together, in the order in which it is asked for.

    What is not used in a period is not saved up; what a turn takes too long is taken off the
    periods behind it.

    Args:
      work_s: how long may be worked in a period.
      period_s: how long a period is.
    """

    def __init__(self, work_s: float, period_s: float) -> None:
        self._work_s = self._left_s = work_s
        self._period_s = period_s
        self._until_s = 0.0
        self._queue = trio.StrictFIFOLock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn; the body works without waiting.

        Cancellation: before the turn it leaves no trace.
        """
        async with self._queue:
            await self._wait_for_time()
            began_s = trio.current_time()
            try:
                yield
            finally:
                self._left_s -= trio.current_time() - began_s

    async def _wait_for_time(self) -> None:
        while True:
            now_s = trio.current_time()
            if now_s >= self._until_s:
                self._until_s = now_s + self._period_s
                self._left_s = min(self._left_s, 0.0) + self._work_s
            if self._left_s > 0:
                return
            await trio.sleep_until(self._until_s)
