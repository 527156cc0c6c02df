"""The past: the journal of a data folder as it stands at one moment. Nothing of it is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import click

from engine.calendar import DAY_MS, WIB_OFFSET_MS, date_of_day, day_of
from engine.transaction import Entry
from ops.options import bundled
from ops.values import MOMENT
from protocol.redaction import Pseudonym, pseudonyms
from storage.folder import DataFolder
from storage.journal import TABLES as JOURNAL_TABLES
from storage.journal import Journal
from storage.lmdb_store import LmdbStore, is_store
from storage.secret_file import read_secret
from storage.view_rows import VIEWS_TABLES
from storage.views import Views

journal_option = click.option(
    "--journal",
    "folder",
    type=click.Path(path_type=Path),
    required=True,
    help="Data folder whose journal is read; a node may be at work in it.",
)
"""Adds `--journal DIR` to a command, passed to it as `folder`."""


class Period(NamedTuple):
    """Days of Jakarta, the first and the last included; None: as far as there is something."""

    first_day: int | None
    last_day: int | None

    @classmethod
    def of(cls, since_ms: int | None, until_ms: int | None) -> Period:
        """Return the period of two moments.

        Raises:
          click.BadParameter: it ends before it begins.
        """
        first = None if since_ms is None else day_of(since_ms)
        last = None if until_ms is None else day_of(until_ms)
        if first is not None and last is not None and last < first:
            message = f"{date_of_day(last)} is before {date_of_day(first)}"
            raise click.BadParameter(message, param_hint="--to")
        return cls(first, last)

    @property
    def until_ms(self) -> int | None:
        """The first moment after it."""
        return None if self.last_day is None else first_moment_ms(self.last_day + 1)

    def holds(self, at_ms: int) -> bool:
        """Tell whether a moment is within it."""
        day = day_of(at_ms)
        if self.first_day is not None and day < self.first_day:
            return False
        return self.last_day is None or day <= self.last_day

    def __str__(self) -> str:
        """Return it as people say it."""
        first = "the beginning" if self.first_day is None else date_of_day(self.first_day)
        last = "the end" if self.last_day is None else date_of_day(self.last_day)
        return f"from {first} to {last}"


period_options = bundled(
    "period",
    Period.of,
    click.option(
        "--from",
        "since_ms",
        type=MOMENT,
        help="First day of the period: 2026-11-01; WIB. The first there is if not given.",
    ),
    click.option(
        "--to",
        "until_ms",
        type=MOMENT,
        help="Last day of the period. The last there is if not given.",
    ),
)
"""Adds `--from DATE` and `--to DATE` to a command, passed to it as `period`."""


def first_moment_ms(day: int) -> int:
    """Return the first moment of a day of Jakarta."""
    return day * DAY_MS - WIB_OFFSET_MS


class Past:
    """What stood in a journal when it was opened.

    Args:
      journal: which may grow meanwhile.
      views: of the same folder, by which transactions are found; None where there are none yet.
      pseudonym: by which cards may be told of; None where the folder has no secret yet.
    """

    def __init__(self, journal: Journal, views: Views | None, pseudonym: Pseudonym | None) -> None:
        self.end = journal.head.next_position
        self.pseudonym = pseudonym
        self._journal = journal
        self._views = views

    def entries(self, until_ms: int | None) -> Iterator[tuple[int, Entry]]:
        """Yield all entries with their positions, until one was decided at a moment or later.

        Raises:
          StorageDamaged: a block is not what was written.
        """
        for block in self._journal.blocks():
            if block.first_position >= self.end:
                return
            for position, entry in enumerate(block.entries, block.first_position):
                if until_ms is not None and entry.decided_ms >= until_ms:
                    return
                yield position, entry

    def position_at(self, at_ms: int) -> int:
        """Return a position before which all blocks were sealed at a moment or before."""
        before = self._journal.block_before_time(at_ms)
        return before.next_position if before else 0

    def find(self, terminal: str, counter: int) -> Entry | None:
        """Return the entry of a transaction as far as the views have come, or None.

        Raises:
          StorageDamaged: it is not what was written.
        """
        run = None if self._views is None else self._views.run_before(terminal, counter)
        position = None if run is None else run.position_of(counter)
        if position is None or position >= self.end:
            return None
        return self._journal.entry_at(position)


@contextmanager
def past_of(folder: Path, *, with_views: bool = False) -> Iterator[Past]:
    """Open the past of a data folder, only to read it.

    Args:
      folder: of a node, or a backup.
      with_views: whether transactions are to be found.

    Raises:
      StorageError: it cannot be read.
    """
    with DataFolder.open(folder, exclusive=False) as data, ExitStack() as held:

        def opened(path: Path, tables: tuple[str, ...]) -> LmdbStore:
            store = LmdbStore(path, tables=tables, read_only=True)
            return held.enter_context(closing(store))

        pseudonym = None
        if data.pseudonyms.exists():
            pseudonym = pseudonyms(read_secret(data.pseudonyms))
        # A folder that was restored has no views until a node has built them.
        views = None
        if with_views and is_store(data.views):
            views = Views(opened(data.views, VIEWS_TABLES))
        yield Past(Journal(opened(data.journal, JOURNAL_TABLES)), views, pseudonym)
