"""Where time, chance and threads come in, so that a simulation can put its own there (D11)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import trio
from msgspec import Struct

from actors.runtime.budget import Chance

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


class Seams(Struct, frozen=True):
    """What a node takes from its surroundings.

    Attributes:
      now_ms: the host's clock, milliseconds since 1970.
      nonce: 32 fresh bytes of chance.
      chance: draws from [0, 1), for backoffs.
      offload: where blocking calls run.
    """

    now_ms: Callable[[], int]
    nonce: Callable[[], bytes]
    chance: Chance
    offload: Offload = in_thread
