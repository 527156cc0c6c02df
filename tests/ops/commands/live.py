"""A node's hand on a data folder: this process appends to it while a command runs in another."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from engine.transaction import Entry
from storage.folder import DataFolder
from storage.journal import TABLES as JOURNAL_TABLES
from storage.lmdb_store import LmdbStore
from storage.shard_store import ShardStore
from storage.view_rows import VIEWS_TABLES

ROOT = Path(__file__).parent.parent.parent.parent


def run(*arguments: str | Path) -> dict[str, Any]:
    """Run a command in a process of its own, and return the object that it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "ops", *map(str, arguments), "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@contextmanager
def appending(path: Path, entries: Sequence[Entry]) -> Iterator[list[int]]:
    """Append entries one by one, with a checkpoint now and then; yield how many are durable."""
    durable = [0]
    is_over, is_at_work = threading.Event(), threading.Event()
    with (
        DataFolder.open(path) as data,
        closing(LmdbStore(data.journal, tables=JOURNAL_TABLES)) as journal,
        closing(LmdbStore(data.views, tables=VIEWS_TABLES)) as views,
    ):
        shard = ShardStore.open(journal, views, clock=float)

        def work() -> None:
            while not is_over.is_set() and shard.book.position < len(entries):
                entry = entries[shard.book.position]
                shard.fold((entry,))
                shard.append((entry,), entry.decided_ms)
                durable[0] = shard.book.position
                if durable[0] % 50 == 0:
                    shard.checkpoint()
                    is_at_work.set()
            is_at_work.set()

        node = threading.Thread(target=work)
        node.start()
        try:
            assert is_at_work.wait(timeout=60)
            yield durable
        finally:
            is_over.set()
            node.join(timeout=60)
