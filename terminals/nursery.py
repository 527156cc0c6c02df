"""A nursery for those who have one thing to say when it goes wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio


@asynccontextmanager
async def flat_nursery() -> AsyncIterator[trio.Nursery]:
    """Open a nursery out of which an error that comes alone comes as it is, not in a group."""
    try:
        async with trio.open_nursery() as nursery:
            yield nursery
    except BaseExceptionGroup as group:
        error, *others = group.exceptions
        if others:
            raise
        raise error from error.__cause__
