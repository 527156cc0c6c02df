"""A ledger that decides what is sent by the rules, as a node does, without the node."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgpack
import msgspec

from engine.accounts import OWED, OWED_FARES
from engine.book import Book
from engine.decisions import decide
from engine.moment import moment
from engine.transaction import Issue, Transaction
from ops.replay.held import Held
from ops.replay.plan import Plan, Step, make_plan
from ops.replay.services import Services
from ops.replay.trips import Trip
from terminals.answers import ENTRY
from terminals.messages import Entry, Found, Outcome
from tests.engine.rules_here import LAW
from tests.ops.replay.small import ms
from tests.storage.city import folded

AFTER_ALL_MS: Final = ms("16 00:00:00")
LINES: Final = Services({"5": "transjakarta_brt", "JAK.18": "mikrotrans"})


class RatedLedger:
    """Decides steps, and holds the entries.

    Attributes:
      book: as it stands.
      entries: by terminal and counter.
      cards: that were issued.
    """

    def __init__(self) -> None:
        self.book: Book = folded(())
        self.entries: dict[tuple[str, int], Found] = {}
        self.cards: set[str] = set()

    @property
    def held(self) -> Held:
        """All that it holds, as a survey finds it."""
        return Held(found.entry for found in self.entries.values())

    def replay(self, trips: Sequence[Trip], services: Services | None = LINES) -> Plan:
        """Send what is not held of these trips, and look all of it up."""
        self.issue({trip.card for trip in trips})
        plan = make_plan(trips, self.held, services)
        self.post(plan.steps)
        return plan

    def issue(self, cards: set[str]) -> None:
        """Issue cards that were not."""
        for card in sorted(cards - self.cards):
            self.cards.add(card)
            self._decide("issuer-dki", len(self.cards), 0, Issue(card, "stored", "dki"))

    def post(self, steps: Iterable[Step]) -> None:
        """Post what is new of some steps."""
        for step in steps:
            identity = (step.terminal, step.counter)
            if identity not in self.entries:
                sent = msgspec.msgpack.encode([step.counter, step.at_ms, step.intent])
                wanted = msgspec.msgpack.decode(sent, type=Transaction)
                self.entries[identity] = self._decide(
                    step.terminal, wanted.counter, wanted.at_ms, wanted.intent
                )
            step.found = self.entries[identity]
            step.outcome = Outcome(step.counter, "posted", position=step.found.position)

    def owed_rp(self, card: str) -> int:
        """Return what a card is owed."""
        known = self.book.cards.get(card)
        purse = known.purse(OWED) if known else None
        return purse.balance_rp if purse else 0

    def owed_in_all_rp(self) -> int:
        """Return the total of all cards."""
        return self.book.accounts[OWED_FARES].get("*", 0)

    def _decide(self, terminal: str, counter: int, at_ms: int, intent: object) -> Found:
        wanted = Transaction(counter, at_ms, intent)  # type: ignore[arg-type]
        position = self.book.position
        entry = decide(self.book, moment(AFTER_ALL_MS, LAW), terminal, wanted)
        self.book.apply(entry)
        told = ENTRY(msgpack.unpackb(msgspec.msgpack.encode(entry)))
        assert isinstance(told, Entry)
        return Found(position, told)
