"""Verification: the whole journal is read and folded again, and nothing on the disk is believed.

The fold is kept in a scratch store and compared with the views at the position where they stand,
so it needs no more memory than a node, however many cards there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

from msgspec import Struct

from engine.advance import card_of
from engine.errors import EngineError
from engine.transaction import Entry, Replace
from storage.audit import findings_after, findings_before, is_repeated
from storage.block import Block, damaged
from storage.compare import differences
from storage.errors import StorageDamaged
from storage.folder import DataFolder
from storage.journal import BLOCKS, Journal, chain
from storage.journal import TABLES as JOURNAL_TABLES
from storage.lmdb_store import LmdbStore, is_store
from storage.shard_state import ShardState
from storage.store import Store, all_rows
from storage.view_rows import (
    DERIVED_TABLES,
    LANDMARKS,
    NOWHERE,
    STANDING,
    VIEWS_FORMAT,
    VIEWS_REMEDY,
    VIEWS_TABLES,
    Standing,
    number_of,
    position_key,
)
from storage.views import Views, are_older

PROBLEMS_MAX: Final = 100
"""Problems told in full; all are counted."""

ENTRIES_IN_MEMORY_MAX: Final = 1_000_000
"""After so many entries what changed is written to the scratch store."""

HOT_ROWS_MAX: Final = 500_000
"""Unchanged rows of the fold kept in memory."""

_NEVER: Final = -1


class Report(Struct, frozen=True):
    """What verification found.

    Attributes:
      ok: nothing is wrong.
      blocks: how many were read, from the first on, and are what was written.
      entries: how many of them were folded.
      sum_of_accounts_rp: over all accounts after these entries.
      first_bad_block: number of the first block with a problem, None if there is none.
      problems: the first `PROBLEMS_MAX`, in words.
      problems_found: how many there are in all.
      cards: how many exist.
      exceptions: entries with something the ledger dislikes.
      duplicates: entries whose transaction stands in the journal already.
      views_position: where the views stand, None if they stand nowhere.
    """

    ok: bool
    blocks: int
    entries: int
    sum_of_accounts_rp: int
    first_bad_block: int | None
    problems: tuple[str, ...]
    problems_found: int
    cards: int
    exceptions: int
    duplicates: int
    views_position: int | None


def verify_folder(path: Path, scratch: Path, *, progress: Callable[[int], object] = int) -> Report:
    """Verify a data folder, or a backup of one; a node may be at work in it.

    The views are copied as they stand at one moment, and the journal is read afterwards: it only
    grows, and is never behind the views. So what a node writes meanwhile is not taken for damage.

    Args:
      path: the folder.
      scratch: an empty folder, with room for a copy of the views and for as much again.
      progress: is told the number of entries after each block.

    Raises:
      StorageError: there is no journal, it is that of a newer version, or the scratch folder cannot
        be written.
    """
    with DataFolder.open(path, exclusive=False) as folder, ExitStack() as held:

        def opened(store: LmdbStore) -> LmdbStore:
            return held.enter_context(closing(store))

        views, problems = None, []
        try:
            if is_store(folder.views) and _copied(folder.views, scratch / "views"):
                views = opened(_read_only(scratch / "views", VIEWS_TABLES))
        except StorageDamaged as damage:
            problems.append(str(damage))
        journal = opened(LmdbStore(folder.journal, tables=JOURNAL_TABLES, read_only=True))
        fold = opened(LmdbStore(scratch / "fold", tables=VIEWS_TABLES))
        return verify(journal, views, fold, progress=progress, problems=problems)


def _copied(views: Path, copy: Path) -> bool:
    """Copy the views; not those of an older version, which a node builds anew when it starts."""
    with closing(_read_only(views, (STANDING,))) as live:
        if are_older(live):
            return False
        live.copy_to(copy)
    return True


def _read_only(views: Path, tables: Sequence[str]) -> LmdbStore:
    return LmdbStore(views, tables=tables, read_only=True, remedy=VIEWS_REMEDY)


def verify(
    journal: Store,
    views: Store | None,
    scratch: Store,
    *,
    progress: Callable[[int], object] = int,
    entries_in_memory_max: int = ENTRIES_IN_MEMORY_MAX,
    problems: Iterable[str] = (),
) -> Report:
    """Verify a journal, and that the views are its fold.

    A chain cannot tell that its last blocks are missing; views that stand behind its end can.

    Args:
      journal: with the tables of a journal, which may grow meanwhile.
      views: with `VIEWS_TABLES`, not written to meanwhile; None if there are none.
      scratch: with `VIEWS_TABLES`, all empty.
      progress: is told the number of entries after each block.
      entries_in_memory_max: after so many entries what changed is written to the scratch store.
      problems: found before.

    Raises:
      StorageVersion: the journal was written by a newer version of this program.
    """
    audit = _Audit(views, Views(scratch))
    for problem in problems:
        audit.problem(problem)
    # Whatever stands in the journal now is met on the walk, or is no part of the chain.
    rows = journal.count(BLOCKS)
    try:
        for block in chain(journal):
            audit.read(block)
            progress(audit.book.position)
            if audit.state.entries_since_checkpoint >= entries_in_memory_max:
                audit.save()
        if audit.blocks < rows:
            audit.problem(f"{rows - audit.blocks} rows of the journal are no part of the chain")
        else:
            # What a node looks at when it starts.
            Journal(journal)
        audit.end()
    except StorageDamaged as damage:
        # What the store itself cannot read is met where the next block should be.
        audit.problem(str(damage), audit.blocks if damage.block is None else damage.block)
    return audit.report()


class _Audit:
    """One walk along a journal."""

    def __init__(self, views: Store | None, scratch: Views) -> None:
        self.state = ShardState(
            scratch, NOWHERE, find_entry=lambda *_: None, hot_rows_max=HOT_ROWS_MAX
        )
        self.book = self.state.book
        self.blocks = 0
        self._cards = self._exceptions = self._duplicates = 0
        self._last_hash = NOWHERE.block_hash
        self._problems: list[str] = []
        self._problems_found = 0
        self._first_bad_block: int | None = None
        self._views = views
        self._standing = Views(views).standing() if views else None
        self._stops = self._places_to_look()

    def read(self, block: Block) -> None:
        """Check and fold the entries of a block."""
        for entry in block.entries:
            if self._stops[-1] == self.book.position:
                self._look()
            self._read_entry(entry, block.number)
            self._last_hash = block.hash
        self.blocks += 1

    def end(self) -> None:
        """Look once more: the journal has been read to its end."""
        if self._stops[-1] == self.book.position:
            self._look()
        if self._standing and self._standing.position > self.book.position:
            raise damaged(self.blocks, "it is missing, and the views say that it was there")

    def save(self) -> None:
        """Write what changed to the scratch store."""
        if checkpoint := self.state.begin_checkpoint():
            self.state.write(checkpoint, self._last_hash, landmark=False)
            self.state.end_checkpoint(checkpoint)

    def problem(self, text: str, block: int | None = None) -> None:
        """Note a problem; blocks are read in order, so the first to be named is the first."""
        self._problems_found += 1
        if len(self._problems) < PROBLEMS_MAX:
            self._problems.append(text)
        if self._first_bad_block is None:
            self._first_bad_block = block

    def report(self) -> Report:
        """Return what was found."""
        return Report(
            ok=not self._problems_found,
            blocks=self.blocks,
            entries=self.book.position,
            sum_of_accounts_rp=self.book.sum_of_accounts_rp(),
            first_bad_block=self._first_bad_block,
            problems=tuple(self._problems),
            problems_found=self._problems_found,
            cards=self._cards,
            exceptions=self._exceptions,
            duplicates=self._duplicates,
            views_position=self._standing.position if self._standing else None,
        )

    def _read_entry(self, entry: Entry, block: int) -> None:
        book = self.book
        where = f"block {block}, entry {book.position}"
        name = card_of(entry.intent, entry.postings)
        card = book.cards.get(name) if name else None
        heir = entry.intent.new_card if isinstance(entry.intent, Replace) else ""
        unheard_of = [each for each in (name, heir) if each and book.cards.get(each) is None]
        for finding in findings_before(book, entry, card):
            self.problem(f"{where}: {finding}", block)
        try:
            if is_repeated(book, entry):
                self._duplicates += 1
                self.problem(f"{where}: its transaction stands in the journal before", block)
                book.apply(entry)
            else:
                self.state.fold((entry,))
        except (EngineError, AssertionError, LookupError) as error:
            why = f"its entry {book.position} cannot be folded ({type(error).__name__}: {error})"
            raise damaged(block, why) from error
        for finding in findings_after(book, entry):
            self.problem(f"{where}: {finding}", block)
        self._exceptions += bool(entry.exceptions)
        self._cards += sum(book.cards.get(each) is not None for each in unheard_of)

    def _places_to_look(self) -> list[int]:
        """Return the positions of the landmarks and of the views, the first to come at the end."""
        if self._views is None:
            return [_NEVER]
        if self._standing is None:
            if any(self._views.count(table) for table in DERIVED_TABLES):
                self.problem("the views hold rows and do not say where they stand")
            return [_NEVER]
        standing = self._standing.position
        landmarks = {number_of(key) for key, _ in all_rows(self._views, LANDMARKS)}
        places = {place for place in landmarks if place < standing} | {standing}
        return [_NEVER, *sorted(places, reverse=True)]

    def _look(self) -> None:
        place = self._stops.pop()
        assert self._views is not None
        assert self._standing is not None
        if self._views.get(LANDMARKS, position_key(place)) is not None:
            self.state.views.write_landmark(place, self.book.accounts)
        if place == self._standing.position:
            here = Standing(VIEWS_FORMAT, place, self._last_hash, self.book.decided_ms)
            if here != self._standing:
                self.problem("the views do not stand where they say: they are of another journal")
            self.save()
            for difference in differences(self._views, self.state.views.store):
                self.problem(difference)
