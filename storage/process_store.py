"""A store on disk that is written by a process of its own.

A checkpoint is some hundred thousand rows. Written by a thread of the node it would hold the
interpreter against the thread that decides, a hundred milliseconds and more at a time; and it would
take from the one core that taps are decided on. So the rows are handed through a pipe to another
process, which writes them in one step, and the node reads what that process has written.

    node -> pipe: frames of changes, then an empty one -> writer process -> LMDB
    node <- pipe: what became of them                  <-

The writer ends when its pipe does, so it never outlives the node for longer than it takes to finish
a write. A node that starts meanwhile waits for that.
"""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

from storage.errors import StorageError, StorageFailed, StorageFull
from storage.files import take_room
from storage.lmdb_store import LmdbStore
from storage.store import Change, Row, Store

CHANGES_PER_FRAME: Final = 32
"""Between two frames the interpreter is free: the deciding thread waits for thirty microseconds."""

EXIT_TIMEOUT_S: Final = 60.0
"""To finish a write, when told to end; far more than a disk takes that still works."""

_LENGTH: Final = struct.Struct(">I")
_DROP: Final = 0xFFFFFFFF
"""Instead of a length: forget what has come since the last write."""

Outcome: TypeAlias = Literal["done", "full", "failed"]


class _Reply(Struct, array_like=True):
    outcome: Outcome
    text: str


_ENCODER: Final = msgspec.msgpack.Encoder()
_CHANGES: Final = msgspec.msgpack.Decoder(list[Change])
_REPLY: Final = msgspec.msgpack.Decoder(_Reply)


class ProcessStore:
    """Tables on disk; reads are this process's own, writes those of a second one.

    Args:
      path: folder of the environment; it is made if it does not exist.
      tables: names of all tables.

    Raises:
      StorageError: as LmdbStore raises it.
    """

    def __init__(self, path: Path, *, tables: Sequence[str]) -> None:
        with _Turn(path):
            LmdbStore(path, tables=tables).close()
        self._reader = LmdbStore(path, tables=tables, read_only=True)
        self._writer = subprocess.Popen(
            [sys.executable, "-m", "storage.process_store", str(path.resolve()), *tables],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Where this package lies; and apart from the terminal, whose Ctrl-C is the node's.
            cwd=Path(__file__).parent.parent,
            start_new_session=True,
        )

    def get(self, table: str, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        return self._reader.get(table, key)

    def get_many(self, table: str, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of several keys in one look, in the order of the keys."""
        return self._reader.get_many(table, keys)

    def scan(self, table: str, start: bytes = b"", *, limit: int) -> list[Row]:
        """Return up to `limit` rows whose keys are `start` or above, in ascending order."""
        return self._reader.scan(table, start, limit=limit)

    def scan_back(self, table: str, start: bytes | None = None, *, limit: int) -> list[Row]:
        """Return up to `limit` rows whose keys are `start` or below, in descending order."""
        return self._reader.scan_back(table, start, limit=limit)

    def count(self, table: str) -> int:
        """Return the number of rows."""
        return self._reader.count(table)

    def write(self, changes: Iterable[Change]) -> None:
        """Make all changes, or none.

        Durability: on return they are on disk.

        Raises:
          StorageFull: no room on the disk; nothing was written, and it may be tried again.
          StorageFailed: the write failed, or the other process is gone; the store is closed.
        """
        pipe = self._writer.stdin
        assert pipe is not None
        assert self._writer.stdout is not None
        try:
            _send_changes(pipe, changes)
            raw = _read_frame(self._writer.stdout)
        except (OSError, ValueError) as error:
            self.close()
            raise StorageFailed(f"the process that writes is gone: {error}") from error
        reply = _REPLY.decode(raw) if raw else _Reply("failed", "the process that writes is gone")
        if reply.outcome == "full":
            raise StorageFull(reply.text)
        if reply.outcome == "failed":
            self.close()
            raise StorageFailed(reply.text)

    def close(self) -> None:
        """Give everything back; later calls raise StorageFailed."""
        self._reader.close()
        try:
            self._writer.communicate(timeout=EXIT_TIMEOUT_S)
        except (subprocess.TimeoutExpired, ValueError):
            self._writer.kill()
            self._writer.wait()


class _Turn:
    """One process at a time may be the writer; the others wait for it to end."""

    def __init__(self, path: Path) -> None:
        self._file = path / "writer"

    def __enter__(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
