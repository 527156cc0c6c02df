"""The demo itself: a node, its terminals, a morning, a kill half way, and the audit of it all."""

from __future__ import annotations

import random
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

import trio
from msgspec import Struct

from engine.transaction import TopUp
from ops.demo.audit import Answer, Audit, Identity, audit
from ops.demo.city import NOON_MS, Planned, morning
from ops.demo.fleet import Fleet, Wait
from ops.demo.host import Host, enrol
from ops.demo.network import Network
from ops.demo.result import Outage, Result, latency_of
from ops.demo.watch import Diary, watch
from ops.node import clock_since
from storage.folder import DataFolder
from storage.journal import TABLES as JOURNAL_TABLES
from storage.journal import chain
from storage.lmdb_store import LmdbStore
from storage.verify import Report, verify_folder

TAPS_PER_S: Final = 1_500
"""Mean rate of a morning if no speed is asked for; its peak is two and a half times as high. Two
cores carry that with the terminals, which are in Python too, on one of them."""

PLAY_S_MIN: Final = 4.0
"""A morning of few trips takes so long all the same, so that the kill falls into it."""


class Options(Struct, frozen=True):
    """What a demo is to do.

    Attributes:
      trips: how many the morning has.
      seed: of all that is drawn.
      speed: how many times faster than the city; None for what two cores carry.
      kill: whether to kill the node half way.
      keep: whether the data folder will be there afterwards.
    """

    trips: int
    seed: int
    speed: float | None = None
    kill: bool = True
    keep: bool = False


class Interruption(Struct, frozen=True):
    """The outage and when it was, on trio's clock: from the kill to the last terminal's return."""

    outage: Outage
    killed_s: float
    back_s: float

    def touched(self, wait: Wait) -> bool:
        """Tell whether a tap waited for its answer at any time of the outage."""
        return wait.answered_s >= self.killed_s and wait.due_s <= self.back_s


