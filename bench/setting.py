"""What all measurements share: their plan, their folders, their nodes, and the proof at the end."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import trio
from msgspec import Struct

from bench import cards
from bench.authority import THIS_MACHINE, Authority
from bench.errors import NotVerified
from bench.line import Line, new_key
from bench.load import Load, open_lines, prepare
from bench.machine import Pins, cpu_s, generating
from bench.postgres import Trial
from bench.rides import prepare_rides
from engine.calendar import day_of
from ops.node_process import NodeProcess
from storage.verify import verify_folder


class Plan(Struct, frozen=True, kw_only=True):
    """How much is measured.

    Attributes:
      repeats: of each load.
      small: cards of the ordinary folder.
      large: cards of the large one.
      stream_frames: of fifty taps, from each of the 64 terminals.
      single_lines: terminals that send one tap a frame.
      single_frames: from each of them.
      open_s: length of an open loop.
      rate_per_s: of the open loop.
      terminals: connected at the same time, to weigh them.
      list_cards: on the deny list that is published.
      list_gates: that take it in.
      list_rate_per_s: of the taps meanwhile.
      clients: counts of clients that PostgreSQL is tried with.
      peer_s: length of a trial of PostgreSQL.
      offline_terminals: that were without their node for a day.
      offline_taps: of each of them.
      taps: of a card at one reader, one after the other.
    """

    repeats: int = 3
    small: int = 100_000
    large: int = 1_000_000
    stream_frames: int = 60
    single_lines: int = 1_000
    single_frames: int = 60
    open_s: float = 6.0
    rate_per_s: float = 2_000.0
    terminals: int = 2_000
    list_cards: int = 1_000_000
    list_gates: int = 1_000
    list_rate_per_s: float = 500.0
    clients: tuple[int, ...] = (8, 32, 90)
    peer_s: float = 2.0
    offline_terminals: int = 50
    offline_taps: int = 1_000
    taps: int = 300


QUICK: Final = Plan(
    repeats=1,
    small=10_000,
    large=50_000,
    stream_frames=20,
    single_lines=200,
    single_frames=25,
    open_s=1.0,
    terminals=200,
    list_cards=2_000,
    list_gates=20,
    clients=(8,),
    peer_s=1.0,
    offline_terminals=4,
    offline_taps=100,
    taps=20,
)
"""Enough to see that everything works; its figures are no figures."""


RATED_DAYS: Final = 28
"""How far back rides begin that are rated: a node rates what comes within 31 days."""


class Bench:
    """Where the measurements of one run take place.

    Args:
      place: an empty folder.
      plan: how much is measured.
      pins: who runs on which core.
      tell: is told what goes on.

    Attributes:
      key: of all terminals.
      peer: what PostgreSQL came to, by number of clients.
      no_peer: why PostgreSQL was not measured.
      no_readers: why nothing was measured at readers of PC/SC.
      key: of all its terminals.
      verify_rates: entries verified in a second, of each folder.
    """

    def __init__(self, place: Path, plan: Plan, pins: Pins, tell: Callable[[str], object]) -> None:
        self.place, self.plan, self.pins, self.tell = place, plan, pins, tell
        self.peer: list[Trial] = []
        self.no_peer = "it was not asked for"
        self.no_readers = "they were not asked for"
        self.verify_rates: list[float] = []
        self._posted: dict[Path, int] = {}
        self.key = new_key()
        self._authority = Authority()

    def folder(self, count: int) -> Path:
        """Return the data folder with so many cards; it is made when first asked for."""
        path = self.place / f"cards-{count}"
        if path not in self._posted:
            self.tell(f"issuing {count:,} cards")
            cards.fill(path, count)
            self._posted[path] = 2 * count
        return path

    @contextmanager
    def node(
        self,
        data: Path,
        *,
        dev: bool = True,
        tls: bool = False,
        options: Sequence[str | Path] = (),
    ) -> Iterator[NodeProcess]:
        """Run a node on a folder; in `dev` it enrols whoever comes, with `tls` it encrypts.

        Args:
          data: the folder.
          dev: whether it does.
          tls: whether it does.
          options: more of `serve`.
        """
        options = (*options, *(self._certificate() if tls else ()))
        node = NodeProcess.start(data, dev=dev, prefix=self.pins.prefix, options=options)
        try:
            yield node
        finally:
            if node.running:
                node.stop()

    @contextmanager
    def lines(self, node: NodeProcess, count: int, prefix: str) -> Iterator[list[Line]]:
        """Connect terminals to a node, and hang up in the end."""
        tls = self._authority.trusted() if node.url.startswith("wss") else None
        opening = partial(open_lines, node.url, count, prefix=prefix, key=self.key, tls=tls)
        with generating(self.pins):
            lines = trio.run(opening)
        try:
            yield lines
        finally:
            for line in lines:
                line.close()

    def frames(
        self, lines: list[Line], *, count: int, taps_per_frame: int, among: int, seed: int
    ) -> list[list[bytes]]:
        """Prepare the frames of all lines, of cards among so many."""
        chance = random.Random(seed)
        return [
            prepare(line, frames=count, taps_per_frame=taps_per_frame, cards=among, chance=chance)
            for line in lines
        ]

    def rides(
        self, lines: list[Line], *, count: int, taps_per_frame: int, among: int, seed: int
    ) -> list[list[bytes]]:
        """Prepare frames of taps that the node rates: each seed is a day of this month."""
        chance = random.Random(seed)
        first_day = day_of(time.time_ns() // 1_000_000) - RATED_DAYS
        prepared = partial(
            prepare_rides,
            frames=count,
            taps_per_frame=taps_per_frame,
            chance=chance,
            day=first_day + seed,
        )
        # Where there are fewer cards than terminals, some of these have nothing to do.
        return [
            prepared(line, cards=range(number, among, len(lines))) if number < among else []
            for number, line in enumerate(lines)
        ]

    def run(
        self, data: Path, node: NodeProcess, load: Callable[[], Awaitable[Load]]
    ) -> tuple[Load, float]:
        """Run a load, and remember what it must have left in the folder.

        Returns the load and the microseconds of processor time that a tap took of the node.
        """
        before_s = cpu_s(node.pid)
        with generating(self.pins):
            result = trio.run(load)
        cost_us = (cpu_s(node.pid) - before_s) * 1e6 / result.taps
        self._posted[data] += result.taps
        return result, cost_us

    def _certificate(self) -> tuple[str | Path, ...]:
        pair = self._authority.certify(self.place, "node", *THIS_MACHINE)
        return ("--tls-cert", pair.certificate, "--tls-key", pair.key)

    def acknowledged(self, data: Path, taps: int) -> None:
        """Remember that so many taps were acknowledged by a node that was killed then."""
        self._posted[data] += taps

    def expect(self, data: Path, entries: int) -> None:
        """Remember a folder that was made elsewhere, and what must stand in it at least."""
        self._posted[data] = entries

    def verify(self) -> dict[str, int]:
        """Verify all folders; return how many entries each holds.

        Raises:
          NotVerified: something is not as it was written, or a tap is missing.
        """
        entries = {}
        for path, posted in self._posted.items():
            self.tell(f"verifying {path.name}")
            began_s = time.perf_counter()
            with tempfile.TemporaryDirectory(dir=self.place) as scratch:
                report = verify_folder(path, Path(scratch))
            self.verify_rates.append(report.entries / (time.perf_counter() - began_s))
            if not report.ok or report.sum_of_accounts_rp:
                raise NotVerified(f"{path.name}: {'; '.join(report.problems)}")
            if report.entries < posted:
                missing = posted - report.entries
                raise NotVerified(f"{path.name}: {missing} acknowledged taps are missing")
            entries[path.name] = report.entries
        return entries
