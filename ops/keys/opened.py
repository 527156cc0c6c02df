"""The keys of a data folder, opened beside a node that may be at work in it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Final

import click

from storage.errors import StorageError, StorageLocked
from storage.folder import DataFolder
from storage.key_store import KEYS_REMEDY, KEYS_TABLES, KeyStore
from storage.lmdb_store import LmdbStore

HELD_S_MAX: Final = 10.0
"""Another command has the keys for as long as a write takes; the longest enrols a whole city."""
_POLL_S: Final = 0.02


@contextmanager
def opened_keys(data: Path, *, create: bool = False, change: bool = False) -> Iterator[KeyStore]:
    """Open the keys of a folder.

    Args:
      data: the folder.
      create: make it if there is none.
      change: what is read will be written again: no other command may do so meanwhile.

    Raises:
      click.ClickException: of what storage raises.
    """
    try:
        with (
            DataFolder.open(data, create=create, exclusive=False) as folder,
            closing(LmdbStore(folder.keys, tables=KEYS_TABLES, remedy=KEYS_REMEDY)) as store,
            _held(data) if change else nullcontext(),
        ):
            yield KeyStore(store)
    except StorageError as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def _held(data: Path) -> Iterator[None]:
    given_up_s = time.monotonic() + HELD_S_MAX
    while (folder := _try_to_hold(data, is_last=time.monotonic() >= given_up_s)) is None:
        time.sleep(_POLL_S)
    with folder:
        yield


def _try_to_hold(data: Path, *, is_last: bool) -> DataFolder | None:
    folder = DataFolder.open(data, exclusive=False)
    try:
        folder.hold_keys()
    except StorageLocked:
        folder.close()
        if is_last:
            raise
        return None
    return folder
