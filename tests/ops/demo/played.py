"""What a node without faults makes of a morning, and what a demo of it would come to."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from engine.book import Book, empty_accounts
from engine.decisions import decide
from engine.moment import moment
from engine.transaction import Entry, Transaction
from ops.demo.audit import Answer, Identity, audit
from ops.demo.city import NOON_MS, City, Planned, morning
from ops.demo.network import Network, built_in
from ops.demo.result import Event, Latency, Outage, Result
from tests.engine.rules_here import LAW

KILLED_AT = datetime(2025, 11, 24, 8, 30, 0, 250_000, UTC)


class Played(NamedTuple):
    """A morning, the journal it left, and the answers the terminals got."""

    city: City
    entries: list[Entry]
    answers: dict[Identity, Answer]

    @property
    def planned(self) -> list[Planned]:
        return [*self.city.loads, *self.city.taps]


def journal_of(planned: Iterable[Planned]) -> list[Entry]:
    """Return the entries that the engine makes of transactions in this order."""
    book = Book(
        cards={},
        terminals={},
        returned={},
        holders={},
        chips={},
        accounts=empty_accounts(),
        find_entry=lambda _terminal, _counter: None,
    )
    entries = []
    for plan in planned:
        transaction = Transaction(plan.counter, plan.at_ms, plan.intent)
        entry = decide(book, moment(NOON_MS, LAW), plan.terminal, transaction)
        book.apply(entry)
        entries.append(entry)
    return entries


def small_city(network: Network) -> City:
    """Return a morning with a bit of everything."""
    return morning(network, random.Random(7), trips=600)


def played_on(city: City) -> Played:
    """Return a morning with its journal and answers."""
    entries = journal_of([*city.loads, *city.taps])
    answers = {
        (entry.terminal, entry.counter): Answer(position, entry.reason)
        for position, entry in enumerate(entries)
    }
    return Played(city, entries, answers)


def result_of(played: Played) -> Result:
    """What a demo of that morning would have come to."""
    taps = played.entries[len(played.city.loads) :]
    refused = Counter(entry.reason.value for entry in taps if entry.reason)
    return Result(
        city=played.city,
        audit=audit(played.entries, built_in(), played.planned, played.answers),
        events=(Event(KILLED_AT, "node killed with SIGKILL"),),
        seed=7,
        terminals=116,
        taps_sent=len(taps),
        posted=len(taps) - refused.total(),
        refused=dict(refused),
        resent=12,
        duplicates=5,
        unanswered=0,
        sending_s=2.0,
        latency=Latency(3.5, 900.25, 1200),
        calm=Latency(3.25, 20.5, 90),
        outage=Outage(KILLED_AT, recovery_ms=120.0, replayed=400, down_ms=600, away_ms=900),
        verified=True,
        blocks=42,
        problems=(),
        speed=None,
        folder="",
        took_s=9.5,
    )
