"""Enrols the kit's keys in the data folder of a node; the node may be at work meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from engine.keys import Role
from ops.keys.opened import opened_keys

NOTE = "conformance kit"


class FolderEnroller:
    """Enrols keys in a data folder.

    Args:
      data: the folder.
      now_ms: the clock.
    """

    def __init__(self, data: Path, now_ms: Callable[[], int]) -> None:
        self._data = data
        self._now_ms = now_ms

    def enroll(self, name: str, public_key: bytes, role: Role, expires_ms: int | None) -> None:
        """Let a terminal connect with a key.

        Raises:
          click.ClickException: the folder does not let us.
        """
        with opened_keys(self._data, change=True) as store:
            store.enroll(
                name,
                public_key,
                role=role,
                at_ms=self._now_ms(),
                note=NOTE,
                expires_ms=expires_ms,
            )

    def revoke(self, name: str, public_key: bytes) -> None:
        """Let it connect no more.

        Raises:
          click.ClickException: the folder does not let us.
        """
        with opened_keys(self._data, change=True) as store:
            store.revoke(name, at_ms=self._now_ms(), public_key=public_key)
