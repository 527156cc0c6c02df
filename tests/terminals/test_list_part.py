"""Lists over a client's connections: fetched, asked for again, used in time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec
import pytest
import trio
from trio.testing import MockClock

from protocol.messages import Fetch, FromTerminal, HeldList, Holds, Receipt
from terminals.client import ClientOptions, TerminalClient
from terminals.device import Device
from terminals.keeper import Keeper, MemoryKeeper
from terminals.list_part import RETRY_S, ListPart
from terminals.lists import Wish
from terminals.messages import Offer
from tests.terminals.fake_node import FakeNode, FakeSession, numbered
from tests.terminals.list_world import FailingKeeper, Published, cards, now_ms, on_the_spot

CARD: Final = "6013500100000003"


class Terminal:
    """A terminal with a deny list and fares, and what it was told."""

    def __init__(self, node: FakeNode, keeper: Keeper | None = None) -> None:
        self.active: list[str] = []
        self.notes: list[str] = []
        self._node = node
        self.lists = ListPart(
            ("deny", "fares"),
            keeper or MemoryKeeper(),
            now_ms=now_ms,
            offload=on_the_spot,
            on_active=self.active.append,
            note=self.notes.append,
        )

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[TerminalClient]:
        options = ClientOptions(device=Device(lists=self.lists))
        async with self._node.open(options=options) as client:
            yield client


class Lists:
    """Answers what terminals say of their deny list, as a node does."""

    def __init__(self, node: FakeNode, published: Published) -> None:
        self.published = published
        self.fetches: list[tuple[float, int]] = []
        self.lost = 0
        self.drop_at: set[int] = set()
        node.on_told = self.answer

    async def answer(self, session: FakeSession, message: FromTerminal) -> None:
        if isinstance(message, Holds):
            await self.offer(session, message)
        elif isinstance(message, Fetch):
            await self.send(session, message)

    async def offer(self, session: FakeSession, message: Holds) -> None:
        held = next(one for one in message.lists if one.name == "deny")
        version = self.published.version
        matches = held.state != "mismatch"
        if not matches or (held.version, held.hash) != (version, self.published.hash(version)):
            known = 0 < held.version < version and matches
            await say_offer(session, self.published, held.version if known else 0)

    async def send(self, session: FakeSession, message: Fetch) -> None:
        self.fetches.append((trio.current_time(), message.offset))
        if self.lost:
            self.lost -= 1
            return
        wish = Wish(message.name, message.version, message.base, message.offset)
        chunk = self.published.chunk(wish, 100)
        await session.say_bytes(msgspec.msgpack.encode(["chunk", *chunk]))
        if len(self.fetches) in self.drop_at:
            session.drop()


async def say_offer(session: FakeSession, published: Published, base: int) -> None:
    await say(session, published.offer(base))


async def say(session: FakeSession, offer: Offer) -> None:
    await session.say_bytes(msgspec.msgpack.encode(["offer", *offer]))


def held(node: FakeNode) -> list[HeldList]:
    """Return what was said last of the deny list."""
    return [one for one in last_holds(node).lists if one.name == "deny"]


def last_holds(node: FakeNode) -> Holds:
    return [message for message in node.told if isinstance(message, Holds)][-1]


@pytest.fixture
def published() -> Published:
    published = Published()
    published.publish(cards(range(200)))
    return published


async def test_a_terminal_says_what_it_wants_and_gets_it(
    node: FakeNode, published: Published, autojump_clock: MockClock
) -> None:
    served, terminal = Lists(node, published), Terminal(node)
    async with terminal.connected():
        await trio.sleep(1)
        assert node.told[0] == Holds((HeldList("deny", 0, b""), HeldList("fares", 0, b"")))
        assert held(node) == [HeldList("deny", 1, published.hash(1), "active")]
        assert terminal.lists.get("deny", CARD) == "lost"
        assert terminal.lists.get("deny", "other") is None
        assert terminal.lists.get("fares", CARD) is None
        assert dict(terminal.lists.items("deny")) == published.content
        assert list(terminal.lists.items("fares")) == []
        assert (terminal.lists.version("deny"), terminal.lists.version("fares")) == (1, 0)
    assert (terminal.active, terminal.notes) == (["deny"], [])
    assert [offset for _, offset in served.fetches] == list(
        range(0, published.offer().file_bytes, 100)
    )


async def test_a_version_that_is_published_comes_as_a_change(
    node: FakeNode, published: Published, autojump_clock: MockClock
) -> None:
    Lists(node, published)
    terminal = Terminal(node)
    async with terminal.connected():
        await trio.sleep(1)
        published.publish({CARD: None})
        await say_offer(node.sessions[0], published, 1)
        await trio.sleep(1)
        assert terminal.lists.get("deny", CARD) is None
    assert held(node) == [HeldList("deny", 2, published.hash(2), "active")]
    assert terminal.active == ["deny", "deny"]


async def test_fetching_goes_on_over_connections(
    node: FakeNode, published: Published, autojump_clock: MockClock
) -> None:
    served, terminal = Lists(node, published), Terminal(node)
    served.drop_at = {2, 3, 5}
    async with terminal.connected():
        await trio.sleep(30)
        assert terminal.lists.version("deny") == 1
    assert len(node.sessions) == 4
    offsets = [offset for _, offset in served.fetches]
    assert offsets == list(range(0, published.offer().file_bytes, 100))


async def test_a_lost_fetch_is_said_again_after_a_while(
    node: FakeNode, published: Published, autojump_clock: MockClock
) -> None:
    served, terminal = Lists(node, published), Terminal(node)
    served.lost = 2
    async with terminal.connected():
        await trio.sleep(100)
        assert terminal.lists.version("deny") == 1
    times_s = [time_s for time_s, offset in served.fetches if not offset]
    assert times_s == pytest.approx([0, 30, 60])
    assert len(node.sessions) == 1


async def test_a_node_without_lists_is_told_nothing_of_them(
    node: FakeNode, published: Published, autojump_clock: MockClock
) -> None:
    node.capabilities = ("submit",)
    async with Terminal(node).connected() as client:
        await client.submit(numbered(1))
        await trio.sleep(100)
    assert node.told == []


async def test_a_client_without_lists_says_nothing_and_passes_offers_over(
    node: FakeNode, published: Published, autojump_clock: MockClock
) -> None:
    async with node.open() as client:
        await say_offer(node.sessions[0], published, 0)
        await trio.sleep(1)
        await client.submit(numbered(1))
        assert client.statistics.unclaimed == 1
    assert node.told == []


async def test_what_is_not_about_lists_is_not_for_them(
    node: FakeNode, published: Published, autojump_clock: MockClock
) -> None:
    async with Terminal(node).connected() as client:
        await node.sessions[0].say(Receipt("what", "done"))
        await trio.sleep(1)
        assert client.statistics.unclaimed == 1


async def test_a_version_comes_into_use_when_its_time_has_come(
    node: FakeNode, published: Published, autojump_clock: MockClock
) -> None:
    published.publish({CARD: None}, activate_ms=200_000)
    Lists(node, published)
    terminal = Terminal(node)
    async with terminal.connected():
        await trio.sleep(199)
        assert terminal.lists.version("deny") == 0
        assert held(node) == [HeldList("deny", 2, published.hash(2), "pending")]
        await trio.sleep(2)
        assert terminal.lists.version("deny") == 2
        assert held(node) == [HeldList("deny", 2, published.hash(2), "active")]
    assert terminal.active == ["deny"]


async def test_a_clock_that_is_put_right_brings_a_version_into_use(
    node: FakeNode, published: Published, autojump_clock: MockClock
) -> None:
    wrong_ms = -(10**9)
    published.publish({CARD: None}, activate_ms=5_000)
    Lists(node, published)
    terminal = Terminal(node)
    terminal.lists = ListPart(
        ("deny",), MemoryKeeper(), now_ms=lambda: now_ms() + wrong_ms, offload=on_the_spot
    )
    async with terminal.connected():
        await trio.sleep(100)
        assert terminal.lists.version("deny") == 0
        wrong_ms = 0
        await trio.sleep(61)
        assert terminal.lists.version("deny") == 2


async def test_what_was_kept_is_there_before_any_connection(
    node: FakeNode, published: Published, autojump_clock: MockClock
) -> None:
    Lists(node, published)
    keeper = MemoryKeeper()
    async with Terminal(node, keeper).connected():
        await trio.sleep(1)
    again = Terminal(node, keeper)
    node.refusals = 5
    async with trio.open_nursery() as nursery:
        nursery.start_soon(again.lists.run)
        await again.lists.wait_loaded()
        assert again.lists.get("deny", CARD) == "lost"
        await trio.sleep(1)
        assert again.active == ["deny"]
        nursery.cancel_scope.cancel()


async def test_what_is_damaged_is_noted_and_fetched_anew(
    node: FakeNode, published: Published, autojump_clock: MockClock
) -> None:
    Lists(node, published)
    keeper = MemoryKeeper()
    async with Terminal(node, keeper).connected():
        await trio.sleep(1)
    (name,) = keeper.names()
    keeper.write(name, [b"damaged"])
    again = Terminal(node, keeper)
    async with again.connected():
        await trio.sleep(1)
        assert again.lists.version("deny") == 1
    assert again.notes == [f"{name}: damaged at its head"]


async def test_a_mismatch_is_noted_and_told(
    node: FakeNode, published: Published, autojump_clock: MockClock
) -> None:
    served, terminal = Lists(node, published), Terminal(node)
    async with terminal.connected():
        await trio.sleep(1)
        published.publish({CARD: None})
        await say(node.sessions[0], published.offer(1)._replace(hash=bytes(32)))
        await trio.sleep(1)
        said = [message.lists[0] for message in node.told if isinstance(message, Holds)]
        assert HeldList("deny", 2, published.hash(2), "mismatch") in said
        assert terminal.lists.version("deny") == 2
    assert terminal.notes == ["deny 2 is not used: its content has another hash"]
    assert served.fetches


async def test_a_whole_list_that_did_not_match_is_fetched_again_when_it_is_offered_again(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    published = Published()
    published.publish(cards(range(1)))
    served, terminal = Lists(node, published), Terminal(node)

    async def answer(session: FakeSession, message: FromTerminal) -> None:
        if isinstance(message, Holds) and not served.fetches:
            await say(session, published.offer(0)._replace(hash=bytes(32)))
        else:
            await served.answer(session, message)

    node.on_told = answer
    async with terminal.connected():
        await trio.sleep(1)
        assert held(node) == [HeldList("deny", 1, published.hash(1), "active")]
    assert [offset for _, offset in served.fetches] == [0, 0]


async def test_a_disk_that_is_full_is_noted_and_tried_again(
    node: FakeNode, published: Published, autojump_clock: MockClock
) -> None:
    Lists(node, published)
    keeper = FailingKeeper(fails_at=1)
    terminal = Terminal(node, keeper)
    async with terminal.connected():
        await trio.sleep(RETRY_S - 1)
        assert terminal.lists.version("deny") == 0
        keeper.fails_at = 10**9
        await trio.sleep(2)
        assert terminal.lists.version("deny") == 1
    assert terminal.notes == ["the disk is full"]


async def test_a_keeper_that_cannot_be_read_holds_nothing(
    node: FakeNode, published: Published, autojump_clock: MockClock
) -> None:
    Lists(node, published)
    keeper = FailingKeeper()
    keeper.unreadable = True
    terminal = Terminal(node, keeper)
    async with terminal.connected():
        await trio.sleep(1)
        assert terminal.lists.version("deny") == 1
    assert terminal.notes == ["the folder is gone"]


async def test_a_disk_that_fails_when_a_time_comes_is_noted(
    node: FakeNode, published: Published, autojump_clock: MockClock
) -> None:
    published.publish({CARD: None}, activate_ms=50_000)
    Lists(node, published)
    keeper = FailingKeeper()
    terminal = Terminal(node, keeper)
    async with terminal.connected():
        await trio.sleep(1)
        keeper.fails_at = 0
        await trio.sleep(50)
        assert terminal.lists.version("deny") == 2
    assert (terminal.active, terminal.notes) == (["deny"], ["the disk is full"])


async def test_lists_are_worked_out_in_a_thread_unless_told_otherwise(
    node: FakeNode, published: Published
) -> None:
    Lists(node, published)
    terminal = Terminal(node)
    used = trio.Event()
    terminal.lists = ListPart(
        ("deny",), MemoryKeeper(), now_ms=now_ms, on_active=lambda _: used.set()
    )
    with trio.fail_after(20):
        async with terminal.connected():
            await used.wait()
    assert terminal.lists.version("deny") == 1
