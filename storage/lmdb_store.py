"""The store on disk: an LMDB environment; the only module that knows LMDB.

LMDB never writes over a page that the last commit needs, and a commit becomes visible by one
write of less than a sector. So whatever a crash cuts in two was never visible.

The room for the data is taken from the disk before it is needed: the file is always as long as
the map, and both grow together. A full disk is therefore met while nothing is being written. Met
by LMDB in the middle of a commit it would be a short write, which LMDB reports as the same
input/output error as a dying disk.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

import lmdb

from storage.errors import (
    NO_ROOM,
    StorageDamaged,
    StorageError,
    StorageFailed,
    StorageFull,
    StorageMissing,
    refused_by_system,
)
from storage.files import sync_names, take_room
from storage.gate import Gate
from storage.store import KEY_BYTES_MAX, Change, Row

T = TypeVar("T")

LmdbTransaction: TypeAlias = "lmdb.Transaction[bytes]"

MAP_BYTES: Final = 4 << 20
"""A new environment: small enough for a test, and twelve doublings away from 16 GiB."""

GROW_BYTES_MAX: Final = 1 << 30
"""The map doubles, but takes no more than this from the disk before it is needed."""

GROW_BYTES_MIN: Final = 256 << 10
"""What is still worth taking from a disk that is almost full; a multiple of every page size."""

_LOCK_BYTES: Final = 8192
"""LMDB's table of 126 readers, its default."""

_ALTERED: Final = (
    lmdb.BadTxnError,
    lmdb.CorruptedError,
    lmdb.InvalidError,
    lmdb.NotFoundError,
    lmdb.PageNotFoundError,
    lmdb.VersionMismatchError,
)


def commit(transaction: LmdbTransaction) -> None:
    """Write a transaction and flush it."""
    transaction.commit()


