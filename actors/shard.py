"""The shard: a set of cards with one journal and one writer.

Cards are virtual actors: one exists as soon as it is addressed, handles one transaction at a time,
and has no task of its own. All of a frame is decided in one synchronous call, so nothing can come
between two looks at the same card. Decided entries join the open block; the committer takes the
block, makes it durable, and only then are the answers released.

A failure for which no card is to blame leaves the shard half changed: it takes nothing more, and
the committer raises that failure, so that the shard is opened anew from its journal.

    frame -> Shard.submit -> decide, apply -> open block -> committer -> Shard.release -> answers
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import trio
from msgspec import Struct

from actors import limits
from actors.allowance import Allowance
from actors.errors import ShardBroken
from actors.proofs import ProofJudge
from actors.runtime.trace import MailboxTrace, reason_of
from engine.decisions import decide
from engine.errors import Reason
from engine.law import Law
from engine.moment import Moment, moment
from engine.resend import difference
from engine.seen import Seen
from engine.transaction import Entry, Transaction
from protocol.chip.keys import KeyStoreFailed
from protocol.errors import BusyReason
from protocol.messages import Outcome
from storage.shard_store import ShardStore


class Placed(Struct, frozen=True):
    """Entries of one sender that stand one after the other in the journal."""

    first_position: int
    entries: list[Entry]


class Sender(Protocol):
    """Who is answered when a transaction is durable."""

    def answer(self, placed: Sequence[Placed]) -> None:
        """Take what has become durable; it must not raise, and must not wait."""
        ...


class OpenBlock:
    """Entries that wait for their block, and who is to be told."""

    __slots__ = ("entries", "first_position", "opened_s", "senders")

    def __init__(self, first_position: int) -> None:
        self.first_position = first_position
        self.opened_s = 0.0
        self.entries: list[Entry] = []
        self.senders: dict[Sender, list[Placed]] = {}


class Quarantined(Struct, frozen=True):
    """A card whose handler failed, and why."""

    card: str
    since_ms: int
    why: str


class _ReadLater(Exception):
    """More old blocks would have to be read than taps can wait for."""


class Shard:
    """Decides transactions and keeps what is decided but not durable yet.

    Args:
      store: journal, views and book of this shard.
      now_ms: the host's clock, milliseconds since 1970.
      law: what decisions are made by.
      clock: seconds, for the age of what waits.
      judge: of the proofs of advices; None: they are posted whatever they hold.

    Attributes:
      durable_position: where the first entry stands that is not on disk yet.
      stopped_by: why transactions are turned away; None while they are taken.
      quarantine: cards whose handler failed.
      law: what decisions are made by.
      failure: what broke this shard, in the middle of a decision; None while it is whole.
      work: set when a block waits for the committer, or it has something else to look at.
    """

    def __init__(
        self,
        store: ShardStore,
        *,
        now_ms: Callable[[], int],
        law: Law,
        clock: Callable[[], float] = trio.current_time,
        judge: ProofJudge | None = None,
    ) -> None:
        self.store = store
        self.book = store.book
        self.durable_position = store.book.position
        self.stopped_by: BusyReason | None = None
        self.quarantine: dict[str, Quarantined] = {}
        self.failure: Exception | None = None
        self.work = trio.Event()
        self._now_ms = now_ms
        self.law = law
        self._clock = clock
        self._judge = judge
        self._open = OpenBlock(store.book.position)
        self._committing: OpenBlock | None = None
        self._durable = trio.Event()
        self._ended = False
        self._refused = 0
        self._old = Allowance(limits.OLD_ENTRIES_MAX, limits.OLD_ENTRIES_S)
        self._first_position = store.book.position
        # Transactions may refer to what is decided and not durable yet.
        self.book.find_entry = self.find_entry

    # --- deciding -----------------------------------------------------------------------------

    def submit(
        self, sender: Sender, terminal: str, transactions: Sequence[Transaction]
    ) -> list[Outcome]:
        """Decide the transactions of one frame, in order.

        Returns the outcomes that need no waiting: repeats, conflicts, and what is turned away.
        All others reach `sender.answer` once they are durable.

        Raises:
          ShardBroken: deciding failed and no card is to blame; the shard takes nothing more.
        """
        if self._ended:
            return self._turn_away(transactions, BusyReason.RESTARTING, limits.RESTART_RETRY_MS)
        if self.stopped_by:
            return self._turn_away(transactions, self.stopped_by, limits.FULL_DISK_RETRY_MS)
        if len(self._open.entries) + len(transactions) > limits.OPEN_ENTRIES_MAX:
            return self._turn_away(transactions, BusyReason.OVERLOAD, limits.BUSY_RETRY_MS)
        try:
            return self._take(sender, terminal, transactions)
        except Exception as failure:
            # The frame may be half in the open block, and the book half changed.
            self.failure = failure
            self.end()
            self.work.set()
            raise ShardBroken(f"while it decided for {terminal}") from failure

    def _take(
        self, sender: Sender, terminal: str, transactions: Sequence[Transaction]
    ) -> list[Outcome]:
        if len(transactions) > 1:
            # One look at the views for all cards of the frame that are not in memory.
            self.store.prefetch(transaction.intent.card for transaction in transactions)
        book = self.book
        first_position = book.position
        now = self.now()
        seen = book.terminals.get(terminal) or Seen()
        entries: list[Entry] = []
        at_once: list[Outcome] = []
        for transaction in transactions:
            counter = transaction.counter
            if counter != seen.high + 1 and (known := self._known(seen, terminal, transaction)):
                at_once.append(known)
                continue
            entry = self._decide(now, terminal, transaction)
            if isinstance(entry, Outcome):
                at_once.append(entry)
                continue
            seen = book.terminals[terminal] = seen.with_counter(counter)
            self.store.note(terminal, counter, book.position, 1)
            book.apply(entry)
            if entry.exceptions:
                self.store.note_exception(book.position - 1, entry.exceptions)
                if self._judge is not None and entry.unproved:
                    self._judge.watch(entry, now)
            entries.append(entry)
            self._open.entries.append(entry)
        if entries:
            if len(self._open.entries) == len(entries):
                self._open.opened_s = self._clock()
            self._open.senders.setdefault(sender, []).append(Placed(first_position, entries))
            self.work.set()
        return at_once

    def dry_run(self, terminal: str, transaction: Transaction) -> Outcome:
        """Decide a transaction without posting or remembering anything.

        A card that is only asked about is not quarantined, whatever the answer comes to.
        """
        entry = self._decide(self.now(), terminal, transaction, trial=True)
        return entry if isinstance(entry, Outcome) else outcome_of(entry, -1, self.law.articles)

    def now(self) -> Moment:
        """Return the moment of a decision; the journal's time never runs backwards."""
        return moment(max(self._now_ms(), self.book.decided_ms), self.law)

    def _decide(
        self, now: Moment, terminal: str, transaction: Transaction, *, trial: bool = False
    ) -> Entry | Outcome:
        card = transaction.intent.card
        if card in self.quarantine:
            return _busy(transaction, Reason.CARD_QUARANTINED, limits.QUARANTINE_RETRY_MS)
        judge = self._judge
        if judge is not None and judge.suspends(terminal, now):
            return _busy(transaction, BusyReason.TERMINAL_SUSPENDED, limits.SUSPENDED_RETRY_MS)
        try:
            chip = None if judge is None else judge.judge(terminal, transaction)
            return decide(self.book, now, terminal, transaction, chip)
        except KeyStoreFailed:
            return _busy(transaction, BusyReason.KEYS_UNAVAILABLE, limits.KEYS_RETRY_MS)
        except _ReadLater:
            return _busy(transaction, BusyReason.OVERLOAD, limits.BUSY_RETRY_MS)
        except Exception as failure:
            # The handler of one card failed. Deciding changes nothing, so its neighbours go on;
            # where no card is to blame, or very many are, the shard starts again.
            if not card or len(self.quarantine) >= limits.QUARANTINED_CARDS_MAX:
                raise
            if not trial:
                self.quarantine[card] = Quarantined(card, now.ms, reason_of(failure))
            return _busy(transaction, Reason.CARD_QUARANTINED, limits.QUARANTINE_RETRY_MS)

    def _turn_away(
        self, transactions: Sequence[Transaction], reason: str, retry_after_ms: int
    ) -> list[Outcome]:
        self._refused += len(transactions)
        return [_busy(transaction, reason, retry_after_ms) for transaction in transactions]

    # --- sending again ------------------------------------------------------------------------

    def _known(self, seen: Seen, terminal: str, transaction: Transaction) -> Outcome | None:
        counter = transaction.counter
        if not seen.has(counter):
            if seen.has_room_for(counter):
                return None
            # Nothing of it is written down, so it is no final answer: an advice would be lost.
            return _busy(transaction, BusyReason.TOO_MANY_GAPS, limits.GAPS_RETRY_MS)
        position = self.store.position_of(terminal, counter)
        assert position is not None, f"{terminal}/{counter} was seen and has no position"
        try:
            entry = self._entry_at(position)
        except _ReadLater:
            return _busy(transaction, BusyReason.OVERLOAD, limits.BUSY_RETRY_MS)
        field = difference(entry, transaction)
        is_durable = position < self.durable_position
        if field:
            # A position is a promise that the entry is on disk.
            told = position if is_durable else -1
            return Outcome(counter, "conflict", position=told, repeated=True, detail=field)
        if not is_durable:
            return Outcome(
                counter, "in_progress", repeated=True, retry_after_ms=limits.BUSY_RETRY_MS
            )
        return outcome_of(entry, position, self.law.articles, repeated=True)

    def find_entry(self, terminal: str, counter: int) -> Entry | None:
        """Return the entry of a transaction, durable or still in an open block."""
        position = self.store.position_of(terminal, counter)
        return None if position is None else self._entry_at(position)

    def _entry_at(self, position: int) -> Entry:
        for block in (self._open, self._committing):
            if block is not None and position >= block.first_position:
                return block.entries[position - block.first_position]
        journal = self.store.journal
        if not journal.at_hand(position):
            # Reading holds up everybody's taps; who comes that late can come again.
            if self._old.is_spent(self._clock()):
                raise _ReadLater
            entries = len(journal.block_at(position).entries)
            self._old.spend(entries + limits.OLD_BLOCK_ENTRIES)
        return journal.entry_at(position)

    # --- committing ---------------------------------------------------------------------------

    @property
    def ended(self) -> bool:
        """Whether nothing becomes durable any more: it broke, or its committer is gone."""
        return self._ended

    @property
    def load(self) -> float:
        """How full the open block is: 0 empty, 1 turns transactions away."""
        return len(self._open.entries) / limits.OPEN_ENTRIES_MAX

    @property
    def waiting(self) -> int:
        """Entries that are decided and not durable yet."""
        return self.book.position - self.durable_position

    def trace(self) -> MailboxTrace:
        """Return what waits to be durable, as a mailbox of the committer."""
        waiting = self._committing or self._open
        age_s = self._clock() - waiting.opened_s if waiting.entries else 0.0
        return MailboxTrace(
            depth=self.waiting,
            depth_max=2 * limits.OPEN_ENTRIES_MAX,
            oldest_age_s=age_s,
            accepted=self.book.position - self._first_position,
            refused=self._refused,
        )

    def take_block(self) -> OpenBlock | None:
        """Close the open block and hand it to the committer; a new one opens behind it.

        Raises:
          Exception: what broke this shard; its open block must not be written.
        """
        assert self._committing is None, "one block is committed at a time"
        self.check_whole()
        if not self._open.entries:
            return None
        self._committing = self._open
        self._open = OpenBlock(self.book.position)
        self.work = trio.Event()
        return self._committing

    def check_whole(self) -> None:
        """Raise what broke this shard, if anything did."""
        if self.failure is not None:
            raise self.failure

    def release(self, block: OpenBlock) -> None:
        """Answer everybody in a block that is durable now.

        That is right in a shard that broke meanwhile, too: the block was closed before.
        """
        assert block is self._committing
        self._committing = None
        self.durable_position = block.first_position + len(block.entries)
        self._durable.set()
        self._durable = trio.Event()
        for sender, placed in block.senders.items():
            sender.answer(placed)

    def end(self) -> None:
        """Nothing becomes durable any more: who still waits for it is told so."""
        self._ended = True
        self._durable.set()

    async def wait_durable(self, position: int) -> bool:
        """Wait until the journal is durable up to a position; False if it will never be.

        It is False in a broken shard as well: neither may be told nor checkpointed what its book
        says.

        Cancellation: leaves no trace.
        """
        while self.durable_position < position and not self._ended:
            await self._durable.wait()
        return self.failure is None and self.durable_position >= position


def outcome_of(
    entry: Entry, position: int, articles: Mapping[str, str], *, repeated: bool = False
) -> Outcome:
    """Return the outcome that an entry tells, with the article of its rule."""
    return Outcome(
        entry.counter,
        "refused" if entry.reason else "posted",
        entry.balance_rp,
        position,
        repeated,
        entry.reason,
        entry.rule,
        entry.detail,
        entry.exceptions,
        0,
        articles.get(entry.rule, ""),
    )


def _busy(transaction: Transaction, reason: str, retry_after_ms: int) -> Outcome:
    return Outcome(transaction.counter, "busy", reason=reason, retry_after_ms=retry_after_ms)
