"""Running many cases: what became of them, which took longest, and what they left in memory."""

from __future__ import annotations

import gc
import random
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from tests.fuzz.cases import TAKEN, Case

GROWTH_BYTES_MAX: Final = 64 * 1024
"""What a run may leave behind: caches of the interpreter, not of the number of cases."""
PEAK_BYTES_MAX: Final = 4 * 1024 * 1024
"""What all of one case may take: a few times the longest message."""


class Tally:
    """What became of the cases of one kind.

    Attributes:
      cases: how many were run.
      taken: how many of them began with something that was taken.
      became: what became of everything that was fed.
      slowest_s: the longest that a case took, by the clock of the run.
      slowest_seed: and which one it was.
    """

    def __init__(self, case: Case) -> None:
        self._case = case
        self.cases = self.taken = 0
        self.became: Counter[str] = Counter()
        self.slowest_s = 0.0
        self.slowest_seed = -1

    def run(self, seeds: Iterable[int], clock: Callable[[], float]) -> None:
        """Run the case once for each seed; a failure names the one that replays it."""
        case = self._case
        for seed in seeds:
            rng = random.Random(seed)
            began_s = clock()
            try:
                became = case(rng)
            except BaseException as error:
                error.add_note(f"replay: {name_of(case)}(random.Random({seed}))")
                raise
            took_s = clock() - began_s
            self.cases += 1
            self.taken += became[0] == TAKEN
            self.became.update(became)
            if took_s > self.slowest_s:
                self.slowest_s, self.slowest_seed = took_s, seed

    @property
    def share_taken(self) -> float:
        """Share of the cases that began with something that was taken."""
        return self.taken / self.cases

    def __str__(self) -> str:
        slowest = f"{self.slowest_s * 1000:.2f} ms for seed {self.slowest_seed}"
        return f"{name_of(self._case)}: {self.cases:,} cases, slowest {slowest}"


def name_of(case: Case) -> str:
    """Return the name of a case."""
    return str(getattr(case, "__name__", case))


def check_memory(case: Case, seeds: range, clock: Callable[[], float]) -> None:
    """Check that cases leave nothing behind and that none takes much."""
    Tally(case).run(seeds, clock)
    tracemalloc.start()
    try:
        Tally(case).run(seeds, clock)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        Tally(case).run(seeds, clock)
        gc.collect()
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < GROWTH_BYTES_MAX
    assert peak - before < PEAK_BYTES_MAX
