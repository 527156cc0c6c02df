"""A shard in memory and somebody to answer, for the tests of the actors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TypeVar

import pytest
import trio

from actors.desk import Desk
from actors.fleet.answers import FleetDesk
from actors.fleet.fleet import Fleet
from actors.runtime import Kind, Node, Report, Reporter, State
from actors.seams import Offload, Seams, in_thread
from actors.shard import Placed, Shard, outcome_of
from engine.transaction import Intent, Issue, Tap, TopUp, Transaction
from protocol.messages import AnswerBody, Outcome
from protocol.session import KeyName
from storage.fleet.tables import FLEET_TABLES
from storage.journal import TABLES as JOURNAL_TABLES
from storage.memory_store import MemoryStore
from storage.shard_store import ShardStore
from storage.store import Store
from storage.view_rows import VIEWS_TABLES
from tests.engine.rules_here import LAW
from tests.protocol.peer import StoredKey

T = TypeVar("T")

NOON_MS = 1_760_000_000_000
CARD = "6013500100000001"
ROOT = Node("node", Kind.SUPERVISOR, State.RUNNING, 0.0)


async def on_the_spot(call: Callable[[], T], /) -> T:
    """Run a blocking call where it is asked for, as a simulation does."""
    return call()


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.ms = NOON_MS
        self.s = 100.0

    def __call__(self) -> int:
        """Return the time of day, in milliseconds."""
        return self.ms

    def seconds(self) -> float:
        """Return the seconds that ages are told in."""
        return self.s


class FakeKeys:
    """Keys that are enrolled as services unless a test says otherwise, and counts of looks."""

    def __init__(self) -> None:
        self.others: dict[str, StoredKey | None] = {}
        self.looks: list[int] = []
        self.found = 0
        self._version = 0

    def set(self, terminal: str, key: StoredKey | None) -> None:
        """Write another record for all keys of a terminal, or take it away."""
        self.others[terminal] = key
        self._version += 1

    def find(self, terminal: str, _public_key: bytes) -> StoredKey | None:
        """Return what is enrolled under a name."""
        self.found += 1
        return self.others.get(terminal, StoredKey("service"))

    def find_many(self, names: Sequence[KeyName]) -> list[StoredKey | None]:
        """Return what is enrolled under names, and keep how many they were."""
        self.looks.append(len(names))
        return [self.find(*name) for name in names]

    def version(self) -> int:
        """Return how often something was set."""
        return self._version


class Disk:
    """Two stores in memory that outlive the shards opened on them."""

    def __init__(self) -> None:
        self.journal = MemoryStore(tables=JOURNAL_TABLES)
        self.views = MemoryStore(tables=VIEWS_TABLES)
        self.fleet = MemoryStore(tables=FLEET_TABLES)

    def open(self) -> AbstractContextManager[ShardStore]:
        """Open a shard's store, which is not closed in the end."""
        return nullcontext(ShardStore.open(self.journal, self.views, clock=float))

    def open_fleet(self) -> AbstractContextManager[Store]:
        """Open the fleet's store, which is not closed in the end."""
        return nullcontext(self.fleet)

    def shard(self, clock: Clock) -> Shard:
        """Open a shard."""
        with self.open() as store:
            return Shard(store, now_ms=clock, law=LAW, clock=clock.seconds)


class Sender:
    """Somebody who sends, and keeps what is answered."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.answers: list[tuple[int, AnswerBody]] = []
        self.answered = trio.Event()

    def answer(self, placed: Sequence[Placed]) -> None:
        """Keep what has become durable."""
        for run in placed:
            for position, entry in enumerate(run.entries, run.first_position):
                self.outcomes.append(outcome_of(entry, position, LAW.articles))

    def answer_query(self, query_id: int, body: AnswerBody) -> None:
        """Keep an answer."""
        self.answers.append((query_id, body))
        self.answered.set()


def unreported(report: Report) -> None:
    """Take a report where nothing is to be reported."""
    pytest.fail(report.reason)


def seams_of(clock: Callable[[], int]) -> Seams:
    """Return the seams of a node without threads and without chance."""
    return Seams(clock, partial(bytes, 32), float, on_the_spot)


def fleet_on(
    disk: Disk, clock: Clock, note: Callable[[str], None] = pytest.fail, *, issued: int = 0
) -> Fleet:
    """Return a fleet on a disk; it does nothing until it runs."""
    return Fleet(
        open_store=disk.open_fleet, cards_issued=lambda: issued, seams=seams_of(clock), note=note
    )


def desk_on(
    shard: Shard,
    *,
    offload: Offload = in_thread,
    report: Reporter = unreported,
    fleet: Fleet | None = None,
) -> Desk:
    """Return a desk that answers about a shard, and about a fleet that nobody is in."""
    asked = fleet or fleet_on(Disk(), Clock())
    fleet_desk = FleetDesk(asked, snapshot=lambda: ROOT, seams=seams_of(Clock()))
    return Desk(lambda: shard, fleet_desk, offload=offload, report=report)


def tap(counter: int, amount_rp: int = 3_500, *, card: str = CARD, at_ms: int = 1) -> Transaction:
    """Return a tap as it is sent."""
    return Transaction(counter, at_ms, Tap(card, amount_rp, "transjakarta", "in", "P00142"))


def advice(counter: int, amount_rp: int = 3_500, *, card: str = CARD) -> Transaction:
    """Return a tap that has happened on a chip."""
    intent = Tap(card, amount_rp, "transjakarta", "in", "P00142", proof=b"proof")
    return Transaction(counter, 1, intent)


def commit(shard: Shard) -> None:
    """Make durable what waits, as the committer does."""
    block = shard.take_block()
    assert block is not None
    shard.store.append(block.entries, block.entries[-1].decided_ms)
    shard.release(block)


def send(shard: Shard, *intents: Intent, terminal: str = "DESK-1", first: int = 1) -> list[Outcome]:
    """Submit intents, make them durable, and return what was answered."""
    sender = Sender()
    batch = [Transaction(first + n, 1, intent) for n, intent in enumerate(intents)]
    at_once = shard.submit(sender, terminal, batch)
    if shard.waiting:
        commit(shard)
    return at_once + sender.outcomes


def open_with_card(disk: Disk, clock: Clock, balance_rp: int = 100_000) -> Shard:
    """Return a shard with one card that has money on it."""
    shard = disk.shard(clock)
    send(shard, Issue(CARD, "account", "dki"), TopUp(CARD, balance_rp, "dki"))
    return shard
