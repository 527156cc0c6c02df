"""Other counters for taps that no node has heard of: its own has gone on further than theirs.

A terminal whose disk was replaced begins at 1, and may take cards before it reaches its node, which
has seen higher counters of the terminal before it. Sent as they are, its taps would be taken for
others'; what was never sent can still be numbered anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from terminals.acceptance.rows import Attempt, Owed, Shift, Tap


class Renumbering:
    """Moves all counters above one of them.

    Args:
      above: the last counter that stays.
      by: how far the others go.
    """

    def __init__(self, above: int, by: int) -> None:
        self._above = above
        self._by = by

    def counter(self, counter: int) -> int:
        """Return a counter as it is from now on."""
        return counter + self._by if counter > self._above else counter

    def taps(self, taps: Iterable[Tap]) -> Iterator[Tap]:
        """Yield taps with their counters as they are from now on."""
        for tap in taps:
            yield msgspec.structs.replace(tap, counter=self.counter(tap.counter))

    def owed(self, owed: Iterable[Owed]) -> Iterator[Owed]:
        """Yield what is owed, by the counters of the banks' legs."""
        for one in owed:
            yield msgspec.structs.replace(one, counter=self.counter(one.counter))

    def attempts(self, attempts: Iterable[Attempt]) -> Iterator[Attempt]:
        """Yield attempts, by the counters of what they pay."""
        for one in attempts:
            yield msgspec.structs.replace(one, pays=self.counter(one.pays))

    def shifts(self, shifts: Iterable[Shift]) -> Iterator[Shift]:
        """Yield those shifts whose counters change; of one that began before, the end alone."""
        for shift in shifts:
            if shift.first > self._above:
                last = shift.last + self._by
                yield msgspec.structs.replace(shift, first=shift.first + self._by, last=last)
            elif shift.last > self._above:
                yield msgspec.structs.replace(shift, last=shift.last + self._by)
