"""A store on disk that is written by a process of its own.

A checkpoint is some hundred thousand rows. Written by a thread of the node it would hold the
interpreter against the thread that decides, a hundred milliseconds and more at a time; and it would
take from the one core that taps are decided on. So the rows are handed through a pipe to another
process, which writes them in one step, and the node reads what that process has written.

    node -> pipe: frames of changes, then an empty one -> writer process -> LMDB
    node <- pipe: what became of them                  <-

The writer ends when its pipe does, so it never outlives the node for longer than it takes to finish
a write. It holds a lock until then, and a node that starts meanwhile waits for that.
"""

from __future__ import annotations

import fcntl
import io
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import IO, Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

from storage.errors import StorageError, StorageFailed, StorageFull
from storage.lmdb_store import LmdbStore
from storage.store import Change, Row, Store

CHANGES_PER_FRAME: Final = 32
"""Between two frames the interpreter is free: the deciding thread waits for thirty microseconds."""

EXIT_TIMEOUT_S: Final = 60.0
"""To finish a write, when told to end; far more than a disk takes that still works."""

NICE: Final = 10
"""How far the writer steps back where taps want the same core: to a tenth of it."""

STOP_SIGNALS: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})

_TURN_POLL_S: Final = 0.02

_LENGTH: Final = struct.Struct(">I")

Outcome: TypeAlias = Literal["done", "full", "failed"]


class _Reply(Struct, array_like=True):
    outcome: Outcome
    text: str


_ENCODER: Final = msgspec.msgpack.Encoder()
_CHANGES: Final = msgspec.msgpack.Decoder(list[Change] | None)
"""Some changes; an empty list says that these were all, and None that none of them counts."""
_REPLY: Final = msgspec.msgpack.Decoder(_Reply)


StartWriter: TypeAlias = Callable[[Path, Sequence[str], int], subprocess.Popen[bytes]]


