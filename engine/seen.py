"""Which transactions of a terminal have been seen: a high-water mark and the gaps below it.

The memory grows with the gaps, not with the transactions.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TypeAlias

from msgspec import Struct

from engine import limits

Gap: TypeAlias = tuple[int, int]
"""First and last missing counter."""


class Seen(Struct, frozen=True, array_like=True, gc=False):
    """The counters 1..`high` have been seen, but for those in `gaps` (in ascending order)."""

    high: int = 0
    gaps: tuple[Gap, ...] = ()

    @property
    def missing(self) -> int:
        """How many counters below the highest were not seen."""
        return sum(last - first + 1 for first, last in self.gaps)

    def has(self, counter: int) -> bool:
        """Tell whether a counter was seen."""
        return counter <= self.high and self._gap_of(counter) is None

    def has_room_for(self, counter: int) -> bool:
        """Tell whether an unseen counter can be remembered without another gap too many."""
        if len(self.gaps) < limits.GAPS_PER_TERMINAL_MAX:
            return True
        return len(self.with_counter(counter).gaps) <= limits.GAPS_PER_TERMINAL_MAX

    def with_counter(self, counter: int) -> Seen:
        """Return the state after a counter that was not seen before."""
        if counter == self.high + 1:
            return Seen(counter, self.gaps)
        if counter > self.high:
            return Seen(counter, (*self.gaps, (self.high + 1, counter - 1)))
        at = self._gap_of(counter)
        assert at is not None, f"counter {counter} was seen before"
        first, last = self.gaps[at]
        rest = ((first, counter - 1), (counter + 1, last))
        kept = tuple((low, top) for low, top in rest if low <= top)
        return Seen(self.high, (*self.gaps[:at], *kept, *self.gaps[at + 1 :]))

    def _gap_of(self, counter: int) -> int | None:
        at = bisect_right(self.gaps, counter, key=lambda gap: gap[0]) - 1
        if at >= 0 and self.gaps[at][1] >= counter:
            return at
        return None
