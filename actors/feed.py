"""The feed: consumers follow the journal at their own pace, behind the taps.

Each subscription is a task of its own beside the session of its connection. It reads on only while
little waits to be sent there, so a consumer that does not read holds one message back, and nobody
up. Blocks are read, filtered and encoded in a worker thread, one step at a time for all
subscriptions together, with a rest between two steps that is longer while taps are many.

    durable? -> turn -> read_page, in a thread -> little unsent? -> send -> ...
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeAlias

import trio

from actors import limits
from actors.errors import FATAL
from actors.feed_page import Page, Show, read_page
from actors.runtime import Event, Life, Report, Reporter
from actors.runtime.trace import reason_of
from actors.seams import Offload, in_thread
from actors.shard import Shard
from engine.transaction import Entry
from protocol.codec import encode
from protocol.errors import QueryCode
from protocol.filters import matcher
from protocol.messages import Feed, FeedEnd, Subscribe, Unsubscribe
from protocol.redaction import Pseudonym, redact
from protocol.rights import View
from protocol.subscriptions import no_room
from storage.journal import Journal

Step: TypeAlias = Callable[[Journal, int, int], Page]
"""Reads from a position of a journal on, to where it is durable."""


class Consumer(Protocol):
    """The connection that a subscription came on."""

    @property
    def open(self) -> bool:
        """Whether anything can still be said."""
        ...

    async def wait_low(self) -> None:
        """Wait until little waits to be sent; it is so still when this returns."""
        ...

    def send_feed(self, payload: bytes) -> None:
        """Send a message; it must not raise, and must not wait."""
        ...

    def end_feed(self, end: FeedEnd) -> None:
        """Send the last word about a subscription, whose id is free then."""
        ...


class Feeds:
    """What all subscriptions of a node share: a turn to read, and how many they may be.

    Args:
      pseudonym: stands for a card where cards are not shown.
      offload: where the journal is read.
      report: takes the first failure of each kind.
    """

    def __init__(
        self, pseudonym: Pseudonym, *, offload: Offload = in_thread, report: Reporter
    ) -> None:
        self._redacted: Show = partial(redact, pseudonym=pseudonym)
        self._offload = offload
        self._report = report
        self._reported: set[type[Exception]] = set()
        self._turn = trio.CapacityLimiter(1)
        self._failed = trio.Event()
        self._failure: Exception | None = None
        self.count = 0

    async def run(self, life: Life) -> None:
        """Watch over the subscriptions, which run beside their sessions.

        Raises:
          StorageError: what was written cannot be read any more; the node must stop.
        """
        life.ready()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._raise_failure)
            await life.stopping.wait()
            nursery.cancel_scope.cancel()

    async def _raise_failure(self) -> None:
        await self._failed.wait()
        assert self._failure is not None
        raise self._failure

    def show(self, view: View) -> Show:
        """Return what becomes of an entry for a consumer who sees so much."""
        return self._redacted if view == "redacted" else _whole

    async def read(self, shard: Shard, position: int, step: Step) -> Page:
        """Make a step from a position on, which must be before the end of the durable journal.

        Raises:
          StorageError: a block cannot be read.

        Cancellation: a step that has begun is waited for.
        """
        async with self._turn:
            is_busy = shard.load > limits.FEED_LOAD_SHARE
            await trio.sleep(limits.FEED_PAUSE_S if is_busy else limits.FEED_REST_S)
            return await self._offload(
                partial(step, shard.store.journal, position, shard.durable_position)
            )

    def failed(self, shard: Shard, number: int, failure: Exception) -> FeedEnd:
        """Take a failure of a subscription; return what its consumer is told."""
        if shard.ended:
            # Its store was closed under the reader; another shard comes with another connection.
            return shard_gone(number)
        if isinstance(failure, FATAL):
            self._failure = failure
            self._failed.set()
        elif type(failure) not in self._reported:
            self._reported.add(type(failure))
            now_s, why = trio.current_time(), reason_of(failure)
            self._report(Report(now_s, Event.CRASHED, "feeds", "subscription", why, failure))
        return FeedEnd(number, QueryCode.INTERNAL_ERROR, "", "a defect of the node")


class Following:
    """The subscriptions of one connection.

    Args:
      feeds: of the node.
      consumer: the connection.
      shard: that it was opened on.
    """

    def __init__(self, feeds: Feeds, consumer: Consumer, shard: Shard) -> None:
        self._feeds = feeds
        self._consumer = consumer
        self._shard = shard
        self._open: dict[int, _Subscription] = {}

    def take(self, message: Subscribe | Unsubscribe, view: View, nursery: trio.Nursery) -> None:
        """Begin or end a subscription; the session has looked whether it may be."""
        if isinstance(message, Unsubscribe):
            self._open[message.id].end(FeedEnd(message.id))
        elif self._feeds.count >= limits.FEEDS_MAX:
            self._consumer.end_feed(no_room(message.id))
        else:
            self._feeds.count += 1
            show = self._feeds.show(view)
            subscription = _Subscription(message, show, self._shard, self._feeds, self._end)
            self._open[message.id] = subscription
            nursery.start_soon(subscription.run, self._consumer)

    def _end(self, last: FeedEnd) -> None:
        del self._open[last.id]
        self._consumer.end_feed(last)


class _Subscription:
    def __init__(
        self,
        wanted: Subscribe,
        show: Show,
        shard: Shard,
        feeds: Feeds,
        on_end: Callable[[FeedEnd], None],
    ) -> None:
        self._id = wanted.id
        self._shard = shard
        self._feeds = feeds
        self._on_end = on_end
        self._step = partial(read_page, number=wanted.id, matches=matcher(wanted.filter), show=show)
        self._scope = trio.CancelScope()
        self._ended = False
        self._next = wanted.position
        self._told, self._told_s = -1, trio.current_time()
        self._behind = True

    def end(self, last: FeedEnd) -> None:
        if not self._ended:
            self._ended = True
            self._scope.cancel()
            self._on_end(last)

    async def run(self, consumer: Consumer) -> None:
        try:
            with self._scope:
                await self._follow(consumer)
                self.end(shard_gone(self._id))
        except Exception as failure:  # noqa: BLE001 - it is told, and the session goes on
            self.end(self._feeds.failed(self._shard, self._id, failure))
        finally:
            self._feeds.count -= 1

    async def _follow(self, consumer: Consumer) -> None:
        """Send what is wanted until the shard has come to its end."""
        shard = self._shard
        is_going_on = True
        while is_going_on and consumer.open:
            # Nothing is read for who does not read.
            await consumer.wait_low()
            page = Page(self._next, shard.durable_position, b"")
            if page.next < page.head:
                page = await self._feeds.read(shard, self._next, self._step)
            self._next = page.next
            caught_up = page.next >= page.head
            await self._tell(consumer, page, is_news=caught_up and self._behind)
            self._behind = not caught_up
            if caught_up:
                is_going_on = await self._wait_at_end()

    async def _tell(self, consumer: Consumer, page: Page, *, is_news: bool) -> None:
        is_old = page.next != self._told and trio.current_time() >= self._news_due_s
        payload = page.payload
        if not payload and (is_news or is_old):
            payload = encode(Feed(self._id, (), page.next, page.head))
        if payload:
            # Others on this connection may have sent meanwhile.
            await consumer.wait_low()
            if not self._ended:
                consumer.send_feed(payload)
                self._told, self._told_s = page.next, trio.current_time()

    async def _wait_at_end(self) -> bool:
        """Wait for more, or for the time to tell what passed; False if no more will come."""
        await trio.sleep(limits.FEED_GATHER_S)
        due_s = math.inf if self._told == self._next else self._news_due_s
        # Who waits far behind the end looks now and then, and not at every block.
        position = min(self._next, self._shard.durable_position) + 1
        with trio.move_on_at(due_s):
            return await self._shard.wait_durable(position)
        return True

    @property
    def _news_due_s(self) -> float:
        return self._told_s + limits.FEED_NEWS_S


def _whole(entry: Entry) -> Entry:
    return entry


def shard_gone(number: int) -> FeedEnd:
    """Return the last word of a subscription whose shard is opened anew."""
    text = "the journal is opened anew"
    return FeedEnd(number, QueryCode.BUSY, "", text, limits.RESTART_RETRY_MS)
