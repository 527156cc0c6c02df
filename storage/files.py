"""Files that must be there after the power went: room for them, and their names."""

from __future__ import annotations

import os
from pathlib import Path


def take_room(file: Path, size: int, *, held: int = 0) -> None:
    """Make a file at least `size` bytes long, with room on the disk for all of it.

    A copy may have left holes where there were zeros: they get their room too.

    Args:
      file: it is made if there is none.
      size: in bytes.
      held: so many bytes at its beginning have their room already.

    Raises:
      OSError: there is no room, or the file cannot be used.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.posix_fallocate(descriptor, held, size - held)
    finally:
        os.close(descriptor)


def sync_names(folder: Path) -> None:
    """Make the names in a folder, and its own, durable: flushing a file does not flush its name.

    Durability: on return they are on disk.

    Raises:
      OSError: they could not be flushed.
    """
    for path in (folder, folder.parent):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
