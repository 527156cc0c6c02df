"""What a client does over its connection besides transactions, questions and orders."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import trio

from terminals.messages import FromNode, Ready

T = TypeVar("T")


class Offload(Protocol):
    """Runs a blocking call so that the event loop goes on."""

    def __call__(self, call: Callable[[], T], /) -> Awaitable[T]:
        """Run `call` and return its result.

        Cancellation: before the call begins it leaves no trace; then its end is waited for.
        """
        ...


async def in_thread(call: Callable[[], T], /) -> T:
    """Run a blocking call in a worker thread of trio."""
    return await trio.to_thread.run_sync(call)


def untold(_text: str) -> None:
    """Tell nobody."""


class Part(ABC):
    """Something that a client does for its terminal.

    All methods but `run` are called by the session: they must not wait. Times are seconds of
    `trio.current_time`. One object belongs to one client.
    """

    def __init__(self) -> None:
        self._wake_session: Callable[[], None] = _nobody_to_wake

    def attach(self, wake: Callable[[], None]) -> None:
        """Learn whom to wake when there is something to send."""
        self._wake_session = wake

    @abstractmethod
    def begin(self, ready: Ready) -> None:
        """Begin a connection; nothing that was sent on the one before need have arrived."""

    @abstractmethod
    def next_message(self, now_s: float) -> bytes | None:
        """Return what is to be sent now, and note it as sent; None: nothing."""

    def next_due_s(self) -> float:
        """Return when there will be something to send that there is not now; infinity: never."""
        return math.inf

    def overdue_s(self) -> float:
        """Return when the connection is to be held dead for want of an answer; infinity: not."""
        return math.inf

    @abstractmethod
    def take(self, message: FromNode) -> bool:
        """Take what the node sends, and tell whether it was for this part."""

    @abstractmethod
    async def run(self) -> None:
        """Do what takes longer, for as long as the client runs."""


def _nobody_to_wake() -> None:
    """Wake nobody: no session has begun."""
