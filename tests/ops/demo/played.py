"""What a node without faults makes of a morning."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from engine.book import Book, empty_accounts
from engine.decisions import decide
from engine.moment import moment
from engine.transaction import Entry, Transaction
from ops.demo.audit import Answer, Identity
from ops.demo.city import City, Planned


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
        accounts=empty_accounts(),
        find_entry=lambda _terminal, _counter: None,
    )
    entries = []
    for plan in planned:
        transaction = Transaction(plan.counter, plan.at_ms, plan.intent)
        entry = decide(book, moment(plan.at_ms), plan.terminal, transaction)
        book.apply(entry)
        entries.append(entry)
    return entries
