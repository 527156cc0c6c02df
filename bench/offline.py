"""A day offline: terminals come back together, and tell their node of a day, on bad lines."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import trio
from msgspec import Struct

from bench.days import DayMade, Told, make_days
from bench.errors import NotVerified
from bench.figures import Figure
from bench.lanes import BANK, new_masters, opened_journal, placed
from bench.machine import cpu_s, generating
from bench.rough import SMOOTH, RoughLines, Roughness, Tally
from bench.setting import Bench
from engine.accounts import PURSE
from ops.chip_key_stores import file_store
from ops.node import now_ms
from terminals import intents
from terminals.acceptance.journal import TapJournal
from terminals.acceptance.sender import Sender
from terminals.acceptance.timing import Timing
from terminals.acceptance.uplink import Node, Uplink
from terminals.chip_answers import ShiftFound
from terminals.client import TerminalClient, open_terminal
from terminals.clock import NodeClock
from terminals.keeper import FileKeeper
from terminals.messages import Balance
from terminals.nursery import flat_nursery

DRAIN_S_MAX: Final = 600.0
CHECKS_S_MAX: Final = 120.0
ROUGH: Final = Roughness()
OFFICER: Final = "operator-bench"
POSTED: Final = "posted"


class Drained(Struct, frozen=True):
    """What it took until a node had all that terminals had done.

    Attributes:
      cost_us: processor time of the node for a tap.
      load_us: that of the terminals.
    """

    taps: int
    took_s: float
    cost_us: float
    load_us: float
    tally: Tally


def offline(bench: Bench) -> list[Figure]:
    """Terminals with a day in their journals drain them into a node that judges each proof.

    Beside it, in the same minute, the same journals on good lines, into a node that judges, and
    into one that has no keys of chips.

    Raises:
      NotVerified: a tap is missing, unproved, or in another sum; chips and ledger differ.
    """
    plan = bench.plan
    bench.tell(f"making {plan.offline_terminals:,} days of {plan.offline_taps:,} taps")
    masters, began_s = new_masters(os.urandom), time.perf_counter()
    days = make_days(
        bench.place / "days",
        plan.offline_terminals,
        plan.offline_taps,
        masters=masters,
        now_ms=now_ms(),
        workers=len(os.sched_getaffinity(0)),
    )
    made_s = time.perf_counter() - began_s
    keys = _key_options(bench.place, masters)
    rough, smooth, believed = [], [], []
    drained = partial(_drain_into_node, bench, days)
    for turn in range(plan.repeats):
        rough.append(drained(f"rough-{turn}", keys, ROUGH))
        smooth.append(drained(f"smooth-{turn}", keys, SMOOTH))
        believed.append(drained(f"believed-{turn}", (), SMOOTH))
    # The system counts in hundredths of a second: few taps may seem to cost nothing.
    shares = [
        one.cost_us / max(other.cost_us, 1.0) for one, other in zip(smooth, believed, strict=True)
    ]
    paused_s = [one.took_s - other.took_s for one, other in zip(rough, smooth, strict=True)]
    return [
        *_figures(rough, plan.offline_terminals, plan.offline_taps),
        Figure("offline_rough_s", "longer than on good lines", paused_s),
        Figure("offline_smooth_taps_per_s", "on good lines, judged", _rates(smooth)),
        Figure("offline_smooth_cpu_us", "of the node for a tap", _costs(smooth)),
        Figure("offline_believed_taps_per_s", "good lines, a node without keys", _rates(believed)),
        Figure("offline_believed_cpu_us", "of that node for a tap", _costs(believed)),
        Figure("offline_judged_share", "of its processor time, with proofs judged", shares),
        Figure("offline_making_s", "the days made, not part of the above", [made_s]),
    ]


def _figures(runs: Sequence[Drained], terminals: int, taps: int) -> list[Figure]:
    what = f"{terminals:,} terminals with {taps:,} taps each"
    tallies = [each.tally for each in runs]
    return [
        Figure("offline_drain_s", what, [each.took_s for each in runs], "< 60"),
        Figure("offline_taps_per_s", "the same, each proof judged", _rates(runs)),
        Figure("offline_cpu_us", "processor time of the node for a tap", _costs(runs)),
        Figure("offline_load_us", "of all terminals together", [each.load_us for each in runs]),
        Figure("offline_frames", "sent, of all kinds", [each.frames for each in tallies]),
        Figure("offline_doubled", "frames sent twice", [each.doubled for each in tallies]),
        Figure("offline_overtaken", "frames out of order", [each.overtaken for each in tallies]),
        Figure("offline_cuts", "lines cut", [each.cuts for each in tallies]),
        Figure("offline_lost", "taps without an answer then", [each.lost for each in tallies]),
        Figure("offline_repeated", "duplicates answered", [each.repeated for each in tallies]),
    ]


def _rates(runs: Sequence[Drained]) -> list[float]:
    return [each.taps / each.took_s for each in runs]


def _costs(runs: Sequence[Drained]) -> list[float]:
    return [each.cost_us for each in runs]


def _key_options(place: Path, masters: dict[str, bytes]) -> tuple[str | Path, ...]:
    """Write the keys of chips to a file, and return what tells a node of it."""
    passphrase, file, secret = os.urandom(16).hex(), place / "chip.keys", place / "passphrase"
    file_store.create(file, passphrase, placed(masters), chance=os.urandom)
    secret.touch(mode=0o600)
    secret.write_text(passphrase)
    return ("--chip-keys", file, "--chip-passphrase-file", secret)


def _drain_into_node(
    bench: Bench,
    days: Sequence[DayMade],
    name: str,
    options: Sequence[str | Path],
    roughness: Roughness,
) -> Drained:
    """Drain copies of journals into a node of their own, and hold all against each other."""
    data, copies = bench.place / f"offline-{name}", bench.place / f"terminals-{name}"
    kiosks = [_copied(day.kiosk, copies) for day in days]
    gates = [_copied(day.gate, copies) for day in days]
    with bench.node(data, options=options) as node:
        with generating(bench.pins):
            bench.tell(f"{name}: issuing cards, and what was loaded on them")
            trio.run(_issue, node.url, bench, days)
            trio.run(partial(_drain, bench, node.url, kiosks, SMOOTH, Tally()))
            bench.tell(f"{name}: {len(gates):,} terminals drain their journals")
            tally, before_s, load_s = Tally(), cpu_s(node.pid), time.process_time()
            took_s = trio.run(partial(_drain, bench, node.url, gates, roughness, tally))
            load_s = time.process_time() - load_s
        used_s = cpu_s(node.pid) - before_s
        bench.tell(f"{name}: comparing shifts and cards")
        trio.run(_check, node.url, bench, [*kiosks, *gates], days)
    taps = sum(each.shift.count for each in gates)
    cards = sum(len(day.cards) for day in days)
    bench.expect(data, taps + 2 * cards)
    shutil.rmtree(copies)
    return Drained(taps, took_s, used_s * 1e6 / taps, load_s * 1e6 / taps, tally)


def _copied(told: Told, folder: Path) -> Told:
    journal = folder / told.terminal
    shutil.copytree(told.journal, journal / "journal")
    return Told(told.terminal, str(journal), told.shift)


async def _drain(
    bench: Bench, url: str, all_told: Sequence[Told], roughness: Roughness, tally: Tally
) -> float:
    """Let terminals connect at once, and return the seconds until none has a backlog.

    Raises:
      NotVerified: a tap was not posted.
      trio.TooSlowError: it took longer than `DRAIN_S_MAX`.
    """
    with ExitStack() as stack:
        journals = [
            stack.enter_context(opened_journal(Path(told.journal) / "journal", now_ms()))
            for told in all_told
        ]
        comings = [
            _Coming(bench, url, told, journal, RoughLines(random.Random(seed), roughness, tally))
            for seed, (told, journal) in enumerate(zip(all_told, journals, strict=True))
        ]
        took_s = await _all_come(comings)
        for told, journal in zip(all_told, journals, strict=True):
            _check_journal(told, journal)
    return took_s


async def _all_come(comings: Sequence[_Coming]) -> float:
    """Let all come in one instant; return the seconds until the last one is done."""
    began_s = time.perf_counter()
    with trio.fail_after(DRAIN_S_MAX):
        async with flat_nursery() as nursery:
            for coming in comings:
                nursery.start_soon(coming.run)
    return time.perf_counter() - began_s


class _Coming:
    """A terminal that comes back to its node."""

    def __init__(
        self, bench: Bench, url: str, told: Told, journal: TapJournal, lines: RoughLines
    ) -> None:
        clock = NodeClock(now_ms, steady_s=time.monotonic)
        self._sender = Sender(journal, Timing(clock, journal.run))
        self._uplink = Uplink(
            Node(
                url=url,
                terminal=told.terminal,
                key=bench.key,
                random=random.Random(told.terminal).random,
                connect=lines.connect,
            ),
            keeper=FileKeeper(Path(told.journal) / "kept"),
            journal=journal,
            sender=self._sender,
            clock=clock,
        )

    async def run(self) -> None:
        """Stay until the node has all there is."""
        async with flat_nursery() as nursery:
            nursery.start_soon(self._uplink.run)
            await self._sender.wait_empty()
            nursery.cancel_scope.cancel()


# --- what has to be so afterwards -------------------------------------------------------------


def _check_journal(told: Told, journal: TapJournal) -> None:
    shift = told.shift
    # What the ledger dislikes in an advice may stand behind that.
    results = {
        tap.result.partition(":")[0] for tap in journal.taps(shift.first, shift.last, shift.count)
    }
    if journal.backlog or results != {POSTED}:
        raise NotVerified(f"{told.terminal}: {journal.backlog} taps left; results {results}")


async def _issue(url: str, bench: Bench, days: Sequence[DayMade]) -> None:
    """Have the node know all cards, each bound to its chip."""
    wanted = [
        intents.issue(card.number, "stored", BANK, chip=card.uid)
        for day in days
        for card in day.cards
    ]
    async with _officer(url, bench) as officer:
        results = {(each.result, each.reason) for each in await officer.send(wanted)}
    if results != {(POSTED, "")}:
        raise NotVerified(f"cards were not issued: {results}")


async def _check(url: str, bench: Bench, all_told: Sequence[Told], days: Sequence[DayMade]) -> None:
    """Ask the node for each shift and each card.

    Raises:
      NotVerified: it has something else than terminals and chips have.
    """
    async with _officer(url, bench) as officer:
        for told in all_told:
            shift = told.shift
            asked = (told.terminal, shift.first, shift.last, shift.taken_rp, shift.added_rp)
            answer = await officer.query(("shift", *asked))
            if not isinstance(answer, ShiftFound) or not answer.complete or answer.unproved:
                raise NotVerified(f"{told.terminal} has counted {shift}, and the node {answer}")
        for card in (card for day in days for card in day.cards):
            answer = await officer.query(("balance", PURSE, card.number))
            if not isinstance(answer, Balance) or answer.balance_rp != card.value_rp:
                raise NotVerified(
                    f"Rp{card.value_rp:,} stand on the chip of {card.number}; the node: {answer}"
                )


@asynccontextmanager
async def _officer(url: str, bench: Bench) -> AsyncIterator[TerminalClient]:
    with trio.fail_after(CHECKS_S_MAX):
        async with open_terminal(
            url, OFFICER, bench.key, clock_ms=now_ms, random=random.Random(1).random
        ) as client:
            yield client
