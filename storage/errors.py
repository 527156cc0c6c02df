"""What can go wrong in storage.

StorageError
├── StorageFull       no room on the disk; nothing was written, try again when there is
├── StorageFailed     a write or flush failed, or the store is closed: stop the node
├── StorageLocked     another process holds the data folder
├── StorageMissing    there is nothing where a data folder or a store was expected
├── StorageVersion    written by a newer version of this program
└── StorageDamaged    what is on the disk is not what was written
"""

from __future__ import annotations

import errno
from typing import Final

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Codes by which the system says that a disk, a quota or the largest file is full."""


class StorageError(Exception):
    """Root of the storage exceptions; the message says what to do."""


class StorageFull(StorageError):
    """There is no room for another write; nothing was written, and it may be tried again."""


class StorageFailed(StorageError):
    """A write or flush failed: what reached the disk is unknown. It is never retried."""


class StorageLocked(StorageError):
    """Another process holds the data folder."""


class StorageMissing(StorageError):
    """There is nothing where a data folder or a store was expected."""


class StorageVersion(StorageError):
    """The folder was written by a newer version of this program."""


class StorageDamaged(StorageError):
    """What is on the disk is not what was written.

    Attributes:
      block: number of the first bad block, or None where no block is meant.
    """

    def __init__(self, message: str, *, block: int | None = None) -> None:
        super().__init__(message)
        self.block = block


def refused_by_system(what: str, error: Exception, code: int | None) -> StorageFull | StorageFailed:
    """Return the storage exception for an error of the operating system.

    Args:
      what: what could not be done.
      error: what was raised.
      code: its errno.
    """
    if code in NO_ROOM:
        return StorageFull(f"{what}: there is no room on the disk. Make some and try again.")
    return StorageFailed(f"{what}: {error}")
