"""The folder of a terminal: its journal, for one program at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final

from ops.node import now_ms
from storage.errors import refused_by_system
from storage.folder import lock_folder
from storage.lmdb_store import LmdbStore
from terminals.acceptance.journal import TABLES, TapJournal, written_shifts
from terminals.acceptance.rows import Shift

JOURNAL: Final = "journal"
REMEDY: Final = (
    "What a terminal has taken and not yet told the node stands there: take the folder to the "
    "bureau, and give the terminal an empty one."
)
# Two would give the same counters to different taps.
_ONE_PROGRAM: Final = "one program at a time works in the folder of a terminal"


@contextmanager
def opened_journal(folder: Path) -> Iterator[TapJournal]:
    """Open the journal of a terminal, for this process alone, and close it behind the body.

    Raises:
      StorageError: it cannot be used, or another process has it.
    """
    with ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            held.callback(os.close, lock_folder(folder, _ONE_PROGRAM))
        except OSError as error:
            raise refused_by_system(f"{folder} cannot be held", error, error.errno) from error
        store = LmdbStore(folder / JOURNAL, tables=TABLES, remedy=REMEDY)
        held.enter_context(closing(store))
        yield TapJournal(store, now_ms=now_ms())


def shifts_in(folder: Path) -> list[Shift]:
    """Return the shifts of a terminal, which may be at work, by their numbers.

    Raises:
      StorageError: there is no journal, or it cannot be read.
    """
    store = LmdbStore(folder / JOURNAL, tables=TABLES, remedy=REMEDY, read_only=True)
    with closing(store):
        return written_shifts(store)
