"""Enrols the kit's keys in the data folder of a node; the node may be at work meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, get_args

from storage.folder import DataFolder
from storage.key_store import KEYS_TABLES, KeyRole, KeyStore
from storage.lmdb_store import LmdbStore

_ROLES: Final[dict[str, KeyRole]] = {role: role for role in get_args(KeyRole)}


class StoreEnroller:
    """Enrols keys in a store.

    Args:
      store: the keys of the node.
      now_ms: the clock.
    """

    def __init__(self, store: KeyStore, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._now_ms = now_ms

    def enroll(self, name: str, public_key: bytes, role: str) -> None:
        """Let a terminal connect with a key."""
        note = "conformance kit"
        self._store.enroll(name, public_key, role=_ROLES[role], at_ms=self._now_ms(), note=note)

    def revoke(self, name: str, public_key: bytes) -> None:
        """Let it connect no more."""
        self._store.revoke(name, at_ms=self._now_ms(), public_key=public_key)


@contextmanager
def enrolling_in(data: Path, now_ms: Callable[[], int]) -> Iterator[StoreEnroller]:
    """Open the keys of a data folder.

    Raises:
      StorageError: it is none.
    """
    with (
        DataFolder.open(data, exclusive=False) as folder,
        closing(LmdbStore(folder.keys, tables=KEYS_TABLES)) as store,
    ):
        yield StoreEnroller(KeyStore(store), now_ms)
