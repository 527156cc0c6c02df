"""A data folder with many cards, made through the ledger and not through the network.

Every card is issued and topped up by the rules: decided, journalled in sealed blocks, folded and
checkpointed by the same code that a node runs. Only the websockets are left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from bench.load import BALANCE_RP, BANK, card_name
from engine.decisions import decide
from engine.law import Law
from engine.moment import moment
from engine.transaction import Entry, Issue, TopUp, Transaction
from ops.rulebook import law_in
from storage.folder import DataFolder
from storage.journal import TABLES as JOURNAL_TABLES
from storage.lmdb_store import LmdbStore
from storage.shard_store import ShardStore
from storage.view_rows import VIEWS_TABLES

CARDS_PER_BLOCK: Final = 4_000
ENTRIES_PER_CHECKPOINT: Final = 500_000
_ISSUER: Final = "issuer"


def fill(data: Path, cards: int, *, progress: Callable[[int], object] = int) -> None:
    """Make a data folder with cards, each with `BALANCE_RP` on it.

    Args:
      data: where no data folder is yet.
      cards: how many.
      progress: is told how many exist.

    Durability: on return all are on disk, and the views stand at the end of the journal.

    Raises:
      StorageError: there is no room, or the folder cannot be used.
    """
    with (
        DataFolder.open(data, create=True) as folder,
        closing(LmdbStore(folder.journal, tables=JOURNAL_TABLES)) as journal,
        closing(LmdbStore(folder.views, tables=VIEWS_TABLES)) as views,
    ):
        # Cards are issued once and not looked at again: hardly any need stay in memory.
        shard = ShardStore.open(journal, views, clock=time.monotonic, hot_rows_max=2)
        _issue_all(shard, cards, law_in(None), progress)
        shard.checkpoint()


def _issue_all(shard: ShardStore, cards: int, law: Law, progress: Callable[[int], object]) -> None:
    for first in range(0, cards, CARDS_PER_BLOCK):
        after = min(first + CARDS_PER_BLOCK, cards)
        _issue(shard, range(first, after), law)
        if shard.entries_since_checkpoint >= ENTRIES_PER_CHECKPOINT:
            shard.checkpoint()
        progress(after)


def _issue(shard: ShardStore, numbers: range, law: Law) -> None:
    now = moment(time.time_ns() // 1_000_000, law)
    entries: list[Entry] = []
    for number in numbers:
        name, counter = card_name(number), 2 * number + 1
        for intent in (Issue(name, "account", BANK), TopUp(name, BALANCE_RP, BANK)):
            transaction = Transaction(counter, now.ms, intent)
            entry = decide(shard.book, now, _ISSUER, transaction)
            assert entry.posted, entry
            shard.fold((entry,))
            entries.append(entry)
            counter += 1
    shard.append(entries, now.ms)
