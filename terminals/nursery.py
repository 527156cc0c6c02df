"""A nursery for those who have one thing to say when it goes wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio


@asynccontextmanager
async def flat_nursery() -> AsyncIterator[trio.Nursery]:
    """Open a nursery out of which an error that comes alone comes as it is, not in a group.

    Cancellation: one that comes together with an error gives way to it. Nothing is lost by that:
    whoever was cancelled is still, and is told again at the next checkpoint.
    """
    try:
        async with trio.open_nursery() as nursery:
            yield nursery
    except BaseExceptionGroup as group:
        _, errors = group.split(trio.Cancelled)
        match errors.exceptions if errors else ():
            case (error,):
                raise error from error.__cause__
            case _:
                raise
