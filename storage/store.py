"""The store: ordered tables of bytes, written atomically and durably.

Everything above is written against this interface; `lmdb_store` is the real one, `memory_store`
its twin in memory with faults on request, and one contract suite is run against both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol, TypeAlias

Change: TypeAlias = tuple[str, bytes, bytes | None]
"""Table, key, and the new value (None deletes the key)."""

Row: TypeAlias = tuple[bytes, bytes]

KEY_BYTES_MAX: Final = 511
"""Keys have at least one byte and at most what LMDB can hold; values may be as large as blocks."""


class Store(Protocol):
    """Ordered tables of bytes.

    Reads may come from any thread; `write` from one thread at a time.
    """

    def get(self, table: str, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        ...

    def get_many(self, table: str, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of several keys in one look, in the order of the keys."""
        ...

    def scan(self, table: str, start: bytes = b"", *, limit: int) -> list[Row]:
        """Return up to `limit` rows whose keys are `start` or above, in ascending order."""
        ...

    def scan_back(self, table: str, start: bytes | None = None, *, limit: int) -> list[Row]:
        """Return up to `limit` rows whose keys are `start` or below, in descending order.

        None starts at the last row.
        """
        ...

    def write(self, changes: Iterable[Change]) -> None:
        """Make all changes, or none.

        Durability: on return they are on disk.

        Raises:
          StorageFull: no room on the disk; nothing was written, and it may be tried again.
          StorageFailed: the write or its flush failed; the store must not be used any more.
        """
        ...

    def count(self, table: str) -> int:
        """Return the number of rows."""
        ...

    def version(self) -> int:
        """Return a number that is another one after each write, whichever process made it."""
        ...

    def close(self) -> None:
        """Give everything back; later calls raise StorageFailed."""
        ...


def all_rows(store: Store, table: str, *, batch: int = 1024) -> Iterator[Row]:
    """Walk a whole table in batches, so that no reader holds pages for long."""
    start = b""
    while rows := store.scan(table, start, limit=batch):
        yield from rows
        # The next possible key: nothing sorts between a key and itself with a zero byte.
        start = rows[-1][0] + b"\0"
