"""Where blocking calls run: in a worker thread, or on the spot in a simulation (D11)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import trio

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
