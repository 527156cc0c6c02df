"""A process that appends to a journal and says what is durable: `python -m tests.crash.writer`."""

from __future__ import annotations

import os
import random
import sys
from functools import partial
from pathlib import Path

import lmdb

from storage.journal import TABLES, Journal
from storage.lmdb_store import GROW_BYTES_MIN, LmdbStore
from tests.storage.entries import START_MS, entries

COUNTS = (1, 1, 2, 7, 40, 300)
"""Entries of a block: within a page, of several pages, of a hundred."""


def main(folder: str, seed: str, blocks: str, flush: str) -> None:
    """Append blocks, and print the position after each as soon as it is durable."""
    if flush == "never":
        # The planted bug: acknowledged is what the disk may not have. (To mypy it is a class.)
        lmdb.open = partial(lmdb.open, sync=False)  # type: ignore[assignment]
    chance = random.Random(int(seed))
    store = LmdbStore(Path(folder), tables=TABLES, map_bytes=GROW_BYTES_MIN)
    journal = Journal(store)
    for number in range(int(blocks)):
        journal.append(
            entries(journal.head.next_position, chance.choice(COUNTS)), START_MS + number
        )
        os.write(1, f"{journal.head.next_position}\n".encode())
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
