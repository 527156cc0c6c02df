"""The pump: sends list files, a little at a time, so that taps do not feel it.

A terminal asks for one chunk after the other, so each has one on its way at most. All together get
so many bytes a second; those that read slowly are waited for, and wait together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio

from actors import limits
from actors.fleet.registry import Link
from protocol.messages import Chunk, Fetch

BYTES_A_TICK: Final = int(limits.LIST_BYTES_PER_S * limits.PUMP_TICK_S)


class Pump:
    """Answers what terminals fetch.

    Args:
      chunk: finds what is fetched; None if there is no such file any more.
      gone: called for a terminal that fetches what is no more.
    """

    def __init__(
        self,
        chunk: Callable[[Fetch], Chunk | None],
        gone: Callable[[Link, Fetch], None],
    ) -> None:
        self._chunk = chunk
        self._gone = gone
        self._waiting: dict[Link, Fetch] = {}
        self._slow: dict[Link, None] = {}
        self._work = trio.Event()

    def put(self, link: Link, fetch: Fetch) -> None:
        """Send this to a terminal when it is its turn; what it asked for before is forgotten."""
        self._waiting[link] = fetch
        self._work.set()

    def leave(self, link: Link) -> None:
        """Forget a terminal that is gone."""
        self._waiting.pop(link, None)
        self._slow.pop(link, None)

    async def run(self) -> None:
        """Send for ever.

        Cancellation: what waits goes on waiting for the next run.
        """
        while True:
            if not self._waiting:
                self._work = trio.Event()
                await self._work.wait()
            self._tick()
            await trio.sleep(limits.PUMP_TICK_S)

    def _tick(self) -> None:
        budget = BYTES_A_TICK
        self._slow = dict.fromkeys(link for link in self._slow if link.peer.unsent_bytes)
        unsent = sum(link.peer.unsent_bytes for link in self._slow)
        for link in list(self._waiting):
            if budget <= 0 or unsent >= limits.PUMP_UNSENT_BYTES_MAX:
                return
            if link in self._slow:
                continue
            fetch = self._waiting.pop(link)
            chunk = self._chunk(fetch)
            if chunk is None:
                self._gone(link, fetch)
                continue
            link.peer.tell(chunk)
            budget -= len(chunk.data)
            if left := link.peer.unsent_bytes:
                self._slow[link] = None
                unsent += left
