"""Who follows the journal misses nothing and hears nothing twice, whatever the node does."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import pytest
import trio
from trio.testing import MockClock

from protocol.messages import Error, Feed, FeedEnd, FeedEntry, Filter, FromNode, Pulse, Subscribe
from terminals.client import ClientOptions
from terminals.errors import ClientClosed, NodeMisbehaved, NodeRefused, NodeUnreachable
from terminals.feed import ALL, FeedClient, Wanted, open_feed
from tests.storage.entries import entry_at
from tests.terminals.fake_node import DEFAULTS, KEY, SERVER_MS, URL, FakeNode, FakeSession


def follow(
    node: FakeNode, wanted: Wanted = ALL, options: ClientOptions = DEFAULTS
) -> AbstractAsyncContextManager[FeedClient]:
    return open_feed(
        URL,
        "REPORTS",
        KEY,
        wanted=wanted,
        clock_ms=lambda: int(trio.current_time() * 1000),
        random=lambda: 1.0,
        connect=node.connect,
        options=options,
    )


def feed(first: int, count: int, *, head: int = 100, after: int | None = None) -> Feed:
    """Return a message with the entries of so many positions."""
    found = tuple(FeedEntry(at, entry_at(at)) for at in range(first, first + count))
    return Feed(1, found, first + count if after is None else after, head)


class Teller:
    """A node's journal of a hundred entries, told ten at a time."""

    def __init__(self, node: FakeNode, *, drop_after: int = 10**9) -> None:
        self.asked: list[Subscribe] = []
        self.said = 0
        self._drop_after = drop_after
        node.on_subscribe = self.tell

    async def tell(self, session: FakeSession, message: Subscribe) -> None:
        self.asked.append(message)
        position = message.position
        while position < 100:
            count = min(10, 100 - position)
            await session.say(feed(position, count))
            position += count
            self.said += 1
            if self.said % self._drop_after == 0:
                session.drop()
                return


async def taken(client: FeedClient, until: int = 100) -> list[int]:
    """Take messages up to a position; return the positions of the entries."""
    found: list[int] = []
    async for message in client:
        found += [entry.position for entry in message.entries]
        assert client.position == message.next
        if message.next >= until:
            break
    return found


