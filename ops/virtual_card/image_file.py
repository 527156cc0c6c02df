"""The image of a card in a file, which is replaced whole: its keys stand in it for all to read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ops.virtual_card.card import VirtualCard
from protocol.chip.errors import Malformed
from storage.files import sync_names


class NotKept(Exception):
    """The file holds no card, or cannot be used; the message names it."""


class ImageFile:
    """A card on disk, which only its owner may read.

    Args:
      path: of the file; it is made when first saved. One process uses it at a time.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self, *, chance: Callable[[int], bytes]) -> VirtualCard | None:
        """Return the card, or None if there is no file yet.

        Raises:
          NotKept: the file holds something else, or cannot be read.
        """
        try:
            return VirtualCard.from_image(self._path.read_bytes(), chance=chance)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise NotKept(f"{self._path} cannot be read: {error.strerror}") from error
        except Malformed as error:
            raise NotKept(f"{self._path}: {error}") from error

    def save(self, card: VirtualCard) -> None:
        """Replace the card.

        Durability: on return it is on disk; before, the one before is.

        Raises:
          NotKept: it cannot be written.
        """
        draft = self._path.with_name(self._path.name + ".new")
        try:
            # What an interrupted run has left may have been made with other rights.
            draft.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            with os.fdopen(os.open(draft, flags, 0o600), "wb") as file:
                file.write(card.image())
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
            sync_names(self._path.absolute().parent)
        except OSError as error:
            raise NotKept(f"{self._path} cannot be written: {error.strerror}") from error
