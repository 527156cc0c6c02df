"""A node that tells a journal of so many entries, for those who follow it from the command line."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from engine.transaction import Entry
from ops.feed.run import Source
from protocol.messages import Feed, FeedEntry, Subscribe
from tests.terminals.fake_node import KEY, URL, FakeNode, FakeSession


class Telling:
    """Tells entries to each subscription, some at a time; the test adds more.

    Attributes:
      entries: of the journal.
      asked: the subscriptions that came.
    """

    def __init__(self, node: FakeNode, entries: Sequence[Entry], *, at_once: int = 10) -> None:
        self.entries = list(entries)
        self.asked: list[Subscribe] = []
        self._at_once = at_once
        self._more = trio.Event()
        node.on_subscribe = self._tell
        self.source = Source(URL, "REPORTS", KEY, node.connect)

    def add(self, entries: Sequence[Entry]) -> None:
        """Make the journal longer."""
        self.entries += entries
        self._more.set()
        self._more = trio.Event()

    async def _tell(self, session: FakeSession, message: Subscribe) -> None:
        self.asked.append(message)
        position = message.position
        while True:
            found = [
                FeedEntry(at, self.entries[at])
                for at in range(position, min(position + self._at_once, len(self.entries)))
            ]
            position += len(found)
            await session.say(Feed(message.id, tuple(found), position, len(self.entries)))
            if position >= len(self.entries):
                await self._more.wait()
