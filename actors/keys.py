"""The keys of a node as its sessions see them, and the time by which they expire."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from protocol.session import EnrolledKey, KeyName


class Keys(Protocol):
    """Who may connect. Another process may change it at any time."""

    def find(self, terminal: str, public_key: bytes, /) -> EnrolledKey | None:
        """Return a key that was enrolled, also one that may do nothing any more."""
        ...

    def find_many(self, names: Sequence[KeyName], /) -> Sequence[EnrolledKey | None]:
        """Return several keys, in the order of their names, in one look."""
        ...

    def version(self) -> int:
        """Return a number that is another one when anything has changed."""
        ...


class LatestTime:
    """The latest time that the host's clock has shown, here or in the journal.

    By this time keys expire: a clock that is set back brings none of them back to life.

    Args:
      now_ms: the host's clock.
      decided_ms: when the newest entry of the journal was decided.
    """

    def __init__(self, now_ms: Callable[[], int], decided_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._decided_ms = decided_ms
        self._latest_ms = 0

    def __call__(self) -> int:
        """Return it, in milliseconds since 1970."""
        self._latest_ms = max(self._latest_ms, self._now_ms(), self._decided_ms())
        return self._latest_ms

    @property
    def behind_ms(self) -> int:
        """How far the host's clock stands behind it."""
        return self() - self._now_ms()
