"""The store in memory: the twin of the one on disk, which fails on request.

The fault model: a write may find the disk full, and then nothing is written; or it may fail, and
then its changes may have reached the disk or not, and the store refuses all further use. A crash
freezes the store: what was written survives it.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Sequence

from storage.errors import StorageFailed, StorageFull
from storage.store import KEY_BYTES_MAX, Change, Row


class MemoryStore:
    """Tables in memory.

    Args:
      tables: names of all tables.
    """

    def __init__(self, *, tables: Sequence[str]) -> None:
        self._tables = {table: _Table() for table in tables}
        self._faults: list[tuple[StorageFull | StorageFailed, bool]] = []
        self._refusal = ""
        self._writes = 0
        self._lock = threading.Lock()

    def get(self, table: str, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        with self._lock:
            return self._usable(table).values.get(key)

    def get_many(self, table: str, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of several keys in one look, in the order of the keys."""
        with self._lock:
            values = self._usable(table).values
            return [values.get(key) for key in keys]

    def scan(self, table: str, start: bytes = b"", *, limit: int) -> list[Row]:
        """Return up to `limit` rows whose keys are `start` or above, in ascending order."""
        with self._lock:
            rows = self._usable(table)
            first = bisect_left(rows.keys, start)
            return [(key, rows.values[key]) for key in rows.keys[first : first + limit]]

    def scan_back(self, table: str, start: bytes | None = None, *, limit: int) -> list[Row]:
        """Return up to `limit` rows whose keys are `start` or below, in descending order.

        None starts at the last row.
        """
        with self._lock:
            rows = self._usable(table)
            end = len(rows.keys) if start is None else bisect_right(rows.keys, start)
            chosen = rows.keys[max(0, end - limit) : end]
            return [(key, rows.values[key]) for key in reversed(chosen)]

    def count(self, table: str) -> int:
        """Return the number of rows."""
        with self._lock:
            return len(self._usable(table).keys)

    def version(self) -> int:
        """Return a number that is another one after each write."""
        with self._lock:
            self._check_usable()
            return self._writes

    def write(self, changes: Iterable[Change]) -> None:
        """Make all changes, or none.

        Raises:
          StorageFull: as asked for by `fail_next`; nothing was written.
          StorageFailed: as asked for by `fail_next`, or the store is frozen or closed.
        """
        held = [(self._tables[table], key, value) for table, key, value in changes]
        assert all(0 < len(key) <= KEY_BYTES_MAX for _, key, _ in held)
        with self._lock:
            self._check_usable()
            fault, reaches_disk = self._faults.pop(0) if self._faults else (None, True)
            if reaches_disk:
                self._writes += 1
                for table, key, value in held:
                    table.set(key, value)
            if fault is None:
                return
            if isinstance(fault, StorageFailed):
                self._refusal = str(fault)
            raise fault

    def close(self) -> None:
        """Give everything back; later calls raise StorageFailed."""
        self.freeze("the store is closed")

    def fail_next(
        self, fault: StorageFull | StorageFailed, *, times: int = 1, reaches_disk: bool = False
    ) -> None:
        """Let coming writes fail.

        Args:
          fault: what they raise.
          times: how many of them.
          reaches_disk: whether the changes survive all the same; only for StorageFailed.
        """
        assert isinstance(fault, StorageFailed) or not reaches_disk
        with self._lock:
            self._faults += [(fault, reaches_disk)] * times

    def freeze(self, why: str = "the process was killed") -> None:
        """Crash: every later call raises StorageFailed."""
        with self._lock:
            self._refusal = self._refusal or why

    def survivors(self) -> MemoryStore:
        """Return a new store with what stands on the disk."""
        with self._lock:
            fresh = MemoryStore(tables=tuple(self._tables))
            for name, table in self._tables.items():
                fresh._tables[name] = table.copy()
            return fresh

    def _check_usable(self) -> None:
        if self._refusal:
            raise StorageFailed(self._refusal)

    def _usable(self, table: str) -> _Table:
        self._check_usable()
        return self._tables[table]


class _Table:
    """Values by key, and the keys in order."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.keys: list[bytes] = []

    def set(self, key: bytes, value: bytes | None) -> None:
        if value is not None:
            if key not in self.values:
                insort(self.keys, key)
            self.values[key] = value
        elif self.values.pop(key, None) is not None:
            del self.keys[bisect_left(self.keys, key)]

    def copy(self) -> _Table:
        other = _Table()
        other.values = dict(self.values)
        other.keys = list(self.keys)
        return other
