"""Trips, and a ledger in memory that holds what was sent and answers as a node does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

import trio

from engine.accounts import BANK_SETTLEMENT, OPERATOR_REVENUE, PURSE
from ops.replay.csv_file import WIB
from ops.replay.plan import Step
from ops.replay.trips import Touch, Trip
from protocol.errors import QueryCode
from terminals.intents import Intent
from terminals.messages import AnswerBody, Entry, Failed, Found, Outcome, Statement, StatementLine

FARE_RP = 3_500


def ms(text: str) -> int:
    """Return a time in April 2023, given as `3 07:21:44`."""
    moment = datetime.strptime(f"2023-04-{text}", "%Y-%m-%d %H:%M:%S").replace(tzinfo=WIB)
    return int(moment.timestamp()) * 1000


def trip(
    trans_id: str,
    card: str = "C1",
    *,
    at: str = "3 07:00:00",
    stop: str = "A",
    out: str | None = "3 08:00:00",
    out_stop: str = "B",
    amount_rp: int = FARE_RP,
    line: int = 2,
) -> Trip:
    """Return a trip on line 5 with a card of bank dki."""
    tap_out = None if out is None else Touch(ms(out), out_stop)
    return Trip(line, trans_id, card, "dki", "5", amount_rp, Touch(ms(at), stop), tap_out)


def postings_of(intent: Intent) -> tuple[tuple[int, str, int], ...]:
    """Return what a tap or a load moves."""
    name, card, amount_rp, owner, *_ = intent
    assert isinstance(card, str)
    assert isinstance(amount_rp, int)
    assert isinstance(owner, str)
    if not amount_rp:
        return ()
    if name == "tap":
        return ((PURSE, card, -amount_rp), (OPERATOR_REVENUE, owner, amount_rp))
    return ((BANK_SETTLEMENT, owner, -amount_rp), (PURSE, card, amount_rp))


class Ledger:
    """Holds entries by id, counts the questions, and hands out clients that ask it."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, int], Entry] = {}
        self.questions = 0
        self.connections = 0
        self.failure: AnswerBody | None = None

    def post(self, steps: Iterable[Step]) -> None:
        """Post steps, and set their outcome as a node would."""
        for step in steps:
            identity = (step.terminal, step.counter)
            repeated = identity in self.entries
            entry = self.entries.setdefault(identity, entry_of(step))
            position = list(self.entries).index(identity)
            same = list(entry.intent) == list(step.intent)
            step.outcome = Outcome(
                step.counter,
                "posted" if same else "conflict",
                position=position,
                repeated=repeated,
                detail="" if same else "intent.place",
            )
            step.found = Found(position, entry)

    @asynccontextmanager
    async def open_terminal(self, terminal: str) -> AsyncIterator[Client]:
        """Stand in for the client of a terminal."""
        self.connections += 1
        await trio.lowlevel.checkpoint()
        yield Client(self, terminal)

    def answer(self, question: Sequence[object]) -> AnswerBody:
        """Answer a question as the desk does."""
        self.questions += 1
        if self.failure is not None:
            return self.failure
        match question:
            case ["transaction", str(terminal), int(counter)]:
                entry = self.entries.get((terminal, counter))
                return Found(0, entry) if entry else Failed(QueryCode.NOT_FOUND, "", "no such")
            case ["statement", _, str(card), before, _]:
                return self._page(card, before if isinstance(before, int) else None)
            case _:
                raise AssertionError(question)

    def _page(self, card: str, before: int | None) -> Statement:
        moved = [
            StatementLine(position, amount_rp, entry)
            for position, entry in enumerate(self.entries.values())
            for kind, owner, amount_rp in entry.postings
            if (kind, owner) == (PURSE, card) and (before is None or position < before)
        ]
        newest = moved[-2:]
        return Statement(tuple(reversed(newest)), newest[0].position if moved[:-2] else -1)


class Client:
    """The client of a terminal, as far as the survey uses it."""

    def __init__(self, ledger: Ledger, terminal: str) -> None:
        self.terminal = terminal
        self._ledger = ledger

    @property
    def last_counter(self) -> int:
        """The highest counter that the ledger has seen of it."""
        counters = [at for terminal, at in self._ledger.entries if terminal == self.terminal]
        return max(counters, default=0)

    async def query(self, question: Sequence[object]) -> AnswerBody:
        """Ask the ledger."""
        await trio.lowlevel.checkpoint()
        return self._ledger.answer(question)


def entry_of(step: Step) -> Entry:
    """Return the entry that a step becomes."""
    return Entry(
        step.terminal,
        step.counter,
        step.at_ms,
        step.intent,
        decided_ms=0,
        reason="",
        rule="",
        detail="",
        balance_rp=0,
        exceptions=(),
        postings=postings_of(step.intent),
        previous=-1,
    )