async def test_entries_come_in_order_from_the_position_that_is_wanted(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    teller = Teller(node)
    wanted = Wanted(37, kinds=["tap"], operators=["tj"], banks=["dki"], programmes=["kjp"])
    async with follow(node, wanted) as client:
        assert await taken(client) == [*range(37, 100)]
        assert client.sessions == 1
    (asked,) = teller.asked
    assert asked == Subscribe(1, 37, Filter(("tap",), ("tj",), ("dki",), ("kjp",)))
    hello = node.sessions[0].hello
    assert hello is not None
    assert hello.terminal == "REPORTS"


async def test_entries_are_what_the_node_has(node: FakeNode, autojump_clock: MockClock) -> None:
    Teller(node)
    async with follow(node) as client:
        message = await anext(client)
    for position, entry in message.entries:
        expected = entry_at(position)
        assert (entry.terminal, entry.counter) == (expected.terminal, expected.counter)
        assert entry.postings == expected.postings
        assert list(entry.intent)[:3] == ["tap", expected.intent.card, 3500]


@pytest.mark.parametrize("drop_after", [1, 2, 3, 7])
async def test_after_each_drop_it_goes_on_behind_what_was_taken(
    node: FakeNode, autojump_clock: MockClock, drop_after: int
) -> None:
    teller = Teller(node, drop_after=drop_after)
    async with follow(node) as client:
        assert await taken(client) == [*range(100)]
    assert client.sessions == len(teller.asked) > 1
    assert teller.asked[1].position <= 10 * drop_after


async def test_a_slow_taker_is_not_drowned_and_stays_connected(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async def say_all(session: FakeSession, message: Subscribe) -> None:
        for position in range(message.position, 1_000):
            await session.say(feed(position, 1, head=1_000))
            said.append(position)

    said: list[int] = []
    node.on_subscribe = say_all
    async with follow(node) as client:
        for position in range(5):
            await trio.sleep(300)
            message = await anext(client)
            assert [entry.position for entry in message.entries] == [position]
        # A message is kept by the client; the rest are in the channels of the connection.
        assert len(said) < 5 + 1 + 2 * 64
    assert client.sessions == len(node.sessions) == 1


async def test_heartbeats_go_on_in_silence_and_their_answers_are_enough(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async def tell_late(session: FakeSession, message: Subscribe) -> None:
        await session.say(Feed(1, (), message.position, 0))

    node.on_subscribe = tell_late
    async with follow(node, Wanted(7)) as client:
        assert (await anext(client)).next == 7
        with trio.move_on_after(490) as scope:
            await anext(client)
        assert scope.cancelled_caught
    (session,) = node.sessions
    beats = [beat.at_ms for beat in session.heartbeats]
    assert beats == [*range(20_000, 490_000, 20_000)]


async def test_a_node_that_falls_silent_is_left(node: FakeNode, autojump_clock: MockClock) -> None:
    node.pulses = False
    teller = Teller(node)
    async with follow(node, Wanted(100), ClientOptions(patience_s=1_000)) as client:
        with trio.move_on_after(130):
            await anext(client)
    assert len(teller.asked) > 1
    assert {asked.position for asked in teller.asked} == {100}


async def test_no_room_means_to_come_again(node: FakeNode, autojump_clock: MockClock) -> None:
    teller = Teller(node)
    tell = node.on_subscribe

    async def refuse_twice(session: FakeSession, message: Subscribe) -> None:
        if len(node.sessions) < 3:
            await session.say(FeedEnd(1, "busy", "", "no room", 10_000))
        else:
            await tell(session, message)

    node.on_subscribe = refuse_twice
    async with follow(node) as client:
        assert await taken(client) == [*range(100)]
    assert len(teller.asked) == 1


async def test_who_may_not_follow_is_told_why(node: FakeNode, autojump_clock: MockClock) -> None:
    async with follow(node) as client:
        with pytest.raises(NodeRefused, match="not for this role") as caught:
            await anext(client)
        assert (caught.value.code, caught.value.field) == ("not_allowed", "subscribe")
        with pytest.raises(NodeRefused):
            await anext(client)
    assert len(node.sessions) == 1


async def test_a_node_without_a_feed_is_refused(node: FakeNode, autojump_clock: MockClock) -> None:
    node.capabilities = ("submit", "query")
    async with follow(node) as client:
        with pytest.raises(NodeRefused, match="has no feed"):
            await anext(client)


async def test_a_node_that_is_gone_is_given_up(node: FakeNode, autojump_clock: MockClock) -> None:
    node.refusals = 10**6
    async with follow(node, options=ClientOptions(patience_s=90)) as client:
        with pytest.raises(NodeUnreachable, match="no progress in 90 s"):
            await anext(client)
    assert 90 <= trio.current_time() < 200


async def test_progress_makes_patience_begin_anew(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async def tell_and_drop(session: FakeSession, message: Subscribe) -> None:
        await session.say(feed(message.position, 1))
        await trio.sleep(15)
        session.drop()

    node.on_subscribe = tell_and_drop
    async with follow(node, options=ClientOptions(patience_s=20)) as client:
        assert await taken(client) == [*range(100)]
    assert trio.current_time() > 1_000


async def test_a_node_that_does_not_greet_is_left(
    node: FakeNode, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silence(_session: FakeSession) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr(node, "handshake", silence)
    async with follow(node, options=ClientOptions(patience_s=15)) as client:
        with pytest.raises(NodeUnreachable, match="no handshake"):
            await anext(client)


@pytest.mark.parametrize(
    "message",
    [
        feed(4, 3),
        feed(5, 3, after=7),
        feed(6, 0, after=4),
        Feed(1, (FeedEntry(6, entry_at(6)), FeedEntry(6, entry_at(6))), 7, 9),
        Feed(2, (), 5, 5),
        Error("field_invalid", "subscribe", "no"),
        Pulse(1, SERVER_MS),
    ],
    ids=["again", "skipped", "back", "doubled", "other id", "error", "pulse"],
)
async def test_a_feed_that_is_none_is_refused(
    node: FakeNode, autojump_clock: MockClock, message: FromNode
) -> None:
    async def tell(session: FakeSession, _message: Subscribe) -> None:
        await session.say(message)
        if isinstance(message, Pulse):
            await session.say_bytes(b"\xc1")

    node.on_subscribe = tell
    expected = NodeRefused if isinstance(message, Error) else NodeMisbehaved
    async with follow(node, Wanted(5)) as client:
        with pytest.raises(expected):
            await anext(client)


async def test_what_nobody_asked_for_is_refused(node: FakeNode, autojump_clock: MockClock) -> None:
    async def tell(session: FakeSession, _message: Subscribe) -> None:
        await session.say_bytes(b"\x93\xa7outcome\x90\x00")

    node.on_subscribe = tell
    async with follow(node) as client:
        with pytest.raises(NodeMisbehaved, match="did not expect outcomes"):
            await anext(client)


async def test_an_error_of_the_body_comes_as_it_is_and_no_task_is_left(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    Teller(node)
    clients: list[FeedClient] = []

    async def fail() -> None:
        async with follow(node) as client:
            clients.append(client)
            await anext(client)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    with pytest.raises(ClientClosed):
        await anext(clients[0])
