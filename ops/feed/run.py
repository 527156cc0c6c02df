"""Following a feed until the end of the journal, or until somebody says stop."""

from __future__ import annotations

import math
import random
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeAlias

import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from ops.endings import LIKE_CTRL_C
from ops.node import now_ms
from ops.remote import Remote
from terminals.client import ClientOptions
from terminals.errors import TerminalError
from terminals.feed import FeedClient, Wanted, open_feed
from terminals.link import Connect
from terminals.messages import Feed
from terminals.websocket import websocket

SOFTWARE: Final = "jakarta-one feed"
STOP_S: Final = 2.0
"""What a stop allows for work that has begun, before it is left as it is."""

Take: TypeAlias = Callable[[Feed], Awaitable[None]]
"""Takes a message. It is not cancelled by a stop unless it takes longer than `STOP_S`."""


class Source(Struct, frozen=True):
    """Whose journal is followed, and as whom.

    Attributes:
      url: of the node.
      name: under which the key was enrolled.
      key: the key.
      connect: opens a connection.
    """

    url: str
    name: str
    key: Ed25519PrivateKey
    connect: Connect = websocket

    @classmethod
    def at(cls, remote: Remote) -> Source:
        """Return the journal of a node that somebody named."""
        return cls(remote.url, remote.name, remote.key, partial(websocket, tls=remote.tls))


class Stop:
    """A request to stop: whoever waits for messages does not wait any more."""

    def __init__(self) -> None:
        self.asked = False
        self._waiting = trio.CancelScope()
        self._working = trio.CancelScope()

    def ask(self) -> None:
        """Stop: at once where nothing was begun, otherwise when that is done, but soon."""
        self.asked = True
        self._waiting.cancel()
        self._working.deadline = trio.current_time() + STOP_S

    async def wait_for(self, feed: FeedClient) -> Feed | None:
        """Return the next message, or None if there is nothing more to wait for."""
        if self.asked:
            return None
        with trio.CancelScope() as self._waiting:
            return await anext(feed)
        return None

    async def finish(self, work: Awaitable[None]) -> bool:
        """Do a piece of work; tell whether it was done in time.

        Cancellation: it goes on, for as long as a stop allows.
        """
        deadline = trio.current_time() + STOP_S if self.asked else math.inf
        with trio.CancelScope(shield=True, deadline=deadline) as self._working:
            await work
        return not self._working.cancelled_caught


async def follow(source: Source, wanted: Wanted, take: Take, stop: Stop, *, for_ever: bool) -> None:
    """Hand over each message until the journal's end, or for ever, or until a stop.

    Args:
      source: whose journal.
      wanted: which entries, and from where on.
      take: takes each message.
      stop: ends it early.
      for_ever: go on where the journal ended when it began; nothing makes it give up then.

    Raises:
      TerminalError: the node does not let us follow, or is given up.
    """
    patience_s = math.inf if for_ever else ClientOptions().patience_s
    options = ClientOptions(software=SOFTWARE, patience_s=patience_s)
    end: int | None = None
    async with open_feed(
        *(source.url, source.name, source.key),
        wanted=wanted,
        clock_ms=now_ms,
        random=random.SystemRandom().random,
        connect=source.connect,
        options=options,
    ) as feed:
        while (message := await stop.wait_for(feed)) is not None:
            if not await stop.finish(take(message)):
                return
            end = message.head if end is None else end
            if not for_ever and message.next >= end:
                return


async def until_told(run: Callable[[Stop], Awaitable[None]]) -> None:
    """Run until done, or until SIGTERM, SIGINT or SIGHUP wish us to stop.

    Raises:
      TerminalError: of `run`, as it is.
      OSError: of `run`, as it is.
    """
    stop = Stop()
    failure: Exception | None = None
    # Whoever started us with one ignored (nohup) wants it so; but shells ignore SIGINT for all that
    # they start in the background.
    taken = [number for number in LIKE_CTRL_C if signal.getsignal(number) != signal.SIG_IGN]
    with trio.open_signal_receiver(signal.SIGINT, *taken) as signals:
        async with trio.open_nursery() as nursery:

            async def listen() -> None:
                async for _ in signals:
                    stop.ask()

            nursery.start_soon(listen)
            try:
                await run(stop)
            except (TerminalError, OSError) as error:
                failure = error
            nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
