"""The data folder of a node.

DIR/lock        held by the one process that runs the node
DIR/format      version of everything in the folder
DIR/journal/    the truth
DIR/views/      what is derived from it
DIR/fleet/      terminals, their lists and commands
DIR/keys/       keys of the terminals; also written by the command line while a node runs
DIR/pseudonyms  the secret behind the names of cards in what observers see
"""

from __future__ import annotations

import fcntl
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Final, Self

import msgspec

from storage.errors import (
    StorageDamaged,
    StorageLocked,
    StorageMissing,
    StorageVersion,
    refused_by_system,
)
from storage.files import sync_names

FORMAT: Final = 1
"""The version that this program writes; it refuses a later one."""


class _Format(msgspec.Struct):
    format: Annotated[int, msgspec.Meta(ge=1)]


ONE_NODE: Final = "one node runs on a data folder"


class DataFolder:
    """An open data folder. Use `open` to get one; it is a context manager.

    Attributes:
      path: of the folder.
      journal: path of the journal's store.
      views: path of the views' store.
      fleet: path of the fleet's store.
      keys: path of the keys' store.
      pseudonyms: path of the secret from which cards get their pseudonyms.
    """

    def __init__(self, path: Path, held: ExitStack) -> None:
        self.path = path
        self.journal = path / "journal"
        self.views = path / "views"
        self.fleet = path / "fleet"
        self.keys = path / "keys"
        self.pseudonyms = path / "pseudonyms"
        self._held = held

    @classmethod
    def open(cls, path: Path, *, create: bool = False, exclusive: bool = True) -> Self:
        """Open a folder.

        Args:
          path: where it is.
          create: make one if there is nothing.
          exclusive: hold it until closed, so that no other process can. Those that only look, or
            only use the keys, do without.

        Raises:
          StorageDamaged: its format cannot be read.
          StorageFailed: the system does not let us.
          StorageFull: there is no room for a new one.
          StorageLocked: another process holds it.
          StorageMissing: there is no data folder.
          StorageVersion: it was written by a newer version.
        """
        try:
            return cls._open(path, create=create, exclusive=exclusive)
        except OSError as error:
            raise refused_by_system(f"{path} cannot be opened", error, error.errno) from error

    @classmethod
    def _open(cls, path: Path, *, create: bool, exclusive: bool) -> Self:
        if create:
            path.mkdir(parents=True, exist_ok=True)
        elif not path.is_dir():
            raise StorageMissing(f"there is no data folder at {path}")
        with ExitStack() as held:
            if exclusive:
                held.callback(os.close, lock_folder(path, ONE_NODE))
            if create:
                _make_format(path)
            _check_format(path)
            return cls(path, held.pop_all())

    def hold_keys(self) -> None:
        """Hold the keys until closed: nobody else may do so, and change them, meanwhile.

        A node that is at work in the folder does without: it only reads them.

        Raises:
          StorageFailed: there are none, or the system does not let us.
          StorageLocked: another process holds them, for as long as a command takes.
        """
        try:
            descriptor = os.open(self.keys, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._held.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = f"another command is changing the keys in {self.path}: try again"
            raise StorageLocked(message) from error
        except OSError as error:
            raise refused_by_system(f"{self.keys} cannot be held", error, error.errno) from error

    def close(self) -> None:
        """Let go of the folder."""
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def lock_folder(path: Path, rule: str) -> int:
    """Hold a folder until the descriptor that is returned is closed.

    Args:
      path: of the folder.
      rule: who may be at work there, for whoever is not let in.

    Raises:
      StorageLocked: another process holds it.
      OSError: the system does not let us.
    """
    descriptor = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Always of one length, so that it takes no more room on a disk that is full by now.
        os.pwrite(descriptor, f"{os.getpid():<20}\n".encode(), 0)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 20, 0).decode().strip() or "unknown"
        os.close(descriptor)
        raise StorageLocked(f"{path} is in use by process {holder}: {rule}.") from error
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _make_format(path: Path) -> None:
    file, draft = path / "format", path / "format.new"
    if file.exists():
        return
    if not {entry.name for entry in path.iterdir()} <= {"lock", draft.name}:
        raise StorageMissing(
            f"{path} holds other files and no data folder: name an empty one. (What an interrupted "
            "backup or restore has left can be deleted.)"
        )
    with draft.open("wb") as stream:
        stream.write(msgspec.json.encode(_Format(FORMAT)) + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)
    sync_names(path)


def _check_format(path: Path) -> None:
    try:
        raw = (path / "format").read_bytes()
    except FileNotFoundError as error:
        raise StorageMissing(f"there is no data folder at {path}") from error
    try:
        written_by = msgspec.json.decode(raw, type=_Format).format
    except msgspec.MsgspecError as error:
        raise StorageDamaged(f"{path / 'format'} cannot be read: restore the folder.") from error
    if written_by > FORMAT:
        raise StorageVersion(
            f"{path} has format {written_by}; this program knows up to {FORMAT}: "
            "run the newer version."
        )
