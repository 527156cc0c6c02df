"""Backup and restore: a backup is itself a data folder, which can be verified and even served."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

from storage.block import seal
from storage.errors import StorageMissing, refused_by_system
from storage.files import sync_names
from storage.fleet.tables import FLEET_TABLES
from storage.folder import DataFolder
from storage.journal import BLOCKS, META, Journal
from storage.journal import TABLES as JOURNAL_TABLES
from storage.key_store import KEYS_TABLES
from storage.lmdb_store import LmdbStore, is_store
from storage.shard_store import misfit
from storage.store import Change, Store, all_rows
from storage.view_rows import STANDING, position_key
from storage.views import Views

_BLOCKS_AT_ONCE: Final = 16
"""Blocks are large: as many are held at once while their keys are looked at."""


class Backup(Struct, frozen=True):
    """What was copied.

    Attributes:
      position: where the journal of the copy ends.
      blocks: how many it has.
      views_position: where its views stand; None if it has none, and they will be built anew.
    """

    position: int
    blocks: int
    views_position: int | None


class Restoration(Struct, frozen=True):
    """What was restored.

    Attributes:
      position: where the journal ends now.
      blocks: how many it has.
      shortened_block: number of the block that the position cut in two: it was sealed anew, and
        its hash is no longer the one that the node once gave it. None if no block was cut.
      views_position: where the views stand; None if they were behind the position or there were
        none, and will be built anew.
    """

    position: int
    blocks: int
    shortened_block: int | None
    views_position: int | None


def back_up(path: Path, target: Path) -> Backup:
    """Copy a data folder, also while a node is at work in it.

    The views are copied before the journal, so that they are never ahead of it. The copy counts as
    a data folder once it is whole: its format file is written last.

    Args:
      path: the data folder.
      target: where the copy goes: an empty folder, or none yet.

    Durability: on return the copy is on disk.

    Raises:
      StorageMissing: there is no data folder, or the target is not empty.
      StorageFull: there is no room for the copy.
      StorageFailed: the copy could not be written.
    """
    with DataFolder.open(path, exclusive=False) as folder, _made(folder, target):
        _copy(folder.views, target, (STANDING,))
        _copy(folder.journal, target, JOURNAL_TABLES)
        _copy(folder.keys, target, KEYS_TABLES)
        _copy(folder.fleet, target, FLEET_TABLES)
        _copy_file(folder.pseudonyms, target)
    with closing(LmdbStore(target / "journal", tables=JOURNAL_TABLES, read_only=True)) as store:
        journal = Journal(store)
        return Backup(
            journal.head.next_position, journal.head.number + 1, _fitting(target, journal)
        )


def restore(backup: Path, path: Path, *, position: int | None = None) -> Restoration:
    """Make a data folder from a backup, as it stood at a position.

    Args:
      backup: the backup, or any data folder.
      path: where the new folder goes: an empty folder, or none yet.
      position: entries from here on are left out; None keeps all.

    Durability: on return the folder is on disk.

    Raises:
      StorageMissing: there is no backup, it ends before the position, or the folder is not empty.
      StorageDamaged: the end of the backup's journal is not what was written.
      StorageFull: there is no room.
      StorageFailed: the folder could not be written.
    """
    with DataFolder.open(backup, exclusive=False) as folder, _made(folder, path):
        _copy(folder.views, path, (STANDING,))
        _copy(folder.journal, path, JOURNAL_TABLES)
        _copy(folder.keys, path, KEYS_TABLES)
        _copy(folder.fleet, path, FLEET_TABLES)
        _copy_file(folder.pseudonyms, path)
        with closing(LmdbStore(path / "journal", tables=JOURNAL_TABLES)) as store:
            shortened = None if position is None else _cut(store, position)
            journal = Journal(store)
            views_position = _fitting(path, journal)
            if views_position is None:
                shutil.rmtree(path / "views", ignore_errors=True)
            head = journal.head
            return Restoration(head.next_position, head.number + 1, shortened, views_position)


def _cut(store: Store, position: int) -> int | None:
    """Cut a journal off at a position; return the number of the block that was cut in two."""
    journal = Journal(store)
    end = journal.head.next_position
    if position > end:
        raise StorageMissing(f"the backup ends at position {end}: it cannot give {position}")
    if position == end:
        return None
    block = journal.block_at(position)
    changes: list[Change] = [
        (BLOCKS, key, None)
        for key, _ in all_rows(store, BLOCKS, batch=_BLOCKS_AT_ONCE)
        if key >= position_key(block.first_position)
    ]
    kept = block.entries[: position - block.first_position]
    if kept:
        _, value = seal(block.number, block.first_position, block.previous, block.at_ms, kept)
        changes.append((BLOCKS, position_key(block.first_position), value))
    if position == 0:
        changes += [(META, key, None) for key, _ in all_rows(store, META)]
    store.write(changes)
    return block.number if kept else None


def _fitting(path: Path, journal: Journal) -> int | None:
    """Return where the views of a folder stand, if they belong to its journal."""
    if not is_store(path / "views"):
        return None
    with closing(LmdbStore(path / "views", tables=(STANDING,), read_only=True)) as store:
        standing = Views(store).standing()
    return standing.position if standing and not misfit(standing, journal) else None


def _copy(store: Path, target: Path, tables: tuple[str, ...]) -> None:
    if is_store(store):
        with closing(LmdbStore(store, tables=tables, read_only=True)) as source:
            source.copy_to(target / store.name)


@contextmanager
def _made(source: DataFolder, target: Path) -> Iterator[None]:
    """Make a folder, and a data folder of it if all goes well; if not, leave nothing behind."""
    try:
        target.mkdir(parents=True, exist_ok=True)
        if any(target.iterdir()):
            raise StorageMissing(f"{target} is not empty: name another folder.")
        try:
            yield
            _copy_format(source.path, target)
        except BaseException:
            (target / "format").unlink(missing_ok=True)
            (target / source.pseudonyms.name).unlink(missing_ok=True)
            for part in target.iterdir():
                shutil.rmtree(part)
            raise
    except OSError as error:
        raise refused_by_system(f"{target} cannot be written", error, error.errno) from error


def _copy_format(source: Path, target: Path) -> None:
    _copy_file(source / "format", target)
    sync_names(target)


def _copy_file(source: Path, target: Path) -> None:
    if not source.exists():
        return
    mode = source.stat().st_mode & 0o777
    descriptor = os.open(target / source.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(source.read_bytes())
        file.flush()
        os.fsync(file.fileno())
