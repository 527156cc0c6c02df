"""Watches card readers: which there are, what lies on them, and whether there is a service at all.

One context, and one thread at a time that waits for all readers together; who speaks to a card
does so elsewhere (`work`), so a card that holds a command for long holds up nobody here.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, TypeAlias

import trio

from terminals.errors import ReaderFailed
from terminals.nursery import flat_nursery
from terminals.pcsc.conversation import Conversation
from terminals.pcsc.events import ReaderEvent, ServiceBack, ServiceLost, changes
from terminals.pcsc.service import READERS_MAX, Context, Establish, Slot
from terminals.pcsc.threads import call

STOP_S: Final = 1.0
"""For how long a watch that is to end waits for its thread; a healthy service takes 2 ms."""
RELEASE_S: Final = 0.5
"""And for how long for its context to be released."""
RETRY_S: Final = 0.5
"""Between two looks for a service that is not there."""
EVENTS_MAX: Final = 64
"""That wait for whoever hears them. After that the watch waits too: it loses what came and went
meanwhile, and never what is there in the end."""

_THREAD: Final = "pcsc watch"

ReaderChoice: TypeAlias = Callable[[str], bool]
"""Tells by its name whether a reader is one to watch."""


def every_reader(_reader: str) -> bool:
    """Choose all readers."""
    return True


def named(*readers: str) -> ReaderChoice:
    """Choose readers by their whole names."""
    return frozenset(readers).__contains__


def starting_with(prefix: str) -> ReaderChoice:
    """Choose readers by how their names begin: what follows depends on the socket they are in."""
    return lambda reader: reader.startswith(prefix)


def matching(pattern: re.Pattern[str]) -> ReaderChoice:
    """Choose readers in whose names a pattern is found."""
    return lambda reader: pattern.search(reader) is not None


class ReaderWatch:
    """Watches those readers that are chosen, the first 15 of them by name.

    Args:
      establish: begins a conversation with the service.
      chosen: tells which readers to watch.
      retry_s: between two looks for a service that is not there.
    """

    def __init__(
        self,
        establish: Establish,
        chosen: ReaderChoice = every_reader,
        *,
        retry_s: float = RETRY_S,
    ) -> None:
        self._establish = establish
        self._chosen = chosen
        self._retry_s = retry_s
        self._known: dict[str, Slot] = {}

    @asynccontextmanager
    async def open(self) -> AsyncIterator[trio.MemoryReceiveChannel[ReaderEvent]]:
        """Begin to watch; what is there at the beginning is told as if it had just come.

        A service that is missing or dies is told of and looked for until it is back, in a new
        context: an old one is of no use to a new service.

        Cancellation: ends within `STOP_S` and `RELEASE_S`, whatever the service does.
        """
        send, receive = trio.open_memory_channel[ReaderEvent](EVENTS_MAX)
        async with flat_nursery() as nursery:
            nursery.start_soon(self._run, send)
            yield receive
            nursery.cancel_scope.cancel()

    async def _run(self, events: trio.MemorySendChannel[ReaderEvent]) -> None:
        lost = False
        while True:
            conversation = Conversation()
            try:
                await call(partial(conversation.begin, self._establish), _THREAD, bound_s=STOP_S)
                if lost:
                    await events.send(ServiceBack())
                lost = False
                await self._follow(conversation, events)
            except ReaderFailed as error:
                await self._tell(events, {})
                if not lost:
                    await events.send(ServiceLost(str(error)))
                lost = True
            finally:
                # A service that is frozen does not even let go.
                with trio.move_on_after(RELEASE_S, shield=True):
                    await call(conversation.leave, _THREAD, bound_s=0)
            await trio.sleep(self._retry_s)

    async def _follow(
        self, conversation: Conversation, events: trio.MemorySendChannel[ReaderEvent]
    ) -> None:
        while True:
            now = await call(
                partial(conversation.use, self._look),
                _THREAD,
                bound_s=STOP_S,
                interrupt=conversation.cancel,
            )
            await self._tell(events, now)

    async def _tell(
        self, events: trio.MemorySendChannel[ReaderEvent], now: dict[str, Slot]
    ) -> None:
        before, self._known = self._known, now
        for event in changes(before, now):
            await events.send(event)

    def _look(self, context: Context) -> dict[str, Slot]:
        """Return how the readers are, once that is other than known; in a thread."""
        readers = sorted(filter(self._chosen, context.readers()))[:READERS_MAX]
        known = {reader: slot for reader, slot in self._known.items() if reader in readers}
        if len(known) < len(self._known):
            return known
        return known | context.wait({reader: known.get(reader) for reader in readers})
