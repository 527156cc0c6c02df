"""Whose a card is, where it may be opened at one reader while another still waits for its answer.

A chip has one session: that of whoever opened it last. A visit whose card was opened again since
has nothing more to say of it, however late its answers come.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from terminals.errors import CardGone

T = TypeVar("T")


class Turns:
    """Knows which visit has opened each card last. Any thread may call it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[bytes, Turn] = {}

    @contextmanager
    def taken(self, uid: bytes) -> Iterator[Turn]:
        """Let a card be that of the visit which has just opened it, until another one does."""
        turn = Turn(self, uid)
        with self._lock:
            self._last[uid] = turn
        try:
            yield turn
        finally:
            with self._lock:
                if self._last.get(uid) is turn:
                    del self._last[uid]

    def do(self, turn: Turn, uid: bytes, change: Callable[[], T]) -> T:
        """Make a change, as `Turn.do` says."""
        with self._lock:
            if self._last.get(uid) is not turn:
                raise CardGone("the card was opened at another reader meanwhile")
            return change()


class Turn:
    """One visit's turn with a card."""

    def __init__(self, turns: Turns, uid: bytes) -> None:
        self._turns = turns
        self._uid = uid

    def do(self, change: Callable[[], T]) -> T:
        """Make a change of what is known of the card, and return what comes of it.

        Raises:
          CardGone: another visit has opened the card since; nothing was changed.
        """
        return self._turns.do(self, self._uid, change)
