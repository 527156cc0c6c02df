"""Following the journal: an iterator over what a node tells, however many connections that takes.

    async with open_feed(url, "REPORTS", key, wanted=Wanted(kept), ...) as feed:
        async for message in feed:
            ...                     # make something of message.entries
            kept = message.next     # and keep this with it

It connects again by itself and goes on behind the last message that was taken from it, so that none
is skipped and none comes twice. It reads no faster than messages are taken.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Final, NamedTuple

import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from terminals import wire
from terminals.client import ClientOptions
from terminals.clock import NodeClock
from terminals.errors import (
    ClientClosed,
    LinkLost,
    NodeMisbehaved,
    NodeRefused,
    NodeUnreachable,
    TerminalError,
)
from terminals.greeting import greet, hear
from terminals.link import Connect, Link
from terminals.messages import Feed, FeedEnd, Pulse, Ready
from terminals.nursery import flat_nursery
from terminals.patience import Patience
from terminals.websocket import websocket

CAPABILITY: Final = "feed"
_NUMBER: Final = 1
"""The one subscription of each connection."""


class Wanted(NamedTuple):
    """From which position on entries are wanted, and which; an empty condition always holds.

    The conditions are those of a `filter` in docs/protocol.md.
    """

    position: int = 0
    kinds: Sequence[str] = ()
    operators: Sequence[str] = ()
    banks: Sequence[str] = ()
    programmes: Sequence[str] = ()


ALL: Final = Wanted()
DEFAULTS: Final = ClientOptions()


class FeedClient:
    """What `open_feed` gives: an iterator over feed messages.

    Args:
      url: where the node is.
      terminal: the name that the key was enrolled under.
      key: its key.
      wanted: which entries, and from where on.
      clock_ms: the time in milliseconds since 1970 (UTC), told in heartbeats.
      random: gives numbers from 0 to 1; pauses between attempts depend on them.
      connect: opens a connection.
      options: how to go about it.

    Attributes:
      position: where it goes on: behind the last message that was taken.
      sessions: how many connections there were.
    """

    def __init__(
        self,
        url: str,
        terminal: str,
        key: Ed25519PrivateKey,
        *,
        wanted: Wanted,
        clock_ms: Callable[[], int],
        random: Callable[[], float],
        connect: Connect = websocket,
        options: ClientOptions = DEFAULTS,
    ) -> None:
        self.position = wanted.position
        self.sessions = 0
        self._url = url
        self._terminal = terminal
        self._key = key
        self._wanted = wanted
        self._clock_ms = clock_ms
        self._random = random
        self._connect = connect
        self._options = options
        # Without room: a message is handed over when it is asked for, or fetched again.
        self._put, self._get = trio.open_memory_channel[Feed](0)
        self._messages = 0
        self._failure: TerminalError | None = None

    def __aiter__(self) -> FeedClient:
        """Return itself: there is one feed, and one who follows it."""
        return self

    async def __anext__(self) -> Feed:
        """Wait for the next message.

        Raises:
          NodeRefused: the node does not let this client follow.
          NodeMisbehaved: what it sends is not of the protocol.
          NodeUnreachable: nothing came for longer than the patience allows, for want of a node.
          ClientClosed: it has ended.

        Cancellation: no message is lost.
        """
        try:
            message = await self._get.receive()
            self.position = message.next
            return message
        except trio.EndOfChannel:
            failure = self._failure or ClientClosed(f"{self._terminal} has ended")
            raise failure.with_traceback(None) from None

    async def run(self) -> None:
        """Keep the subscription until cancelled; failures are raised to who iterates."""
        options = self._options
        patience = Patience(
            options.backoff_first_s,
            options.backoff_s_max,
            options.patience_s,
            random=self._random,
            now_s=trio.current_time(),
        )
        with self._put:
            try:
                while True:
                    await self._one_life(patience)
            except TerminalError as failure:
                self._failure = failure

    async def _one_life(self, patience: Patience) -> None:
        messages = self._messages
        try:
            async with self._connect(self._url) as link:
                await self._follow(link)
        except LinkLost as lost:
            now_s = trio.current_time()
            if self._messages > messages:
                patience.progress(now_s)
            if patience.is_over(now_s):
                text = f"{self._terminal}: no progress in {self._options.patience_s:g} s; {lost}"
                raise NodeUnreachable(text) from lost
            await trio.sleep(patience.next_pause_s())

    async def _follow(self, link: Link) -> None:
        options = self._options
        with trio.move_on_after(options.handshake_s) as handshake:
            ready = await greet(
                link, self._terminal, self._key, options.software, NodeClock(self._clock_ms)
            )
        if handshake.cancelled_caught:
            raise LinkLost(f"no handshake in {options.handshake_s:g} s")
        if CAPABILITY not in ready.capabilities:
            raise NodeRefused("feed_unknown", "", f"{self._url} has no feed to follow")
        self.sessions += 1
        await link.send(wire.subscribe(_NUMBER, self.position, self._wanted[1:]))
        ended: list[TerminalError] = []
        async with trio.open_nursery() as nursery:

            async def until_it_ends(loop: Awaitable[None]) -> None:
                # The first to end tells why, and the other one ends with it.
                try:
                    await loop
                except TerminalError as error:
                    ended.append(error)
                nursery.cancel_scope.cancel()

            nursery.start_soon(until_it_ends, self._beat(link, ready))
            nursery.start_soon(until_it_ends, self._hear_all(link, ready))
        if ended:
            raise ended[0]

    async def _beat(self, link: Link, ready: Ready) -> None:
        # Also while nobody takes what came: the node must not think us dead.
        while True:
            await trio.sleep(ready.heartbeat_s)
            await link.send(wire.heartbeat(self._clock_ms(), 0))

    async def _hear_all(self, link: Link, ready: Ready) -> None:
        silence_s = ready.heartbeat_s + self._options.pulse_s
        while True:
            with trio.move_on_after(silence_s) as scope:
                message = await hear(link)
            if scope.cancelled_caught:
                raise LinkLost(f"not a word for {silence_s:g} s")
            match message:
                case Feed():
                    self._check(message)
                    self._messages += 1
                    await self._put.send(message)
                    # Whoever took it may not have had a turn yet.
                    self.position = message.next
                case FeedEnd():
                    raise _ended(message)
                case Pulse():
                    pass
                case _:
                    raise NodeMisbehaved(f"did not expect {type(message).__name__.lower()}")

    def _check(self, feed: Feed) -> None:
        """Look that nothing is skipped and nothing comes again."""
        positions = [self.position - 1, *(entry.position for entry in feed.entries), feed.next]
        in_order = all(one < other for one, other in pairwise(positions))
        if feed.id != _NUMBER or not in_order:
            raise NodeMisbehaved(f"a feed from {self.position} on that is none: {positions[:3]}")


def _ended(end: FeedEnd) -> TerminalError:
    if end.retry_after_ms:
        return LinkLost(f"{end.code}: {end.text}")
    return NodeRefused(end.code, end.field, end.text)


@asynccontextmanager
async def open_feed(
    url: str,
    terminal: str,
    key: Ed25519PrivateKey,
    *,
    wanted: Wanted = ALL,
    clock_ms: Callable[[], int],
    random: Callable[[], float],
    connect: Connect = websocket,
    options: ClientOptions = DEFAULTS,
) -> AsyncIterator[FeedClient]:
    """Follow the journal while the body runs; the arguments are those of `FeedClient`.

    Raises:
      TerminalError: to who iterates, not here.

    Cancellation: the connection is dropped instead of closed; no task is left behind.
    """
    client = FeedClient(
        url,
        terminal,
        key,
        wanted=wanted,
        clock_ms=clock_ms,
        random=random,
        connect=connect,
        options=options,
    )
    async with flat_nursery() as nursery:
        nursery.start_soon(client.run)
        yield client
        nursery.cancel_scope.cancel()
