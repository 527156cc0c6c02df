"""Consumers of the feed, killed with SIGKILL at random moments while taps go on, again and again.

    python -m tests.crash.consumers 100

One follows the journal as lines and keeps its position in a file, the other one exports fares. In
the end the journal is read by itself: the lines of all runs, each counted once by its position,
must be the journal, and the rows of all files must be its fares, each exactly once.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from bench.line import Line, open_line, submit_frame
from bench.load import card_name, issue_cards
from engine.accounts import OPERATOR_REVENUE
from engine.transaction import Entry, Refund, Tap, Transaction
from ops.node_process import NodeProcess
from ops.tides.folder import PREFIX
from storage.folder import DataFolder
from storage.journal import TABLES, chain
from storage.lmdb_store import LmdbStore
from terminals.keys import new_key, save_key

LINES = 4
CARDS = 500
BATCH = 25
PAUSE_S = 0.02
"""Of a terminal between two frames: some thousand taps a second are to be followed."""
LIFE_S = (0.3, 1.6)
"""How long a consumer lives; the first half second it starts."""
OPERATORS = ("transjakarta", "mrt", "lrt")


class Found(Struct):
    """What the cycles came to."""

    cycles: int = 0
    entries: int = 0
    unanswered: int = 0
    lines: int = 0
    skipped: int = 0
    repeated: int = 0
    """Of the lines: written before a kill and again after it, and told apart by their position."""
    cut: int = 0
    """Of the lines: cut off in the middle by a kill."""
    altered: int = 0
    disordered: int = 0
    """Of the runs: one whose lines are not the entries from a position on, one after the other."""
    files: int = 0
    rows: int = 0
    rows_wrong: int = 0
    revenue_wrong: int = 0

    @property
    def ok(self) -> bool:
        """Whether the lines are the journal, and the rows its fares."""
        faults = (self.skipped, self.altered, self.disordered, self.rows_wrong, self.revenue_wrong)
        return not (any(faults) or self.unanswered)


class Gate:
    """A terminal that sends taps and a refund now and then, and counts the answers."""

    def __init__(self, line: Line, seed: int) -> None:
        self.sent = self.answered = 0
        self._line = line
        self._chance = random.Random(seed)
        self._name = f"gate-{seed:05d}"

    async def work(self, enough: trio.Event) -> None:
        """Send frame after frame until it is enough, and wait for all answers."""
        while not enough.is_set():
            frame = [self._next() for _ in range(BATCH)]
            self.sent += len(frame)
            await self._line.send(submit_frame(frame))
            while self.answered < self.sent:
                self.answered += len(await self._line.outcomes())
            await trio.sleep(PAUSE_S)
        self._line.close()

    def _next(self) -> Transaction:
        line, chance = self._line, self._chance
        line.counter += 1
        if line.counter % 10 == 0:
            return Transaction(line.counter, 1, Refund(self._name, line.counter - 1, 500))
        card = card_name(chance.randrange(CARDS))
        tap = Tap(card, chance.choice((0, 3_500)), chance.choice(OPERATORS), "out", "P00142", "1")
        return Transaction(line.counter, 1, tap)


class Consumer:
    """A command that is started, killed, and started again."""

    def __init__(self, *arguments: str | Path) -> None:
        self._command = [sys.executable, "-m", "ops", *map(str, arguments)]

    async def live(self, output: Path, life_s: float) -> None:
        """Run for so long, with an output of its own, and end by SIGKILL."""
        process = await trio.to_thread.run_sync(self._start, output)
        await trio.sleep(life_s)
        process.kill()
        await trio.to_thread.run_sync(process.wait)

    def _start(self, output: Path) -> subprocess.Popen[bytes]:
        with output.open("wb") as file:
            return subprocess.Popen([*self._command, "--follow"], stdout=file)

    def finish(self, output: Path) -> None:
        """Run to the journal's end."""
        with output.open("wb") as file:
            command = [*self._command, "--no-follow"]
            subprocess.run(command, stdout=file, check=True, timeout=120)