def start_writer(path: Path, tables: Sequence[str], lock: int) -> subprocess.Popen[bytes]:
    """Start the process that writes a store, and holds a lock for as long as it lives.

    Those who stop a node stop its writer last, by closing the pipe. So what stops the node itself
    is kept from the writer, from its first moment on.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "storage.process_store", str(path.resolve()), *tables],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parent.parent,
            pass_fds=[lock],
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class ProcessStore:
    """Tables on disk; reads are this process's own, writes those of a second one.

    Args:
      path: folder of the environment; it is made if it does not exist.
      tables: names of all tables.
      pause: waits for some seconds.
      remedy: what to do when the files are not what was written.
      start: starts the second process, from a path, tables and a lock; a test may put a failing
        one here.

    Raises:
      StorageError: as LmdbStore raises it, or the writer of a node before does not end.
    """

    def __init__(
        self,
        path: Path,
        *,
        tables: Sequence[str],
        pause: Callable[[float], object],
        remedy: str,
        start: StartWriter = start_writer,
    ) -> None:
        with _turn(path, pause) as lock, ExitStack() as held:
            LmdbStore(path, tables=tables, remedy=remedy).close()
            self._reader = LmdbStore(path, tables=tables, remedy=remedy, read_only=True)
            held.callback(self._reader.close)
            self._refusal = ""
            self._writer = start(path, tables, lock)
            held.pop_all()

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

    def version(self) -> int:
        """Return a number that is another one after each write."""
        return self._reader.version()

    def write(self, changes: Iterable[Change]) -> None:
        """Make all changes, or none.

        Durability: on return they are on disk.

        Raises:
          StorageFull: no room on the disk; nothing was written, and it may be tried again.
          StorageFailed: the write failed, or the other process is gone; the store is closed.
        """
        if self._refusal:
            raise StorageFailed(self._refusal)
        assert self._writer.stdin is not None
        assert self._writer.stdout is not None
        try:
            _send_changes(self._writer.stdin, changes)
            raw = _read_frame(self._writer.stdout)
        except BrokenPipeError:
            raw = None
        reply = (
            _Reply("failed", "the process that writes is gone")
            if raw is None
            else _REPLY.decode(raw)
        )
        if reply.outcome == "full":
            raise StorageFull(reply.text)
        if reply.outcome == "failed":
            self._end(reply.text)
            raise StorageFailed(reply.text)

    def close(self) -> None:
        """Give everything back; later calls raise StorageFailed."""
        self._end("the store is closed")

    def _end(self, refusal: str) -> None:
        if self._refusal:
            return
        self._refusal = refusal
        self._reader.close()
        with self._writer:
            try:
                self._writer.communicate(timeout=EXIT_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._writer.kill()


@contextmanager
def _turn(path: Path, pause: Callable[[float], object]) -> Iterator[int]:
    """Be the one who may start a writer; the lock, a descriptor, is the writer's to inherit.

    Raises:
      StorageFailed: the writer before did not end within `EXIT_TIMEOUT_S`.
    """
    path.mkdir(parents=True, exist_ok=True)
    with (path / "writer").open("ab") as file:
        waited_s = 0.0
        while not _locked(file):
            if waited_s >= EXIT_TIMEOUT_S:
                raise StorageFailed(f"the process that wrote {path} before does not end")
            pause(_TURN_POLL_S)
            waited_s += _TURN_POLL_S
        yield file.fileno()


def _locked(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _send_changes(pipe: IO[bytes], changes: Iterable[Change]) -> None:
    rest = iter(changes)
    chunk: list[Change] | None = [*islice(rest, CHANGES_PER_FRAME)]
    while chunk:
        _send_frame(pipe, _ENCODER.encode(chunk))
        try:
            chunk = [*islice(rest, CHANGES_PER_FRAME)]
        except BaseException:
            _send_frame(pipe, _ENCODER.encode(None))
            raise
    _send_frame(pipe, _ENCODER.encode(chunk))


def _send_frame(pipe: IO[bytes] | io.FileIO, payload: bytes) -> None:
    pipe.write(_LENGTH.pack(len(payload)) + payload)
    pipe.flush()


def _read_frame(pipe: IO[bytes]) -> bytes | None:
    """Return the next frame; None if the other side is gone."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (size,) = _LENGTH.unpack(head)
    payload = pipe.read(size)
    return payload if len(payload) == size else None


def serve(store: Store, requests: IO[bytes], replies: IO[bytes] | io.FileIO) -> None:
    """Write what comes, until nothing comes any more.

    Args:
      store: where to.
      requests: frames of changes.
      replies: takes a frame for each write.
    """
    held: list[Change] = []
    while (raw := _read_frame(requests)) is not None:
        changes = _CHANGES.decode(raw)
        if changes:
            held += changes
            continue
        reply = None if changes is None else _written(store, held)
        held = []
        if reply is not None:
            _send_frame(replies, _ENCODER.encode(reply))


def _written(store: Store, changes: list[Change]) -> _Reply:
    try:
        store.write(changes)
    except StorageFull as full:
        return _Reply("full", str(full))
    except StorageError as error:
        return _Reply("failed", str(error))
    return _Reply("done", "")


def main() -> None:
    """Be the writer: the arguments are the folder and the tables."""
    os.nice(NICE)
    path = Path(sys.argv[1])
    requests = io.BufferedReader(io.FileIO(sys.stdin.fileno(), closefd=False))
    # Nothing is opened, and nothing made, for a node that is gone before it had anything to write.
    if not requests.peek(1):
        return
    with (
        closing(LmdbStore(path, tables=sys.argv[2:])) as store,
        # Without a buffer, which Python would try to empty once more at its end.
        open(sys.stdout.fileno(), "wb", buffering=0, closefd=False) as replies,
        # If the node was killed meanwhile, nobody is left to be told of the last write.
        suppress(BrokenPipeError),
    ):
        serve(store, requests, replies)


if __name__ == "__main__":
    main()
