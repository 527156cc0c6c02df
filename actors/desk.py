"""The desk: answers questions, apart from taps and after them.

Questions wait in one bounded mailbox for a few workers. They are turned away while taps are many:
a balance can be asked for again, a gate cannot wait. A question that fails is one failed answer:
the desk goes on, unless what failed is the storage.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import trio
from msgspec import Struct

from actors import limits
from actors.errors import FATAL
from actors.fleet.answers import FleetDesk
from actors.runtime import Event, Life, Mailbox, MailboxClosed, MailboxTrace, Report, Reporter
from actors.runtime.trace import reason_of
from actors.seams import Offload, in_thread
from actors.shard import Shard
from engine.advance import card_of
from engine.explaining.explanation import explain
from engine.fares.state import Kept
from engine.seen import Seen
from engine.transaction import Entry
from protocol.errors import QueryCode
from protocol.limits import ROWS_MAX
from protocol.messages import (
    AnswerBody,
    Balance,
    BalanceOf,
    ChipFound,
    ChipOf,
    DryRun,
    Explain,
    Explanation,
    Failed,
    FleetQuestion,
    Found,
    Query,
    Question,
    Shift,
    ShiftOf,
    Statement,
    StatementLine,
    StatementOf,
    TransactionOf,
    Trial,
)
from storage.history import Statement as StatementFound
from storage.shifts import shift_of
from storage.trail import taps_before

_QUESTIONS = "questions"


class Asker(Protocol):
    """Who is answered."""

    def answer_query(self, query_id: int, body: AnswerBody) -> None:
        """Take the answer; it must not raise, and must not wait."""
        ...


class Asked(Struct, frozen=True):
    """A question on its way."""

    asker: Asker
    terminal: str
    query: Query


class Desk:
    """Answers the questions of all terminals.

    Args:
      shard: finds the shard that holds what is asked about.
      fleet: answers what is asked about the fleet.
      offload: where the journal is read.
      report: takes the first failure of each kind of question.
    """

    def __init__(
        self,
        shard: Callable[[], Shard],
        fleet: FleetDesk,
        *,
        offload: Offload = in_thread,
        report: Reporter,
    ) -> None:
        self._shard = shard
        self._fleet = fleet
        self._offload = offload
        self._report = report
        self._reported: set[tuple[type[Question], type[Exception]]] = set()
        self._mailbox = _mailbox()
        self._closed = False

    def ask(self, asker: Asker, terminal: str, query: Query) -> None:
        """Take a question, or answer at once when to come again."""
        if self._shard().load > limits.QUERY_LOAD_SHARE:
            asker.answer_query(query.id, _come_again(limits.BUSY_RETRY_MS))
        elif busy := self._mailbox.put_nowait(Asked(asker, terminal, query), _QUESTIONS):
            asker.answer_query(query.id, _come_again(busy.retry_after_ms))

    def trace(self) -> MailboxTrace:
        """Return depth and age of what waits."""
        return self._mailbox.trace()

    async def run(self, life: Life) -> None:
        """Answer until told to stop; what still waits then is told to come again.

        Raises:
          StorageError: what was written cannot be read any more; the node must stop.
        """
        if self._closed:
            self._mailbox = _mailbox()
            self._closed = False
        mailbox = self._mailbox
        try:
            async with trio.open_nursery() as nursery:
                for _ in range(limits.QUERY_WORKERS):
                    nursery.start_soon(self._work, mailbox)
                life.ready()
                await life.stopping.wait()
                nursery.cancel_scope.cancel()
        finally:
            # Until the next life opens another one, questions are turned away at once.
            self._closed = True
            for asked in mailbox.close():
                asked.asker.answer_query(asked.query.id, _come_again(limits.BUSY_RETRY_MS))

    async def _work(self, mailbox: Mailbox[Asked, str]) -> None:
        while True:
            try:
                asked = await mailbox.get()
            except MailboxClosed:
                return
            body: AnswerBody = _come_again(limits.BUSY_RETRY_MS)
            try:
                body = await self._try_to_answer(asked.terminal, asked.query.question)
            finally:
                # Also when the desk ends: every question is answered.
                asked.asker.answer_query(asked.query.id, body)

    async def _try_to_answer(self, terminal: str, question: Question) -> AnswerBody:
        shard = self._shard()
        try:
            return await self._answer(shard, terminal, question)
        except Exception as failure:
            if shard.ended:
                # Its store was closed under the question; another shard will answer.
                return _come_again(limits.RESTART_RETRY_MS)
            if isinstance(failure, FATAL):
                raise
            self._report_once(question, failure)
            return Failed(QueryCode.INTERNAL_ERROR, "", "a defect of the node")

    def _report_once(self, question: Question, failure: Exception) -> None:
        kind = type(question), type(failure)
        if kind not in self._reported:
            self._reported.add(kind)
            name = str(type(question).__struct_config__.tag)
            told = Report(
                trio.current_time(), Event.CRASHED, "desk", name, reason_of(failure), failure
            )
            self._report(told)

    async def _answer(self, shard: Shard, terminal: str, question: Question) -> AnswerBody:
        if shard.ended:
            return _come_again(limits.RESTART_RETRY_MS)
        if isinstance(question, DryRun):
            return Trial(shard.dry_run(terminal, question.transaction))
        # What is told must not be undone by a crash: the present is durable first.
        if isinstance(question, TransactionOf):
            return await self._transaction(shard, question)
        if isinstance(question, Explain):
            return await self._explain(shard, question)
        if isinstance(question, StatementOf):
            return await self._statement(shard, question)
        if isinstance(question, ChipOf):
            return await self._chip(shard, question)
        if isinstance(question, ShiftOf):
            return await self._shift(shard, question)
        if isinstance(question, FleetQuestion):
            return await self._fleet.answer(shard, question)
        if question.position is None and question.at_ms is None:
            return await self._balance(shard, question)
        return await self._past_balance(shard, question)

    async def _balance(self, shard: Shard, question: BalanceOf) -> AnswerBody:
        position, decided_ms = shard.book.position, shard.book.decided_ms
        balance_rp = shard.store.balance_rp(question.kind, question.owner)
        if not await shard.wait_durable(position):
            return _come_again(limits.BUSY_RETRY_MS)
        if balance_rp is None:
            return _not_found("query.question.owner", "there is no such account")
        return Balance(balance_rp, position, decided_ms)

    async def _transaction(self, shard: Shard, question: TransactionOf) -> AnswerBody:
        position = shard.store.position_of(question.terminal, question.counter)
        if position is None:
            return _not_found("query.question.counter", "there is no such transaction")
        if not await shard.wait_durable(position + 1):
            return _come_again(limits.BUSY_RETRY_MS)
        entry: Entry = await self._offload(lambda: shard.store.journal.entry_at(position))
        return Found(position, entry)

    async def _chip(self, shard: Shard, question: ChipOf) -> AnswerBody:
        book, position = shard.book, shard.book.position
        uid = question.uid
        if uid is None:
            card = book.cards.get(question.card)
            uid = card.chip.uid if card is not None else b""
        counts = book.chips.get(uid) if uid else None
        if not await shard.wait_durable(position):
            return _come_again(limits.BUSY_RETRY_MS)
        if counts is None:
            field = "card" if question.uid is None else "uid"
            return _not_found(f"query.question.{field}", "no chip is known there")
        seen = counts.seen
        return ChipFound(uid, counts.card, seen.high, seen.missing, seen.gaps, position)

    async def _shift(self, shard: Shard, question: ShiftOf) -> AnswerBody:
        terminal, first, last = question.terminal, question.first, question.last
        seen = shard.book.terminals.get(terminal) or Seen()
        find, journal = shard.store.position_finder(terminal), shard.store.journal
        if not await shard.wait_durable(shard.book.position):
            return _come_again(limits.BUSY_RETRY_MS)
        found = await self._offload(lambda: shift_of(journal, seen, find, first, last))
        told = (question.taken_rp, question.added_rp)
        complete = not found.missing and (found.taken_rp, found.added_rp) == told
        return Shift(
            complete,
            found.count,
            found.taken_rp,
            found.added_rp,
            found.unproved,
            found.missing,
            found.gaps[:ROWS_MAX],
        )

    async def _explain(self, shard: Shard, question: Explain) -> AnswerBody:
        position = shard.store.position_of(question.terminal, question.counter)
        if position is None:
            return _not_found("query.question.counter", "there is no such transaction")
        if not await shard.wait_durable(position + 1):
            return _come_again(limits.BUSY_RETRY_MS)
        journal = shard.store.journal

        def look() -> tuple[Entry, Kept]:
            entry = journal.entry_at(position)
            return entry, taps_before(journal, entry)

        entry, kept = await self._offload(look)
        # Tariffs are looked up where taps are decided, and nowhere beside it.
        card = shard.book.cards.get(card_of(entry.intent, entry.postings))
        return Explanation(position, explain(entry, kept, card.grants if card else (), shard.law))

    async def _statement(self, shard: Shard, question: StatementOf) -> AnswerBody:
        history = shard.store.history(question.kind, question.owner)
        is_unknown = shard.store.balance_rp(question.kind, question.owner) is None
        if not await shard.wait_durable(history.position):
            return _come_again(limits.BUSY_RETRY_MS)

        def look() -> StatementFound | None:
            before, at_ms = question.before, question.at_ms
            if at_ms is not None:
                before = history.position_at(at_ms)
            return history.statement(before, question.limit)

        found = await self._offload(look)
        if found is None:
            field = "before" if question.at_ms is None else "at_ms"
            return _not_found(f"query.question.{field}", "too far back for one question")
        if is_unknown and not found.lines and found.next < 0:
            return _not_found("query.question.owner", "there is no such account")
        lines = tuple(
            StatementLine(line.position, line.amount_rp, line.entry) for line in found.lines
        )
        return Statement(lines, found.next)

    async def _past_balance(self, shard: Shard, question: BalanceOf) -> AnswerBody:
        history = shard.store.history(question.kind, question.owner)
        if not await shard.wait_durable(history.position):
            return _come_again(limits.BUSY_RETRY_MS)

        def look() -> AnswerBody:
            position, at_ms = question.position, question.at_ms
            if position is None:
                assert at_ms is not None, "the present is answered elsewhere"
                position = history.position_at(at_ms)
            position = min(position, history.position)
            balance_rp = history.balance_at(position)
            if balance_rp is None:
                field = "position" if at_ms is None else "at_ms"
                return _not_found(f"query.question.{field}", "too far back for one question")
            if at_ms is None:
                at_ms = history.decided_ms_before(position)
            return Balance(balance_rp, position, at_ms)

        return await self._offload(look)


def _mailbox() -> Mailbox[Asked, str]:
    return Mailbox({_QUESTIONS: limits.QUERIES_WAITING_MAX})


def _come_again(retry_after_ms: int) -> Failed:
    return Failed(QueryCode.BUSY, "", "taps come first", retry_after_ms)


def _not_found(field: str, text: str) -> Failed:
    return Failed(QueryCode.NOT_FOUND, field, text)
