"""The state of a shard: the book in memory, over the views on disk.

    book = the views, as the last checkpoint left them + what the journal says after them

The thread that decides owns the book. What a checkpoint holds is frozen by that thread and written
by another, while taps go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from engine.accounts import ALL_CARDS, PURSE_KINDS, purse_line, purse_of
from engine.book import Book, FindEntry, TransactionId
from engine.card import Card
from engine.chips import ChipCounts
from engine.errors import Reason
from engine.seen import Seen
from engine.transaction import Entry
from storage.overlay import Overlay
from storage.runs import RunIndex
from storage.view_rows import Standing
from storage.views import Checkpoint, Filed, Views


class ShardState:
    """The book, the index of transactions and the exceptions, and how they reach the views.

    Args:
      views: the tables of the last checkpoint.
      standing: where the views stand; the book begins there.
      find_entry: for the book.
      hot_rows_max: the most unchanged rows kept in memory, of each table.

    Attributes:
      book: cards, accounts and terminals as they stand before the entry at `book.position`.
      views: the tables of the last checkpoint.
    """

    def __init__(
        self, views: Views, standing: Standing, *, find_entry: FindEntry, hot_rows_max: int
    ) -> None:
        self.views = views
        self._standing = standing
        self._accounts = views.accounts()
        self._cards = Overlay[str, Card](views.cards, clean_rows_max=hot_rows_max)
        self._terminals = Overlay[str, Seen](views.terminals, clean_rows_max=hot_rows_max)
        self._returned = Overlay[TransactionId, int](views.returned, clean_rows_max=hot_rows_max)
        self._holders = Overlay[str, str](views.holders, clean_rows_max=hot_rows_max)
        self._chips = Overlay[bytes, ChipCounts](views.chips, clean_rows_max=hot_rows_max)
        self._runs = RunIndex(views.run_before)
        rows = (self._cards, self._terminals, self._returned, self._holders, self._chips)
        self._layers = (*rows, self._runs)
        self._exceptions: list[Filed] = []
        self._saving: Checkpoint | None = None
        self.book = Book(
            cards=self._cards,
            terminals=self._terminals,
            returned=self._returned,
            holders=self._holders,
            chips=self._chips,
            accounts={kind: dict(owners) for kind, owners in self._accounts.items()},
            find_entry=find_entry,
            position=standing.position,
            decided_ms=standing.decided_ms,
        )

    def note(self, terminal: str, first_counter: int, first_position: int, count: int) -> None:
        """Remember where transactions stand: `count` counters, at positions that follow as they do.

        Called when they are decided, before they are durable.
        """
        self._runs.note(terminal, first_counter, first_position, count)

    def note_exception(self, position: int, reasons: tuple[Reason, ...]) -> None:
        """File what the ledger dislikes in an entry."""
        self._exceptions.append((position, reasons))

    def position_of(self, terminal: str, counter: int) -> int | None:
        """Return where a transaction stands, durable or not; None if it was never noted."""
        return self._runs.position_of(terminal, counter)

    def position_finder(self, terminal: str) -> Callable[[int], int | None]:
        """Return what finds where transactions of a terminal stand by now, from any thread."""
        return self._runs.finder(terminal)

    def cards_issued(self) -> int:
        """Return how many cards there are, those of the last seconds left out."""
        return self.views.card_count()

    def prefetch(self, cards: Iterable[str]) -> None:
        """Load cards that are about to be used, in one look at the views."""
        self._cards.prefetch(cards)

    def balance_rp(self, kind: int, owner: str) -> int | None:
        """Return the balance of an account as the book stands; None if there is no such account."""
        if kind not in PURSE_KINDS or owner == ALL_CARDS:
            return self.book.accounts.get(kind, {}).get(owner)
        card = self.purse_card(kind, owner)
        _, programme = purse_of((kind, owner, 0)) or ("", "")
        purse = card.purse(programme) if card else None
        return purse.balance_rp if purse else None

    def purse_card(self, kind: int, owner: str) -> Card | None:
        """Return the card of a purse; None if there is none, or no such purse can be."""
        name, programme = purse_of((kind, owner, 0)) or ("", "")
        kind_named, owner_named, _ = purse_line(name, programme, 0)
        if (kind_named, owner_named) != (kind, owner):
            return None
        return self.book.cards.get(name)

    def fold(self, entries: Iterable[Entry]) -> None:
        """Fold entries of the journal into the book, the next one first."""
        book = self.book
        terminal, first_counter, first_position, count = "", 0, 0, 0
        for entry in entries:
            if entry.exceptions:
                self.note_exception(book.position, entry.exceptions)
            if entry.counter == first_counter + count and entry.terminal == terminal:
                count += 1
            else:
                if count:
                    self.note(terminal, first_counter, first_position, count)
                terminal, first_counter = entry.terminal, entry.counter
                first_position, count = book.position, 1
            book.apply_recorded(entry)
        if count:
            self.note(terminal, first_counter, first_position, count)

    @property
    def entries_since_checkpoint(self) -> int:
        """How many entries a restart would replay."""
        return self.book.position - self._standing.position

    def begin_checkpoint(self) -> Checkpoint | None:
        """Freeze what changed since the last checkpoint; None if there is nothing, or one is open.

        It costs as much as copying the accounts, however many cards have changed.
        """
        if self._saving is not None or not self.entries_since_checkpoint:
            return None
        exceptions, self._exceptions = self._exceptions, []
        self._saving = Checkpoint(
            position=self.book.position,
            decided_ms=self.book.decided_ms,
            cards=self._cards.freeze(),
            terminals=self._terminals.freeze(),
            returned=self._returned.freeze(),
            holders=self._holders.freeze(),
            chips=self._chips.freeze(),
            accounts={kind: dict(owners) for kind, owners in self.book.accounts.items()},
            runs=self._runs.freeze(),
            exceptions=exceptions,
        )
        return self._saving

    def write(self, checkpoint: Checkpoint, block_hash: bytes, *, landmark: bool) -> None:
        """Write a checkpoint; called by a worker thread.

        Args:
          checkpoint: what was frozen.
          block_hash: of the block that holds the last entry before its position.
          landmark: whether to keep the balances for questions about the past.

        Durability: on return it is on disk.

        Raises:
          StorageFull: nothing was written.
          StorageFailed: the views must not be used any more.
        """
        self.views.write(checkpoint, block_hash, before=self._accounts, landmark=landmark)

    def end_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Let go of what was frozen: the views hold it."""
        assert checkpoint is self._saving
        self._saving = None
        standing = self.views.standing()
        assert standing is not None
        assert standing.position == checkpoint.position
        self._standing = standing
        self._accounts = checkpoint.accounts
        for part in self._layers:
            part.saved()

    def abandon_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Take back what was frozen, for the next checkpoint: this one was not written."""
        assert checkpoint is self._saving
        self._saving = None
        self._exceptions = [*checkpoint.exceptions, *self._exceptions]
        for part in self._layers:
            part.restore()
