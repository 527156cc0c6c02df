"""A data folder with rated taps, decided one after the other at a clock that the tests move."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Final, Literal

from engine.calendar import day_of
from engine.decisions import decide
from engine.law import Law, law_of
from engine.moment import moment
from engine.rules.rulebook import Rulebook
from engine.seen import Seen
from engine.transaction import Entry, Grant, Intent, Issue, Tap, TopUp, Transaction
from ops.network import load_network
from storage.folder import DataFolder
from storage.journal import TABLES as JOURNAL_TABLES
from storage.lmdb_store import LmdbStore
from storage.shard_store import ShardStore
from storage.view_rows import VIEWS_TABLES
from tests.engine.fares.test_ride import at
from tests.engine.rules.written import rule, text_of
from tests.engine.rules_here import RULEBOOK
from tests.storage.city import folded

BRT: Final = "transjakarta_brt"
OPERATORS: Final = {BRT: "transjakarta", "mrt": "mrtj", "lrt_jakarta": "lrtj"}
MINUTE_MS: Final = 60_000

DEARER: Final = text_of(
    "fare-2027",
    rule(
        "fare.transjakarta",
        "flat_fare",
        'services = ["transjakarta_brt", "transjakarta_non_brt"]\n'
        "amount_rp = 5_000\n"
        "windows = [{ since = 05:00:00, until = 07:00:00, amount_rp = 2_000 }]\n",
        since="2027-01-01",
    ),
)
"""Rp5,000 instead of Rp3,500, and Rp2,000 in the early hours as before."""


def law(rulebook: Rulebook = RULEBOOK) -> Law:
    """Return the law of a node: the network is the one that comes with the program."""
    return law_of(rulebook, load_network().network)


class Riders:
    """Decides what riders do, as a node does.

    Args:
      law: the rules of the node.
      now: the first moment, as people write it.

    Attributes:
      entries: all that was decided.
    """

    def __init__(self, law: Law, now: str) -> None:
        self.law = law
        self.now_ms = at(now)
        self.entries: list[Entry] = []
        self.book = folded(())
        self.book.find_entry = self.find

    def find(self, terminal: str, counter: int) -> Entry | None:
        """Return the entry of a transaction."""
        found = (e for e in self.entries if (e.terminal, e.counter) == (terminal, counter))
        return next(found, None)

    def send(self, intent: Intent, terminal: str = "T", *, at_ms: int | None = None) -> Entry:
        """Send an intent, of this moment or of an earlier one, which is not refused."""
        seen = self.book.terminals.get(terminal) or Seen()
        counter = seen.high + 1
        at_ms = self.now_ms if at_ms is None else at_ms
        transaction = Transaction(counter, at_ms, intent)
        entry = decide(self.book, moment(self.now_ms, self.law), terminal, transaction)
        assert entry.posted, (entry.reason, entry.detail)
        self.book.apply_recorded(entry)
        self.entries.append(entry)
        return entry

    def card(self, *cards: str, group: str = "") -> None:
        """Issue cards with Rp1,000,000, and let their holders be of a group."""
        for card in cards:
            self.send(Issue(card, "account", "dki", registered=True))
            self.send(TopUp(card, 1_000_000, "dki"))
            if group:
                today = day_of(self.now_ms)
                self.send(Grant(card, "free_ride", group, f"person-{card}", today, today + 150))

    def tap(
        self,
        when: str,
        card: str,
        direction: Literal["in", "out", "reset"],
        place: str = "a",
        *,
        service: str = BRT,
        line: str = "1",
        late_min: int = 0,
    ) -> Entry:
        """Tap at a moment, which the node is told of then or some minutes later."""
        self.now_ms = at(when) + late_min * MINUTE_MS
        intent = Tap(card, 0, OPERATORS[service], direction, place, line, service=service)
        return self.send(intent, f"{service}-{place}", at_ms=at(when))

    def ride(
        self,
        since: str,
        until: str,
        card: str,
        origin: str = "a",
        destination: str = "b",
        *,
        service: str = BRT,
        line: str = "1",
    ) -> Entry:
        """Ride from one moment of a day to another; return the entry of the tap-out."""
        self.tap(since, card, "in", origin, service=service, line=line)
        until = f"{since.partition(' ')[0]} {until}"
        return self.tap(until, card, "out", destination, service=service, line=line)

    def write(self, path: Path) -> Path:
        """Write a data folder; return its path."""
        return write_entries(self.entries, path)


def some_rides() -> Riders:
    """Return four riders on the first days of November 2025."""
    riders = Riders(law(), "2025-10-31 12:00")
    riders.card("A", "B", "C")
    riders.card("E", group="elderly")
    riders.ride("2025-11-03 06:00", "06:30", "A")
    riders.ride("2025-11-03 08:00", "08:30", "B")
    riders.ride("2025-11-03 17:00", "17:40", "B", line="2")
    riders.ride("2025-11-04 09:00", "09:30", "E")
    riders.ride("2025-11-04 10:00", "10:10", "C", "Blok M", "ASEAN", service="mrt", line="")
    return riders


def write_entries(entries: Iterable[Entry], path: Path) -> Path:
    """Write entries to a data folder, a block for each moment; return its path."""
    with (
        DataFolder.open(path, create=True) as data,
        closing(LmdbStore(data.journal, tables=JOURNAL_TABLES)) as journal,
        closing(LmdbStore(data.views, tables=VIEWS_TABLES)) as stored,
    ):
        shard = ShardStore.open(journal, stored, clock=float)
        for entry in entries:
            shard.fold((entry,))
            shard.append((entry,), entry.decided_ms)
        shard.checkpoint()
        data.pseudonyms.write_text("ab" * 32)
    return path
