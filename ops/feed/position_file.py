"""Where a consumer goes on: one number in a file, replaced whole."""

from __future__ import annotations

import os
from pathlib import Path

from storage.files import sync_names


class NoPosition(Exception):
    """The file holds no position; the message names it."""


class PositionFile:
    """A position on disk.

    Args:
      path: of the file; it is made when first saved.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._saved: int | None = None

    def load(self) -> int | None:
        """Return the position, or None if there is no file yet.

        Raises:
          NoPosition: the file holds something else.
          OSError: it cannot be read.
        """
        try:
            text = self._path.read_text(encoding="utf-8", errors="replace").strip()
        except FileNotFoundError:
            return None
        if not (text.isascii() and text.isdigit()):
            raise NoPosition(f"{self._path} holds no position")
        self._saved = int(text)
        return self._saved

    def save(self, position: int) -> None:
        """Replace the position, if it is another one.

        Durability: on return it is on disk; before, the one before is.

        Raises:
          OSError: it cannot be written.
        """
        if position == self._saved:
            return
        draft = self._path.with_name(self._path.name + ".new")
        with draft.open("w", encoding="ascii") as file:
            file.write(f"{position}\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)
        sync_names(self._path.absolute().parent)
        self._saved = position
