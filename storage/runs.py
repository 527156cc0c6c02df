"""The index of transactions: where in the journal stands what a terminal sent under a counter.

A terminal counts 1, 2, 3, ... and what it sends together is decided together. So the index is one
of runs: counters that follow each other, at positions that follow each other.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

from msgspec import Struct

_INTEGER: Final = "q"
"""Counters end at 2**53 and positions before 2**63: 24 bytes for a run."""


class Run(Struct, frozen=True, gc=False):
    """The counters `first_counter`, ... of a terminal stand at `first_position`, ...

    Attributes:
      count: how many, at least one.
    """

    terminal: str
    first_counter: int
    first_position: int
    count: int

    def position_of(self, counter: int) -> int | None:
        """Return where a counter stands, or None if it is not in the run."""
        offset = counter - self.first_counter
        return self.first_position + offset if 0 <= offset < self.count else None


class TerminalRuns:
    """Runs of one terminal by ascending counter, as three columns."""

    def __init__(self, terminal: str) -> None:
        self.terminal = terminal
        self._counters = array(_INTEGER)
        self._positions = array(_INTEGER)
        self._counts = array(_INTEGER)
        # Where the latest run would go on.
        self._next_counter = 0
        self._next_position = 0

    def add(self, first_counter: int, first_position: int, count: int) -> None:
        """Add counters that are in no run yet; the latest run grows where they continue it."""
        if first_counter < self._next_counter:
            at = bisect_right(self._counters, first_counter)
            self._counters.insert(at, first_counter)
            self._positions.insert(at, first_position)
            self._counts.insert(at, count)
            return
        if first_counter == self._next_counter and first_position == self._next_position:
            self._counts[-1] += count
        else:
            self._counters.append(first_counter)
            self._positions.append(first_position)
            self._counts.append(count)
        self._next_counter = first_counter + count
        self._next_position = first_position + count

    def copy(self) -> TerminalRuns:
        """Return the runs as they are now."""
        other = TerminalRuns(self.terminal)
        other._counters = self._counters[:]
        other._positions = self._positions[:]
        other._counts = self._counts[:]
        other._next_counter = self._next_counter
        other._next_position = self._next_position
        return other

    def position_of(self, counter: int) -> int | None:
        """Return where a counter stands, or None."""
        at = bisect_right(self._counters, counter) - 1
        return self._run(at).position_of(counter) if at >= 0 else None

    def __iter__(self) -> Iterator[Run]:
        """Walk the runs by ascending counter."""
        return map(self._run, range(len(self._counters)))

    def _run(self, at: int) -> Run:
        return Run(self.terminal, self._counters[at], self._positions[at], self._counts[at])


RunsByTerminal: TypeAlias = dict[str, TerminalRuns]


class RunIndex:
    """The runs since the last checkpoint in memory, all earlier ones in the views.

    Args:
      load: the run of the views with the greatest first counter up to the given one, or None.
    """

    def __init__(self, load: Callable[[str, int], Run | None]) -> None:
        self._load = load
        self._current: RunsByTerminal = {}
        self._saving: RunsByTerminal = {}

    def note(self, terminal: str, first_counter: int, first_position: int, count: int) -> None:
        """Remember that `count` counters from the first on stand from the first position on."""
        runs = self._current.get(terminal)
        if runs is None:
            runs = self._current[terminal] = TerminalRuns(terminal)
        runs.add(first_counter, first_position, count)

    def position_of(self, terminal: str, counter: int) -> int | None:
        """Return where a transaction stands, or None if it is not known."""
        for layer in (self._current, self._saving):
            runs = layer.get(terminal)
            position = runs.position_of(counter) if runs else None
            if position is not None:
                return position
        run = self._load(terminal, counter)
        return run.position_of(counter) if run else None

    def finder(self, terminal: str) -> Callable[[int], int | None]:
        """Return what finds the transactions of a terminal that are known now, from any thread."""
        layers = [layer.get(terminal) for layer in (self._current, self._saving)]
        known = [runs.copy() for runs in layers if runs is not None]
        load = self._load

        def find(counter: int) -> int | None:
            for runs in known:
                position = runs.position_of(counter)
                if position is not None:
                    return position
            run = load(terminal, counter)
            return run.position_of(counter) if run else None

        return find

    def freeze(self) -> Mapping[str, TerminalRuns]:
        """Return the runs since the last checkpoint, for one that begins now."""
        assert not self._saving, "one checkpoint at a time"
        self._saving, self._current = self._current, {}
        return self._saving

    def saved(self) -> None:
        """The views hold the frozen runs."""
        self._saving = {}

    def restore(self) -> None:
        """The checkpoint failed: the frozen runs wait for the next one."""
        current, self._current, self._saving = self._current, self._saving, {}
        for terminal, runs in current.items():
            for run in runs:
                self.note(terminal, run.first_counter, run.first_position, run.count)
