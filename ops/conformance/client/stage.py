"""The stage: where the client under test comes and goes, and the kit plays the node."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import trio

from ops.conformance.client.book import Book
from ops.conformance.client.contract import AHEAD_MS
from ops.conformance.client.visit import Visit, posted
from ops.conformance.errors import NotTried, Silent

FIRST_S_MAX: Final = 60.0
"""For the first connection: somebody has to start the client."""
RETURN_S_MAX: Final = 20.0
"""For each other one; the longest pause that a rule asks for is four seconds."""


class Stage:
    """Takes the connections of the client, one after the other.

    Args:
      clock_ms: the clock of this machine.

    Attributes:
      book: what the client has to deliver, and what was found wrong.
      pause_s: how long it was away before this connection.
      memory: what rules leave for those behind them.
    """

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        self.book = Book()
        self.pause_s = 0.0
        self.memory: dict[str, Any] = {}
        self._clock_ms = clock_ms
        self._ended_s = math.inf
        self._deserted = False
        self._send, self._receive = trio.open_memory_channel[tuple[float, trio.SocketStream]](8)

    def clock_ms(self) -> int:
        """Return what is told as the node's clock."""
        return self._clock_ms() + AHEAD_MS

    async def enter(self, stream: trio.SocketStream) -> None:
        """Take a connection in, and keep it; it waits for its turn."""
        try:
            self._send.send_nowait((trio.current_time(), stream))
        except trio.WouldBlock:
            await trio.aclose_forcefully(stream)
        # Whoever serves listeners closes a connection that is let go of.
        await trio.sleep_forever()

    @asynccontextmanager
    async def caller(self) -> AsyncIterator[Visit]:
        """Wait for a connection on which nothing was said yet.

        Raises:
          Silent: none comes.
          NotTried: none came before.
        """
        if self._deserted:
            raise NotTried("the client does not come back")
        wait_s = FIRST_S_MAX if self._ended_s == math.inf else RETURN_S_MAX
        with trio.move_on_after(wait_s) as scope:
            arrived_s, stream = await self._receive.receive()
        if scope.cancelled_caught:
            self._deserted = True
            raise Silent(f"the client did not connect within {wait_s:g} s")
        self.pause_s = arrived_s - self._ended_s
        visit = Visit(stream, self.book, self.clock_ms)
        try:
            yield visit
        finally:
            with trio.CancelScope(shield=True):
                await visit.cut()
            self._ended_s = visit.ended_s

    @asynccontextmanager
    async def session(
        self,
        *,
        is_of_use: bool = True,
        **told: Any,  # noqa: ANN401 - as greet has them
    ) -> AsyncIterator[Visit]:
        """Wait for a connection and do the handshake.

        Args:
          is_of_use: post one of the client's transactions, so that its pauses begin anew.
          told: as for `Visit.greet`.
        """
        async with self.caller() as visit:
            await visit.accept()
            await visit.greet(**told)
            if is_of_use and self.book.left():
                await visit.answer(posted((await visit.submitted(1))[0]))
            yield visit

    async def nobody_comes(self, for_s: float) -> bool:
        """Tell whether no connection comes for a while."""
        with trio.move_on_after(for_s):
            _, stream = await self._receive.receive()
            await trio.aclose_forcefully(stream)
            return False
        return True
