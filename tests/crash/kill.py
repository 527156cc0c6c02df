"""A real node, killed with SIGKILL at random moments under full load, again and again.

    python -m tests.crash.kill 50

Terminals remember what was acknowledged to them, and send again whatever was not. In the end the
journal is read by itself: every acknowledged outcome must stand in it exactly as it was told, and
no transaction twice.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path

import trio
from msgspec import Struct

from actors.shard import outcome_of
from bench.line import Line, LineBroken, new_key, open_line, submit_frame
from bench.load import card_name, issue_cards
from engine.transaction import Tap, Transaction
from ops.node_process import NodeProcess
from protocol.messages import Outcome
from storage.folder import DataFolder
from storage.journal import TABLES, chain
from storage.lmdb_store import LmdbStore
from storage.verify import verify_folder
from tests.engine.rules_here import LAW

TERMINALS = 24
CARDS = 2_000
BATCH = 50
WORK_S = (0.15, 0.9)
"""How long a node works under full load before it is killed."""
WORK_MIN, WORK_S_MAX = 500, 30.0
"""Acknowledgements that a cycle must bring, and how long it is waited for them."""


class Drill(Struct):
    """What the cycles came to."""

    cycles: int = 0
    acknowledged: int = 0
    lost: int = 0
    doubled: int = 0
    changed_answers: int = 0
    slowest_start_s: float = 0.0
    slowest_recovery_s: float = 0.0
    replayed_max: int = 0
    unclean: int = 0
    acknowledged_in_least: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing was lost, doubled or altered."""
        return not (self.lost or self.doubled or self.changed_answers or self.unclean)


class Terminal:
    """A terminal that remembers what it sent and what it was told."""

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self.told: dict[int, Outcome] = {}
        self.changed_answers = 0
        self._key = new_key()
        self._chance = random.Random(seed)
        self._open: dict[int, Transaction] = {}
        self._counter = 0

    async def work(self, url: str) -> None:
        """Send again what is open, then new taps, until the node is gone."""
        try:
            with trio.fail_after(20):
                line = await open_line(url, self.name, self._key)
        except (LineBroken, OSError):
            return
        try:
            while True:
                await self._round(line, self._next_batch())
        except (LineBroken, OSError):
            return
        finally:
            line.close()

    async def finish(self, url: str) -> None:
        """Send again what is open until all of it is answered."""
        line = await open_line(url, self.name, self._key)
        while self._open:
            await self._round(line, list(self._open.values())[:BATCH])
        line.close()

    def _next_batch(self) -> list[Transaction]:
        if self._open:
            return list(self._open.values())[:BATCH]
        for _ in range(BATCH):
            self._counter += 1
            fare_rp = self._chance.choice((0, 2_000, 3_500))
            card = card_name(self._chance.randrange(CARDS))
            tap = Tap(card, fare_rp, "transjakarta", "in", "P00142")
            self._open[self._counter] = Transaction(self._counter, 1, tap)
        return list(self._open.values())

    async def _round(self, line: Line, batch: list[Transaction]) -> None:
        await line.send(submit_frame(batch))
        waiting = len(batch)
        while waiting:
            for outcome in await line.outcomes():
                waiting -= 1
                self._hear(outcome)

    def _hear(self, outcome: Outcome) -> None:
        if outcome.result in {"busy", "in_progress"}:
            return
        before = self.told.get(outcome.counter)
        if before is not None and not same_answer(before, outcome):
            self.changed_answers += 1
        self.told[outcome.counter] = outcome
        self._open.pop(outcome.counter, None)


def same_answer(one: Outcome, other: Outcome) -> bool:
    """Tell whether two outcomes say the same of the same entry."""
    return (one.result, one.reason, one.balance_rp, one.position) == (
        other.result,
        other.reason,
        other.balance_rp,
        other.position,
    )


def told(terminals: list[Terminal]) -> int:
    """Return how many transactions were acknowledged so far."""
    return sum(len(terminal.told) for terminal in terminals)


async def wait_told(terminals: list[Terminal], least: int) -> None:
    """Wait until so much was acknowledged: a cycle that did too little would prove nothing."""
    with trio.move_on_after(WORK_S_MAX):
        while told(terminals) < least:  # noqa: ASYNC110 - many terminals count together
            await trio.sleep(0.01)


async def drill(folder: Path, cycles: int, seed: int, *, verify_each: bool = True) -> Drill:
    """Kill and start a node `cycles` times, then compare the journal with what was told."""
    chance = random.Random(seed)
    found = Drill(acknowledged_in_least=sys.maxsize)
    terminals = [Terminal(f"GATE-{number}", seed + number) for number in range(TERMINALS)]
    node = NodeProcess.start(folder, dev=True)
    await issue_cards(node.url, CARDS)
    for _ in range(cycles):
        before = told(terminals)
        async with trio.open_nursery() as nursery:
            for terminal in terminals:
                nursery.start_soon(terminal.work, node.url)
            await trio.sleep(chance.uniform(*WORK_S))
            await wait_told(terminals, before + WORK_MIN)
            await trio.to_thread.run_sync(node.kill)
        done = told(terminals) - before
        found.acknowledged_in_least = min(found.acknowledged_in_least, done)
        if verify_each:
            found.unclean += not await trio.to_thread.run_sync(clean, folder)
        node = await trio.to_thread.run_sync(lambda: NodeProcess.start(folder, dev=True))
        found.cycles += 1
        found.slowest_start_s = max(found.slowest_start_s, node.started_in_s)
        found.slowest_recovery_s = max(found.slowest_recovery_s, node.ready["recovery_ms"] / 1000)
        found.replayed_max = max(found.replayed_max, node.ready["replayed"])
    for terminal in terminals:
        await terminal.finish(node.url)
    node.stop()
    found.unclean += not clean(folder)
    compare(folder, terminals, found)
    return found


def clean(folder: Path) -> bool:
    """Verify a folder."""
    with tempfile.TemporaryDirectory() as scratch:
        return verify_folder(folder, Path(scratch)).ok


def compare(folder: Path, terminals: list[Terminal], found: Drill) -> None:
    """Hold the journal, read by itself, against what the terminals were told."""
    promised = {
        (terminal.name, counter): outcome
        for terminal in terminals
        for counter, outcome in terminal.told.items()
    }
    found.acknowledged = len(promised)
    found.changed_answers = sum(terminal.changed_answers for terminal in terminals)
    seen: set[tuple[str, int]] = set()
    with DataFolder.open(folder, exclusive=False) as data:
        store = LmdbStore(data.journal, tables=TABLES, read_only=True)
        for block in chain(store):
            for position, entry in enumerate(block.entries, block.first_position):
                identity = (entry.terminal, entry.counter)
                found.doubled += identity in seen
                seen.add(identity)
                stands = outcome_of(entry, position, LAW.articles)
                found.lost += not same_answer(promised.pop(identity, stands), stands)
        store.close()
    found.lost += len(promised)


def main() -> None:
    """Run the drill from the command line: number of cycles, seed."""
    cycles = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns() % 1_000_000
    print(f"seed {seed}")  # noqa: T201 - a command
    with tempfile.TemporaryDirectory() as place:
        found = trio.run(drill, Path(place) / "node", cycles, seed)
    print(found)  # noqa: T201 - as above
    sys.exit(0 if found.ok else 1)


if __name__ == "__main__":
    main()
