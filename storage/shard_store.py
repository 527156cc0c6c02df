"""A shard on disk: its journal, which is the truth, and its state, which is the journal's fold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from engine.transaction import Entry
from storage.block import SealedBlock, damaged
from storage.errors import StorageDamaged
from storage.history import AccountHistory
from storage.journal import Journal
from storage.shard_state import ShardState
from storage.store import Store
from storage.view_rows import NOWHERE, Standing
from storage.views import LANDMARK_ENTRIES, Checkpoint, Views

REPLAY_ENTRIES_MAX: Final = 1_000_000
"""A longer replay writes checkpoints on its way, so that its memory is bounded and nothing is done
twice when it is cut off. An ordinary restart replays less and writes nothing."""


class Recovery(Struct, frozen=True):
    """What opening a shard took.

    Attributes:
      replayed_entries: how many entries of the journal were folded in.
      from_position: where the views stood; 0 if they were built anew.
      position: where the journal ends.
      took_s: seconds on the clock that was passed in.
      rebuilt: why the views were thrown away and built anew; empty if they were not.
    """

    replayed_entries: int
    from_position: int
    position: int
    took_s: float
    rebuilt: str


class ShardStore(ShardState):
    """A shard's state together with its journal; `open` makes one that stands at its end.

    One worker thread calls `append`; one at a time calls `write_checkpoint`.

    Args:
      journal: the chain of blocks.
      views: the tables of the last checkpoint.
      standing: where the views stand; the book begins there.
      hot_rows_max: the most unchanged rows kept in memory, of each table.

    Attributes:
      journal: the chain of blocks.
      recovered: what opening took.
    """

    def __init__(
        self, journal: Journal, views: Views, standing: Standing, *, hot_rows_max: int
    ) -> None:
        super().__init__(views, standing, find_entry=self.find, hot_rows_max=hot_rows_max)
        self.journal = journal
        self.recovered = Recovery(0, standing.position, standing.position, 0.0, "")
        self._landmark = views.landmark_before(standing.position)

    @classmethod
    def open(
        cls,
        journal_store: Store,
        views_store: Store,
        *,
        clock: Callable[[], float],
        hot_rows_max: int = 1_000_000,
        replay_entries_max: int = REPLAY_ENTRIES_MAX,
    ) -> ShardStore:
        """Open a shard: its last checkpoint, and what the journal says after it.

        Views that stand nowhere are built anew. Views that do not belong to this journal are
        refused: they are never ahead of it, so blocks that they have seen are missing.

        Args:
          journal_store: with `JOURNAL_TABLES`.
          views_store: with `VIEWS_TABLES`.
          clock: seconds, for `recovered.took_s`.
          hot_rows_max: the most unchanged rows kept in memory, of each table.
          replay_entries_max: a longer replay writes checkpoints on its way.

        Raises:
          StorageDamaged: a block is not what was written; the message says what to do.
          StorageFull: there is no room for the views.
          StorageFailed: a store cannot be used.
        """
        started = clock()
        journal, views = Journal(journal_store), Views(views_store)
        standing = views.standing()
        rebuilt = "" if standing else "they stood nowhere"
        if standing is None:
            views.clear()
            standing = NOWHERE
        elif finding := misfit(standing, journal):
            raise finding
        shard = cls(journal, views, standing, hot_rows_max=hot_rows_max)
        shard._replay(replay_entries_max)
        position = shard.book.position
        shard.recovered = Recovery(
            replayed_entries=position - standing.position,
            from_position=standing.position,
            position=position,
            took_s=clock() - started,
            rebuilt=rebuilt if position else "",
        )
        return shard

    def append(self, entries: Sequence[Entry], at_ms: int) -> SealedBlock:
        """Append a block; called by one worker thread.

        Durability: on return the block is on disk.

        Raises:
          StorageFull: nothing was written; the same entries may be appended again.
          StorageFailed: the node must stop.
        """
        return self.journal.append(entries, at_ms)

    def find(self, terminal: str, counter: int) -> Entry | None:
        """Return the entry of a transaction if it is durable."""
        position = self.position_of(terminal, counter)
        if position is None or position >= self.journal.head.next_position:
            return None
        return self.journal.entry_at(position)

    def history(self, kind: int, owner: str) -> AccountHistory:
        """Return what answers questions about an account's past, in a worker thread.

        It reads the journal up to `book.position` as it is now, so that must be durable first.
        """
        return AccountHistory(
            self.journal,
            self.views,
            kind,
            owner,
            position=self.book.position,
            card=self.purse_card(kind, owner),
            peek=self._cards.peek,
        )

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint; called by a worker thread.

        The journal must be durable up to the checkpoint's position: views are never ahead of it.

        Durability: on return it is on disk.

        Raises:
          StorageFull: nothing was written.
          StorageFailed: the views must not be used any more.
        """
        position = checkpoint.position
        assert position <= self.journal.head.next_position, "views are never ahead of the journal"
        landmark = position - self._landmark >= LANDMARK_ENTRIES
        block = self.journal.block_at(position - 1)
        self.write(checkpoint, block.hash, landmark=landmark)
        if landmark:
            self._landmark = position

    def checkpoint(self) -> None:
        """Write a checkpoint in one go: for replay, and for the end of a node.

        Raises:
          StorageFull: nothing was written, and what is in memory goes on.
          StorageFailed: the views must not be used any more.
        """
        checkpoint = self.begin_checkpoint()
        if checkpoint is None:
            return
        try:
            self.write_checkpoint(checkpoint)
        except BaseException:
            self.abandon_checkpoint(checkpoint)
            raise
        self.end_checkpoint(checkpoint)

    def _replay(self, entries_max: int) -> None:
        for block in self.journal.blocks(self.book.position):
            entries = block.entries[self.book.position - block.first_position :]
            self.prefetch(entry.intent.card for entry in entries)
            self.fold(entries)
            if self.entries_since_checkpoint >= entries_max:
                self.checkpoint()


def misfit(standing: Standing, journal: Journal) -> StorageDamaged | None:
    """Return the error that refuses views, and the journal under them; None if they belong to it.

    Views are written when the journal is durable up to where they stand. So where it ends before
    that, or holds another block there, it has lost what may have been acknowledged.
    """
    head, stand = journal.head, f"the views stand at position {standing.position:,}"
    if standing.position > head.next_position:
        finding = f"it is missing: {stand}, and the journal ends at {head.next_position:,}"
        return _lost(damaged(head.number + 1, finding))
    block = journal.block_at(standing.position - 1)
    if block.hash != standing.block_hash:
        return _lost(damaged(block.number, f"it is not the one that was there: {stand}"))
    return None


def _lost(error: StorageDamaged) -> StorageDamaged:
    hint = "To go on without them all the same, delete the folder `views`."
    return StorageDamaged(f"{error} {hint}", block=error.block)
