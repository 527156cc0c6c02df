"""The long run: `python -m tests.fuzz.long --cases 2000000 --seed 1`.

It runs cases of all kinds, and fails at the first that ends otherwise than is documented, takes
more processor time than a case may, or if memory grows with their number. In the end it says what
became of them.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from time import (
    perf_counter,  # noqa: TID251 - told at the end, and decides nothing
    process_time,
    thread_time,
)
from typing import Final

import click

from protocol.errors import CLOSE_CODES
from tests.fuzz.cases import (
    CLOSED,
    TAKEN,
    Case,
    frame_case,
    message_case,
    noise_case,
    request_case,
    typed_case,
)
from tests.fuzz.orders import order_case
from tests.fuzz.running import Tally

MIX: Final[tuple[tuple[Case, int], ...]] = (
    *((typed_case, 45), (message_case, 20), (frame_case, 15)),
    *((request_case, 8), (noise_case, 7), (order_case, 5)),
)
"""Of a hundred cases."""
ROUND: Final = 10_000
"""Cases between two looks at memory; the first of these rounds fills caches."""

CASE_S_MAX: Final = 0.25
"""Processor time that a case may take: a hundred times what it takes, for a slow machine."""
GROWTH_BYTES_MAX: Final = 16 * 1024 * 1024
"""Memory is in pieces that are not given back; it must not grow with the number of cases."""

HTTP: Final = "http "


class TooSlow(Exception):
    """A case took more processor time than one may."""


class Grown(Exception):
    """Memory grew with the number of cases."""


class NotDocumented(Exception):
    """Something ended otherwise than the protocol says."""


class Run:
    """Cases of all kinds, so many of each.

    Args:
      seed: of the first case; each one has its own.
      tell: is told how far it is.
      rss_bytes: memory of this process.
    """

    def __init__(
        self, seed: int, tell: Callable[[str], object], rss_bytes: Callable[[], int]
    ) -> None:
        self.tallies = [Tally(case) for case, _ in MIX]
        self.warm_bytes = self.last_bytes = 0
        self._next_seed = seed
        self._tell = tell
        self._rss_bytes = rss_bytes

    @property
    def cases(self) -> int:
        """How many were run."""
        return sum(tally.cases for tally in self.tallies)

    @property
    def became(self) -> Counter[str]:
        """What became of everything that was fed."""
        return sum((tally.became for tally in self.tallies), Counter())

    def run(self, cases: int) -> None:
        """Run so many cases.

        Raises:
          TooSlow: one took too long.
          Grown: memory grew.
          NotDocumented: something ended in a way that is not documented.
        """
        while cases > self.cases:
            self._round(min(ROUND, cases - self.cases))
            gc.collect()
            self.last_bytes = self._rss_bytes()
            self.warm_bytes = self.warm_bytes or self.last_bytes
            self._check()
            self._tell(f"{self.cases:,} cases, {self.last_bytes / 2**20:.0f} MiB")

    def _round(self, cases: int) -> None:
        for tally, (_, share) in zip(self.tallies, MIX, strict=True):
            count = max(1, round(cases * share / 100))
            tally.run(range(self._next_seed, self._next_seed + count), thread_time)
            self._next_seed += count

    def _check(self) -> None:
        for tally in self.tallies:
            if tally.slowest_s > CASE_S_MAX:
                raise TooSlow(str(tally))
        if self.last_bytes - self.warm_bytes > GROWTH_BYTES_MAX:
            grown_mib = (self.last_bytes - self.warm_bytes) / 2**20
            raise Grown(f"{grown_mib:.0f} MiB in {self.cases:,} cases")
        known = {TAKEN, CLOSED, *CLOSE_CODES}
        odd = {how for how in self.became if how not in known and not how.startswith(HTTP)}
        if odd:
            raise NotDocumented(", ".join(sorted(odd)))


def own_rss_bytes() -> int:
    """Return the memory of this process, without files that it has mapped."""
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return sum(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon:"))


@click.command()
@click.option("--cases", type=click.IntRange(100), default=2_000_000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the first case.")
def main(cases: int, seed: int) -> None:
    """Feed hostile bytes, messages and orders of events to the protocol, for long."""
    began_s, began_cpu_s = perf_counter(), process_time()
    run = Run(seed, lambda text: click.echo(f"\r{text}", nl=False, err=True), own_rss_bytes)
    run.run(cases)
    took_s, cpu_s = perf_counter() - began_s, process_time() - began_cpu_s
    click.echo(err=True)
    for tally in run.tallies:
        click.echo(f"{tally}; {tally.share_taken:.1%} taken")
    for how, count in run.became.most_common():
        click.echo(f"{count:>12,}  {how}")
    click.echo(
        f"{run.cases:,} cases from seed {seed} in {took_s:,.0f} s: {run.cases / took_s:,.0f}/s, "
        f"{cpu_s / run.cases * 1e6:,.0f} us of processor time each; "
        f"{run.warm_bytes / 2**20:.1f} MiB after {ROUND:,}, {run.last_bytes / 2**20:.1f} after all"
    )


if __name__ == "__main__":
    main()