async def drill(place: Path, cycles: int, seed: int) -> Found:
    """Kill and start both consumers `cycles` times under load, then compare."""
    chance, found, enough = random.Random(seed), Found(), trio.Event()
    node = await trio.to_thread.run_sync(lambda: NodeProcess.start(place / "node", dev=True))
    await issue_cards(node.url, CARDS)
    key = new_key()
    save_key(place / "key", key)
    common = ("--url", node.url, "--key", place / "key", "--name")
    rows = ("--rows", "400", "--seconds", "1")
    consumers = {
        "feed": Consumer("feed", *common, "FEED", "--state", place / "state"),
        "tides": Consumer("export", "tides", *common, "TIDES", "--out", place / "fares", *rows),
    }
    gates = [Gate(await open_gate(node.url, number, key), number) for number in range(LINES)]

    async def kill_again_and_again(name: str) -> None:
        for number in range(cycles):
            output = place / f"{name}-{number:05d}"
            await consumers[name].live(output, chance.uniform(*LIFE_S))

    async with trio.open_nursery() as loading:
        for gate in gates:
            loading.start_soon(gate.work, enough)
        async with trio.open_nursery() as killing:
            for name in consumers:
                killing.start_soon(kill_again_and_again, name)
        enough.set()
    found.unanswered = sum(gate.sent - gate.answered for gate in gates)
    for name, consumer in consumers.items():
        await trio.to_thread.run_sync(consumer.finish, place / f"{name}-99999")
    found.cycles = cycles
    await trio.to_thread.run_sync(node.stop)
    journal = entries_in(place / "node")
    found.entries = len(journal)
    outputs = [*(place / f"feed-{number:05d}" for number in range(cycles)), place / "feed-99999"]
    compare_lines(outputs, journal, found)
    compare_rows(place / "fares", journal, found)
    return found


async def open_gate(url: str, number: int, key: Ed25519PrivateKey) -> Line:
    """Connect a terminal."""
    return await open_line(url, f"gate-{number:05d}", key)


def entries_in(folder: Path) -> list[Entry]:
    """Read a journal by itself."""
    with DataFolder.open(folder, exclusive=False) as data:
        store = LmdbStore(data.journal, tables=TABLES, read_only=True)
        entries = [entry for block in chain(store) for entry in block.entries]
        store.close()
    return entries


def compare_lines(outputs: list[Path], journal: list[Entry], found: Found) -> None:
    """Hold the lines of all runs against the journal."""
    times: Counter[int] = Counter()
    for output in outputs:
        *lines, cut = output.read_bytes().split(b"\n")
        found.cut += bool(cut)
        told = [json.loads(line) for line in lines]
        positions = [line["position"] for line in told]
        expected = range(positions[0], positions[0] + len(positions)) if positions else []
        found.disordered += positions != [*expected]
        times.update(positions)
        found.altered += sum(not is_same(line, journal) for line in told)
    found.lines = times.total()
    found.repeated = times.total() - len(times)
    found.skipped = len(set(range(len(journal))) - set(times))


def is_same(line: dict[str, object], journal: list[Entry]) -> bool:
    """Tell whether a line is the entry at its position, as far as can be seen at a glance."""
    position = line["position"]
    assert isinstance(position, int)
    if position >= len(journal):
        return False
    entry = journal[position]
    names = ("terminal", "counter", "decided_ms", "balance_rp", "previous", "reason")
    return all(line[name] == getattr(entry, name) for name in names)


def compare_rows(folder: Path, journal: list[Entry], found: Found) -> None:
    """Hold the rows of all files against the journal."""
    found.files = len([*folder.glob(f"{PREFIX}-*")])
    table = pq.read_table(folder)
    told = zip(
        *(table[name].to_pylist() for name in ("journal_position", "agency_id", "amount")),
        strict=True,
    )
    rows, expected = Counter(told), Counter(fares(journal))
    found.rows = rows.total()
    found.rows_wrong = (rows - expected).total() + (expected - rows).total()
    revenue: Counter[str] = Counter()
    for (_, agency, amount_rp), times in rows.items():
        revenue[agency] += amount_rp * times
    for entry in journal:
        for kind, owner, amount_rp in entry.postings:
            if kind == OPERATOR_REVENUE:
                revenue[owner] -= amount_rp
    found.revenue_wrong = sum(map(abs, revenue.values()))


def fares(journal: list[Entry]) -> Iterator[tuple[int, str, int]]:
    """Yield position, operator and amount of what the drill's taps and refunds came to."""
    for position, entry in enumerate(journal):
        if entry.reason:
            continue
        lines = [line for line in entry.postings if line[0] == OPERATOR_REVENUE]
        for _, owner, amount_rp in lines:
            yield position, owner, amount_rp
        if isinstance(entry.intent, Tap) and not lines:
            yield position, entry.intent.operator, 0


def main() -> None:
    """Run the drill from the command line: number of cycles, seed."""
    cycles = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns() % 1_000_000
    print(f"seed {seed}")  # noqa: T201 - a command
    with tempfile.TemporaryDirectory() as place:
        found = trio.run(drill, Path(place), cycles, seed)
    print(found)  # noqa: T201 - as above
    sys.exit(0 if found.ok else 1)


if __name__ == "__main__":
    main()