class LmdbStore:
    """Tables in an LMDB environment.

    Args:
      path: folder of the environment; it is made if it does not exist, but not for a reader.
      tables: names of all tables.
      read_only: only look; possible while another process writes.
      map_bytes: how large a new map is; it grows by itself.
      remedy: what to do when the files are not what was written.
      commit: writes and flushes a transaction; a test may put a failing disk here.

    Raises:
      StorageDamaged: the files are not what was written.
      StorageFailed: the files cannot be used.
      StorageFull: there is no room for a new environment.
      StorageMissing: there is nothing to read.
    """

    def __init__(
        self,
        path: Path,
        *,
        tables: Sequence[str],
        read_only: bool = False,
        map_bytes: int = MAP_BYTES,
        remedy: str = "Restore the folder from a backup.",
        commit: Callable[[LmdbTransaction], None] = commit,
    ) -> None:
        self._file = path / "data.mdb"
        self._remedy = remedy
        self._commit = commit
        # Readers stand on the map in memory, and it may not be moved under them.
        self._map = Gate()
        self._writing = threading.Lock()
        self._refusal = ""
        if read_only and not is_store(path):
            raise StorageMissing(f"there is no store in {path}")
        try:
            self._env, self._tables = _environment(
                path, tables, read_only=read_only, map_bytes=map_bytes
            )
        except (lmdb.Error, OSError) as error:
            raise self._translated(error, f"the store in {path} cannot be opened") from error

    def get(self, table: str, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        db = self._tables[table]
        return self._read(lambda transaction: transaction.get(key, db=db))

    def get_many(self, table: str, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of several keys in one look, in the order of the keys."""
        db = self._tables[table]
        # Neighbours stand on the same pages: in ascending order each page is visited once.
        ascending = sorted(keys)
        found = dict(self._read(lambda transaction: transaction.cursor(db).getmulti(ascending)))
        return [found.get(key) for key in keys]

    def scan(self, table: str, start: bytes = b"", *, limit: int) -> list[Row]:
        """Return up to `limit` rows whose keys are `start` or above, in ascending order."""
        db = self._tables[table]

        def look(transaction: LmdbTransaction) -> list[Row]:
            cursor = transaction.cursor(db)
            found = cursor.set_range(start) if start else cursor.first()
            return list(islice(cursor.iternext(), limit)) if found else []

        return self._read(look)

    def scan_back(self, table: str, start: bytes | None = None, *, limit: int) -> list[Row]:
        """Return up to `limit` rows whose keys are `start` or below, in descending order.

        None starts at the last row.
        """
        db = self._tables[table]

        def look(transaction: LmdbTransaction) -> list[Row]:
            cursor = transaction.cursor(db)
            if start is None or not cursor.set_range(start):
                found = cursor.last()
            else:
                found = cursor.key() == start or cursor.prev()
            return list(islice(cursor.iterprev(), limit)) if found else []

        return self._read(look)

    def count(self, table: str) -> int:
        """Return the number of rows."""
        db = self._tables[table]
        return self._read(lambda transaction: transaction.stat(db)["entries"])

    def version(self) -> int:
        """Return a number that is another one after each write, whichever process made it."""
        return self._read(lambda transaction: transaction.id())

    def write(self, changes: Iterable[Change]) -> None:
        """Make all changes, or none.

        Durability: on return they are on disk.

        Raises:
          StorageFull: no room on the disk; nothing was written, and it may be tried again.
          StorageFailed: the write or its flush failed; the store refuses all further use.
        """
        held = tuple(changes)
        with self._writing:
            self._check_usable()
            try:
                while not self._try_to_write(held):
                    self._grow()
            except (lmdb.Error, OSError) as error:
                raise self._write_failure(error) from error

    def copy_to(self, path: Path) -> None:
        """Copy the store as it stands, without its free pages, into another folder.

        Writers go on meanwhile.

        Durability: on return the copy is on disk.

        Raises:
          StorageFull: there is no room for the copy.
          StorageFailed: the copy could not be written.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
            with (path / "data.mdb").open("xb") as file:
                self._read(lambda _: self._copy_into(file.fileno()))
                os.fsync(file.fileno())
            sync_names(path)
        except OSError as error:
            raise self._translated(error, f"the copy in {path} cannot be written") from error

    def close(self) -> None:
        """Give everything back; later calls raise StorageFailed."""
        with self._writing, self._map.alone():
            self._refusal = self._refusal or "the store is closed"
            self._env.close()

    def _check_usable(self) -> None:
        if self._refusal:
            raise StorageFailed(self._refusal)

    def _read(self, look: Callable[[LmdbTransaction], T]) -> T:
        while True:
            with self._map:
                self._check_usable()
                try:
                    with self._env.begin() as transaction:
                        return look(transaction)
                except lmdb.MapResizedError:
                    pass
                except lmdb.Error as error:
                    raise self._translated(error, f"{self._file} cannot be read") from error
            # Another process has made the map larger.
            with self._writing:
                self._resize(0)

    def _try_to_write(self, changes: tuple[Change, ...]) -> bool:
        """Write the changes, or return False if the map has no room for them."""
        try:
            transaction = self._env.begin(write=True)
        except lmdb.MapResizedError:
            self._resize(0)
            transaction = self._env.begin(write=True)
        try:
            self._change(transaction, changes)
            self._commit(transaction)
        except lmdb.MapFullError:
            self._abort(transaction)
            return False
        except BaseException:
            self._abort(transaction)
            raise
        return True

    def _abort(self, transaction: LmdbTransaction) -> None:
        # The library aborts when nobody else is inside it, and would wait for that for as long
        # as readers keep coming.
        with self._map.alone():
            transaction.abort()

    def _change(self, transaction: LmdbTransaction, changes: tuple[Change, ...]) -> None:
        last_keys: dict[str, bytes] = {}
        for table, key, value in changes:
            assert 0 < len(key) <= KEY_BYTES_MAX
            db = self._tables[table]
            if value is None:
                transaction.delete(key, db=db)
                continue
            last = last_keys.get(table)
            if last is None:
                cursor = transaction.cursor(db)
                last = last_keys[table] = cursor.key() if cursor.last() else b""
            # Told that a key comes last, LMDB fills its pages instead of halving them.
            transaction.put(key, value, append=key > last, db=db)
            if key > last:
                last_keys[table] = key

    def _write_failure(self, error: lmdb.Error | OSError) -> StorageError:
        failure = self._translated(error, f"{self._file} cannot be written")
        if isinstance(failure, StorageFull):
            # LMDB itself remembers when it no longer knows what stands on the disk.
            try:
                self._abort(self._env.begin(write=True))
            except lmdb.Error:
                failure = StorageFailed(str(failure))
            else:
                return failure
        self._refusal = str(failure)
        return failure

    def _grow(self) -> None:
        # A process that was killed while it read still holds the pages that it looked at.
        if self._env.reader_check():
            return
        size = self._env.info()["map_size"]
        disk = os.statvfs(self._file)
        # Half of what is left stays for the other stores, and for those who clean up.
        step = min(size, GROW_BYTES_MAX, disk.f_bavail * disk.f_frsize // 2)
        step -= step % GROW_BYTES_MIN
        if not step:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        take_room(self._file, size + step, held=size)
        self._resize(size + step)

    def _resize(self, size: int) -> None:
        """Move the map; the size 0 takes over what another process has made of it."""
        with self._map.alone():
            self._env.set_mapsize(size)

    def _copy_into(self, descriptor: int) -> None:
        # From the start again, should the map have been found too small half way through.
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.ftruncate(descriptor, 0)
        try:
            self._env.copyfd(descriptor, compact=True)
        except lmdb.Error as error:
            if error.code not in NO_ROOM:
                raise
            # It is the copy that has no room; what is copied can be read.
            raise OSError(error.code, os.strerror(error.code)) from error

    def _translated(self, error: lmdb.Error | OSError, what: str) -> StorageError:
        # What the binding finds out by itself, a format that it does not know, has no code.
        if isinstance(error, _ALTERED) or (isinstance(error, lmdb.Error) and not error.code):
            return StorageDamaged(f"{what}: {error}. {self._remedy}")
        code = error.errno if isinstance(error, OSError) else error.code
        return refused_by_system(what, error, code)


def is_store(path: Path) -> bool:
    """Tell whether a folder holds a store."""
    return (path / "data.mdb").exists()


def _environment(
    path: Path, tables: Sequence[str], *, read_only: bool, map_bytes: int
) -> tuple[lmdb.Environment, dict[str, lmdb._Database]]:
    file = path / "data.mdb"
    is_new = not file.exists()
    if is_new:
        path.mkdir(parents=True, exist_ok=True)
        # LMDB writes to this one through a map, where a full disk ends the process.
        take_room(path / "lock.mdb", _LOCK_BYTES)
    env = lmdb.open(
        str(path),
        map_size=0 if read_only else max(map_bytes, 0 if is_new else file.stat().st_size),
        readonly=read_only,
        max_dbs=len(tables),
        max_spare_txns=1,
    )
    with ExitStack() as opened:
        opened.callback(env.close)
        _check_length(env, file)
        if not read_only:
            take_room(file, env.info()["map_size"])
            # Not only a new one's: a process may have been killed before it came to this.
            sync_names(path)
        found = {table: env.open_db(table.encode(), create=not read_only) for table in tables}
        opened.pop_all()
    return env, found


def _check_length(env: lmdb.Environment, file: Path) -> None:
    # A page beyond the end of the file would end the process when it is looked at.
    pages = env.info()["last_pgno"] + 1
    if file.stat().st_size < pages * env.stat()["psize"]:
        raise lmdb.CorruptedError(f"{file} is shorter than its content")
