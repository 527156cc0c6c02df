"""Where a terminal keeps what it must not forget: small records and large ones, under names.

A record is written whole or not at all: a crash at any moment leaves the one before or the new
one. What a record holds is checked by whoever reads it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from terminals.errors import KeeperFailed

NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")
"""What a record may be called: a file on any file system."""

_NEW: Final = ".new"
"""Behind the name of a record that is being written. No name has a dot, so nothing meets it."""


class Keeper(Protocol):
    """Durable records. Calls may block; one record is written by one thread at a time."""

    def names(self) -> list[str]:
        """Return the names of all records, in ascending order.

        Raises:
          KeeperFailed: the disk does not do its part; so do all others.
        """
        ...

    def read(self, name: str) -> bytes:
        """Return a record."""
        ...

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Write a record, in place of the one of this name if there is one.

        Durability: on return it is on disk.
        """
        ...

    def rename(self, name: str, new: str) -> None:
        """Give a record another name, which is free.

        Durability: on return it is on disk.
        """
        ...

    def remove(self, name: str) -> None:
        """Remove a record, if it is there."""
        ...


class FileKeeper:
    """Records as files of a folder, which is made where it is missing.

    Args:
      folder: of this keeper alone.
      fsync: flushes a file or a folder, given as its descriptor.

    Raises:
      KeeperFailed: the folder cannot be used.
    """

    def __init__(self, folder: Path, *, fsync: Callable[[int], None] = os.fsync) -> None:
        self._folder = folder
        self._fsync = fsync
        with self._translated(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for unfinished in folder.glob(f"*{_NEW}"):
                unfinished.unlink()

    def names(self) -> list[str]:
        """Return the names of all records, as `Keeper` says."""
        with self._translated(self._folder):
            found = sorted(path.name for path in self._folder.iterdir())
        return [name for name in found if NAME.fullmatch(name)]

    def read(self, name: str) -> bytes:
        """Return a record, as `Keeper` says."""
        with self._translated(path := self._path(name)):
            return path.read_bytes()

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Write a record, as `Keeper` says."""
        path = self._path(name)
        new = path.with_name(name + _NEW)
        with self._translated(path):
            with new.open("wb") as file:
                file.writelines(pieces)
                file.flush()
                self._fsync(file.fileno())
            new.replace(path)
            self._sync_folder()

    def rename(self, name: str, new: str) -> None:
        """Rename a record, as `Keeper` says."""
        with self._translated(path := self._path(name)):
            path.rename(self._path(new))
            self._sync_folder()

    def remove(self, name: str) -> None:
        """Remove a record, as `Keeper` says."""
        with self._translated(path := self._path(name)):
            path.unlink(missing_ok=True)
            self._sync_folder()

    def _path(self, name: str) -> Path:
        assert NAME.fullmatch(name), f"{name!r} is no name of a record"
        return self._folder / name

    def _sync_folder(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._fsync(descriptor)
        finally:
            os.close(descriptor)

    @contextmanager
    def _translated(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise KeeperFailed(f"{path}: {error.strerror or error}") from error


class MemoryKeeper:
    """Records in memory, for tests and simulations; they outlive the terminal that wrote them."""

    def __init__(self) -> None:
        self._records: dict[str, bytes] = {}

    def names(self) -> list[str]:
        """Return the names of all records, as `Keeper` says."""
        return sorted(self._records)

    def read(self, name: str) -> bytes:
        """Return a record, as `Keeper` says."""
        if name not in self._records:
            raise KeeperFailed(f"{name}: no such record")
        return self._records[name]

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Write a record, as `Keeper` says."""
        assert NAME.fullmatch(name), f"{name!r} is no name of a record"
        self._records[name] = b"".join(pieces)

    def rename(self, name: str, new: str) -> None:
        """Rename a record, as `Keeper` says."""
        assert NAME.fullmatch(new), f"{new!r} is no name of a record"
        if name not in self._records:
            raise KeeperFailed(f"{name}: no such record")
        self._records[new] = self._records.pop(name)

    def remove(self, name: str) -> None:
        """Remove a record, as `Keeper` says."""
        self._records.pop(name, None)
