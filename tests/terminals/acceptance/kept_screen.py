"""The screen of a terminal in tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import trio

from terminals.acceptance.refusal import Refusal
from terminals.acceptance.visit import Taken, Turned, Visit

WAIT_S_MAX: Final = 20.0


class KeptScreen:
    """Keeps what is shown, and hands on what came of each visit.

    Attributes:
      shown: at each reader, the lines.
      took_s: each visit.
    """

    def __init__(self) -> None:
        self.shown: list[tuple[str, tuple[str, ...]]] = []
        self.took_s: list[float] = []
        self._told, self._tell = trio.open_memory_channel[tuple[str, Visit]](10_000)

    def show(self, reader: str, lines: Sequence[str]) -> None:
        self.shown.append((reader, tuple(lines)))

    def visited(self, reader: str, visit: Visit, lines: Sequence[str], took_s: float) -> None:
        assert lines
        assert took_s >= 0
        self.took_s.append(took_s)
        self._told.send_nowait((reader, visit))

    async def next(self) -> tuple[str, Visit]:
        """Return the next visit that nobody asked for, and at which reader it was."""
        with trio.fail_after(WAIT_S_MAX):
            return await self._tell.receive()

    async def taken(self) -> Taken:
        _, visit = await self.next()
        assert isinstance(visit, Taken), visit
        return visit

    async def turned(self) -> Turned:
        _, visit = await self.next()
        assert isinstance(visit, Turned), visit
        return visit

    async def refusal(self) -> Refusal:
        return (await self.turned()).refused.refusal

    @property
    def silent(self) -> bool:
        """Whether there is no visit that nobody asked for."""
        return not self._tell.statistics().current_buffer_used
