"""A process that opens journals after a loss of power: `python -m tests.crash.checker`.

It is a process of its own because a store of torn pages may take its reader down with it, or lead
it round in circles, and that is a finding too.
"""

from __future__ import annotations

import signal
import sys
from contextlib import closing
from itertools import chain
from pathlib import Path

from storage.errors import StorageError
from storage.journal import TABLES, Journal
from storage.lmdb_store import LmdbStore
from tests.storage.entries import START_MS, entries, entry_at

LATER_MS = START_MS + 10**9
CHECK_S = 5
"""A check takes milliseconds."""


def check(folder: Path) -> int:
    """Return how many entries stand in a journal; each of them must be what was written.

    Raises:
      StorageError: the journal is refused.
      ValueError: an entry is not what was written there.
    """
    found = _count(folder, LATER_MS)
    # It must not only be read: what is appended now stands as firm.
    if _count(folder, LATER_MS + 1) != found + 1:
        raise ValueError("what was appended after the restart is not there")
    return found


def _count(folder: Path, at_ms: int) -> int:
    with closing(LmdbStore(folder, tables=TABLES)) as store:
        journal = Journal(store)
        position = 0
        for entry in chain.from_iterable(block.entries for block in journal.blocks()):
            if entry != entry_at(position):
                raise ValueError(f"entry {position} is not what was written")
            position += 1
        if position != journal.head.next_position:
            raise ValueError("the journal ends before its head")
        journal.append(entries(position, 1), at_ms)
        return position


def main() -> None:
    """Answer each folder on stdin by the number of its entries, or by what is wrong with it."""
    for line in sys.stdin:
        # Its own handler would never run while the library goes round in circles: this ends it.
        signal.alarm(CHECK_S)
        try:
            answer = str(check(Path(line.rstrip("\n"))))
        except (StorageError, ValueError) as error:
            answer = f"{type(error).__name__}: {error}".replace("\n", " ")
        signal.alarm(0)
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
