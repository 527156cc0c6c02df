"""A shift of a terminal as the journal has it, to be compared with what the terminal counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec import Struct

from engine.advices import told_change_rp
from engine.seen import Gap, Seen
from storage.journal import Journal


class ShiftFound(Struct, frozen=True, gc=False):
    """What stands in the journal of some counters of a terminal that follow each other.

    Attributes:
      count: transactions, refused ones too.
      taken_rp, added_rp: on chips, by advices that a chip has proved, or that nobody looked into.
      unproved: advices that no chip has proved.
      gaps: first and last of the counters that are missing, in their order.
    """

    count: int
    taken_rp: int
    added_rp: int
    unproved: int
    gaps: tuple[Gap, ...]

    @property
    def missing(self) -> int:
        """How many counters are missing."""
        return sum(high - low + 1 for low, high in self.gaps)


def shift_of(
    journal: Journal, seen: Seen, find: Callable[[int], int | None], first: int, last: int
) -> ShiftFound:
    """Return what the journal has of the counters from the first to the last.

    Args:
      journal: durable up to all that `find` finds.
      seen: the counters of the terminal that were seen.
      find: where a counter of it stands.
      first: counter.
      last: counter, not before the first.

    Raises:
      StorageDamaged: a block is not what was written.
    """
    gaps = tuple(_gaps(seen, first, last))
    missing = {counter for low, high in gaps for counter in range(low, high + 1)}
    count = taken_rp = added_rp = unproved = 0
    for counter in range(first, last + 1):
        if counter in missing:
            continue
        position = find(counter)
        assert position is not None, f"counter {counter} was seen and has no position"
        entry = journal.entry_at(position)
        count += 1
        if entry.unproved:
            unproved += 1
            continue
        change_rp = told_change_rp(entry.intent)
        taken_rp += max(0, -change_rp)
        added_rp += max(0, change_rp)
    return ShiftFound(count, taken_rp, added_rp, unproved, gaps)


def _gaps(seen: Seen, first: int, last: int) -> Iterator[Gap]:
    """Yield the parts of gaps that lie between two counters."""
    for low, high in (*seen.gaps, (seen.high + 1, last)):
        inside = max(low, first), min(high, last)
        if inside[0] <= inside[1]:
            yield inside
