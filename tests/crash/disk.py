"""A disk that may lose, at a loss of power, what it was not made to flush.

What was flushed is there. Of the rest every sector of 512 bytes stands as it was at the last flush,
or as any later write left it: the system writes pages back in any order, at any time, and a page
may be cut in two at a sector.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Final

from tests.crash.recording import Event, Flush, Resize, Write

SECTOR: Final = 512
PAGE: Final = 4096


class Disk:
    """One file, as the writer sees it and as it may be found again."""

    def __init__(self) -> None:
        self.seen = bytearray()
        self.flushed = bytearray()
        self.clock = 0
        self.flushed_at = 0
        self.since: dict[int, list[tuple[int, bytes]]] = {}

    def begin(self, event: Event) -> None:
        """A call has begun: what it writes may reach the disk, and need not."""
        self.clock += 1
        if isinstance(event, Resize):
            assert event.size >= len(self.seen), "a store is never cut"
            self._lengthen(self.seen, event.size)
        elif isinstance(event, Write):
            end = event.offset + len(event.data)
            self._lengthen(self.seen, end)
            self.seen[event.offset : end] = event.data
            for sector in self._sectors(event):
                at = sector * SECTOR
                later = self.since.setdefault(sector, [])
                later.append((self.clock, bytes(self.seen[at : at + SECTOR])))

    def end(self, event: Event) -> None:
        """The call has returned: what it had to flush is on the disk."""
        if isinstance(event, Flush):
            self.flushed[:] = self.seen
            self.since.clear()
            self.flushed_at = self.clock
        elif isinstance(event, Write) and event.flushed:
            self._lengthen(self.flushed, event.offset + len(event.data))
            for sector in self._sectors(event):
                at = sector * SECTOR
                self.flushed[at : at + SECTOR] = self.seen[at : at + SECTOR]
                del self.since[sector]

    def found(self, keep: Callable[[int], int]) -> bytes:
        """Return the file after a loss of power.

        Args:
          keep: up to which moment the writes of a sector have reached the disk.
        """
        state = bytearray(self.flushed)
        for sector, later in self.since.items():
            reached = [content for clock, content in later if clock <= keep(sector)]
            if reached:
                at = sector * SECTOR
                self._lengthen(state, at + len(reached[-1]))
                state[at : at + len(reached[-1])] = reached[-1]
        if keep(len(self.seen) // SECTOR) >= self.clock:
            self._lengthen(state, len(self.seen))
        return bytes(state)

    @staticmethod
    def _lengthen(content: bytearray, size: int) -> None:
        content.extend(bytes(max(0, size - len(content))))

    @staticmethod
    def _sectors(event: Write) -> Iterator[int]:
        last = event.offset + len(event.data) - 1
        return iter(range(event.offset // SECTOR, last // SECTOR + 1))


KINDS: Final = ("none", "all", "pages", "sectors")


def after_power_loss(disk: Disk, kind: str, chance: random.Random) -> bytes:
    """Return one of the states that a disk may be found in.

    Args:
      disk: at the moment of the loss.
      kind: what reached the disk of that which was not flushed: "none", "all" of it, some "pages",
        or some "sectors".
      chance: chooses among them.
    """
    if kind == "none":
        return disk.found(lambda _: 0)
    if kind == "all":
        return disk.found(lambda _: disk.clock)
    of_a_unit = 1 if kind == "sectors" else PAGE // SECTOR
    # Now and then nearly all is kept, or nearly nothing.
    share = chance.choice((0.05, 0.5, 0.95))
    moments: dict[int, int] = {}

    def keep(sector: int) -> int:
        unit = sector // of_a_unit
        if unit not in moments:
            kept = chance.random() < share
            moments[unit] = disk.clock if kept else chance.randint(disk.flushed_at, disk.clock)
        return moments[unit]

    return disk.found(keep)