class Demo:
    """One demo in one empty data folder.

    Args:
      network: the facts.
      options: what to do.
      data: the folder.
      diary: where it is told what happens.
    """

    def __init__(self, network: Network, options: Options, data: Path, diary: Diary) -> None:
        self._network = network
        self._options = options
        self._data = data
        self._diary = diary
        self._host = Host(data)
        self._began_s = time.monotonic()
        self._city = morning(network, random.Random(options.seed), trips=options.trips)

    async def run(self) -> Result:
        """Run it and return what it came to.

        Raises:
          NodeFailed: the node did not start or stop.
          StorageError: the folder cannot be used.
          ExceptionGroup: of a TerminalError: a terminal could not go on.
        """
        city, note = self._city, self._diary.note
        note(
            f"planned {city.trips:,} trips: {len(city.taps):,} taps of {city.cards:,} cards "
            f"on {len(self._network.lines)} lines"
        )
        try:
            fleet = await self._fleet()
            async with trio.open_nursery() as nursery:
                await fleet.start(nursery)
                note(f"{len(fleet)} terminals connected by websocket")
                await self._load(fleet)
                interruption = await self._play(fleet)
                repeated = await self._repeat(fleet)
                await fleet.close()
            await self._host.stop()
            note("node stopped")
        finally:
            self._host.kill()
        found, report = await trio.to_thread.run_sync(
            inspect, self._data, self._network, (*city.loads, *city.taps), fleet.answers
        )
        note(f"verified the journal and compared {found.entries:,} entries with the plan")
        return self._result(fleet, interruption, repeated, found, report)

    async def _fleet(self) -> Fleet:
        """Start a node in which all terminals are enrolled."""
        names = dict.fromkeys(plan.terminal for plan in (*self._city.loads, *self._city.taps))
        keys = await trio.to_thread.run_sync(enrol, self._data, names)
        node = await self._host.start()
        self._diary.note(f"node {node.pid} listens on {node.url}, {len(keys)} terminals enrolled")
        chance = random.Random(self._options.seed).random
        return Fleet(node.url, keys, clock_ms=clock_since(NOON_MS), random=chance)

    async def _load(self, fleet: Fleet) -> None:
        loads = self._city.loads
        await fleet.submit(loads)
        topped_up_rp = sum(p.intent.amount_rp for p in loads if isinstance(p.intent, TopUp))
        self._diary.note(
            f"{self._city.cards:,} cards issued by {len(self._network.banks)} banks "
            f"and topped up with Rp{topped_up_rp:,}"
        )

    async def _play(self, fleet: Fleet) -> Interruption | None:
        """Send the taps of the morning, and kill the node half way."""
        taps = self._city.taps
        span_s = (taps[-1].at_ms - taps[0].at_ms) / 1000
        speed = self._options.speed or span_s / max(PLAY_S_MIN, len(taps) / TAPS_PER_S)
        halfway = trio.Event()
        interruption = None
        self._diary.note(f"the first tap; the city's clock runs {speed:,.0f} times as fast")
        async with trio.open_nursery() as watching:
            watching.start_soon(watch, self._diary.console, fleet, self._city, self._state)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(partial(fleet.play, taps, speed=speed, halfway=halfway))
                if self._options.kill:
                    await halfway.wait()
                    interruption = await self._interrupt(fleet)
            watching.cancel_scope.cancel()
        self._diary.note("the last tap is answered")
        return interruption

    async def _interrupt(self, fleet: Fleet) -> Interruption:
        note, sessions = self._diary.note, fleet.sessions()
        killed_s = trio.current_time()
        self._host.kill()
        killed = note(
            f"node killed with SIGKILL after {fleet.sent:,} taps, "
            f"{fleet.sent - len(fleet.waits):,} of them unanswered"
        )
        node = await self._host.start()
        listening_s = trio.current_time()
        replayed, recovery_ms = node.ready["replayed"], node.ready["recovery_ms"]
        note(f"node {node.pid} is back: {replayed:,} entries replayed in {recovery_ms:,.0f} ms")
        await fleet.wait_back(sessions)
        back_s = trio.current_time()
        note(f"all {len(fleet)} terminals are back")
        outage = Outage(
            killed_at=killed.at,
            recovery_ms=recovery_ms,
            replayed=replayed,
            down_ms=round((listening_s - killed_s) * 1000, 1),
            away_ms=round((back_s - killed_s) * 1000, 1),
        )
        return Interruption(outage, killed_s, back_s)

    async def _repeat(self, fleet: Fleet) -> int:
        """Let the busiest reader send its whole morning once more, as after a mended line."""
        ((reader, _),) = Counter(tap.terminal for tap in self._city.taps).most_common(1)
        taps = [tap for tap in self._city.taps if tap.terminal == reader]
        known = fleet.repeated
        await fleet.submit(taps)
        self._diary.note(
            f"{reader} sent its {len(taps):,} taps once more: "
            f"{fleet.repeated - known:,} got their first answer again"
        )
        return len(taps)

    def _state(self) -> str:
        return "" if self._host.running else "node is down"

    def _result(
        self,
        fleet: Fleet,
        interruption: Interruption | None,
        repeated: int,
        found: Audit,
        report: Report,
    ) -> Result:
        taps = self._city.taps
        planned = len(self._city.loads) + len(taps)
        answers = [fleet.answers.get((tap.terminal, tap.counter)) for tap in taps]
        refused = Counter(answer.reason for answer in answers if answer and answer.reason)
        waits = fleet.waits
        calm = [wait for wait in waits if not (interruption and interruption.touched(wait))]
        began_s, ended_s = min(w.due_s for w in waits), max(w.answered_s for w in waits)
        return Result(
            city=self._city,
            audit=found,
            events=tuple(self._diary.events),
            seed=self._options.seed,
            terminals=len(fleet),
            taps_sent=fleet.sent,
            posted=sum(answer is not None and not answer.reason for answer in answers),
            refused=dict(refused),
            resent=fleet.resent + repeated,
            duplicates=fleet.repeated,
            unanswered=planned - len(fleet.answers),
            sending_s=ended_s - began_s,
            latency=latency_of([wait.answered_s - wait.due_s for wait in waits]),
            calm=latency_of([wait.answered_s - wait.due_s for wait in calm]),
            outage=interruption.outage if interruption else None,
            verified=report.ok,
            blocks=report.blocks,
            problems=report.problems,
            speed=self._options.speed,
            folder=str(self._data) if self._options.keep else "",
            took_s=time.monotonic() - self._began_s,
        )


def inspect(
    data: Path,
    network: Network,
    planned: Sequence[Planned],
    answers: Mapping[Identity, Answer],
) -> tuple[Audit, Report]:
    """Verify a folder that no node holds, and audit its journal.

    Raises:
      StorageError: the folder cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="jakarta-one-verify-") as scratch:
        report = verify_folder(data, Path(scratch))
    with (
        DataFolder.open(data) as folder,
        closing(LmdbStore(folder.journal, tables=JOURNAL_TABLES, read_only=True)) as journal,
    ):
        entries = (entry for block in chain(journal) for entry in block.entries)
        return audit(entries, network, planned, answers), report
