"""A context that several threads use, and that the last of them releases.

To release a context in which another thread waits is not safe: pcsc-lite frees what that thread
goes on to use, and the thread then waits for ever (seen with 1.9.9). A thread of ours may be left
alone in the middle of a call, so whoever comes back last does it.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import TypeVar

from terminals.pcsc.service import Context, Establish

T = TypeVar("T")


class Conversation:
    """A context to be, of which its maker is the first user, until `leave`."""

    def __init__(self) -> None:
        self._context: Context | None = None
        self._users = 1
        self._lock = Lock()

    def begin(self, establish: Establish) -> None:
        """Make the context; in a thread.

        Raises:
          ReaderFailed: there is no service.
        """
        self._enter()
        try:
            self._context = establish()
        finally:
            self.leave()

    def use(self, function: Callable[[Context], T]) -> T:
        """Do something with the context, once it has begun; in a thread.

        Raises:
          ReaderFailed: as the methods of a context do.
        """
        assert self._context is not None, "used before it was begun"
        self._enter()
        try:
            return function(self._context)
        finally:
            self.leave()

    def cancel(self) -> None:
        """Let whoever waits in the context come back; in a thread, which may come too late."""
        with self._lock:
            if not self._users:
                return
            self._users += 1
        try:
            if self._context is not None:
                self._context.cancel()
        finally:
            self.leave()

    def leave(self) -> None:
        """Use it no longer; the last one to say so releases the context."""
        with self._lock:
            self._users -= 1
            last = not self._users
        if last and self._context is not None:
            self._context.release()

    def _enter(self) -> None:
        with self._lock:
            self._users += 1
