"""Lists on their way: every terminal comes to hold what was published, by the shortest way."""

from __future__ import annotations

import zlib
from hashlib import sha256

import msgpack
import pytest
import trio.testing

from actors import limits
from actors.fleet import list_desk
from engine.fleet.list_file import EMPTY_HASH, content_hash
from protocol.messages import Chunk, Fetch, Holds, ListApprove, ListPart, ListPublish, Offer
from tests.actors.fleet.world import City, FakePeer, running, settled
from tests.actors.world import Clock, Disk

CARDS = tuple((f"{number:04}", "lost") for number in range(50))
TWO = ((*CARDS[0],), (*CARDS[1],))


async def take_in(city: City, peer: FakePeer, held: dict[str, str]) -> Offer:
    """Do as a terminal does with an offer, up to `holds`."""
    offer = peer.take(Offer)
    await city.fetch(peer, Fetch(offer.name, offer.version, offer.base, 0))
    chunk = peer.take(Chunk)
    assert (len(chunk.data), chunk.offset) == (offer.file_bytes, 0)
    if not offer.base:
        held.clear()
    unpacker = msgpack.Unpacker()
    unpacker.feed(zlib.decompress(chunk.data))
    for key, value in unpacker:
        held.pop(key, None)
        held |= {} if value is None else {key: value}
    assert content_hash(sorted(held.items())) == offer.hash
    assert len(held) == offer.entries
    city.holds(peer, offer.version, offer.hash)
    await settled()
    return offer


async def test_a_terminal_gets_the_whole_list_and_then_changes(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as city:
        peer, held = city.gate(), dict[str, str]()
        city.holds(peer)
        assert peer.told == [], "nothing was published yet"
        await city.publish(CARDS)
        assert (await take_in(city, peer, held)).base == 0
        await city.publish([("0000", None), ("9999", "stolen")], base=1)
        offer = await take_in(city, peer, held)
        assert (offer.version, offer.base) == (2, 1)
        assert held == {**dict(CARDS[1:]), "9999": "stolen"}
        assert peer.told == []


async def test_a_terminal_that_comes_late_gets_one_change_over_several_versions(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as city:
        await city.publish(CARDS)
        first = city.fleet.lists.heads["deny"]
        for base, card in ((1, "A"), (2, "B"), (3, "C")):
            await city.publish([(card, "lost")], base=base)
        peer, held = city.gate(), dict(CARDS)
        city.holds(peer, 1, first.hash)
        await settled()
        offer = await take_in(city, peer, held)
        assert (offer.version, offer.base) == (4, 1)


async def test_a_change_longer_than_the_list_gives_way_to_the_list(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as city:
        await city.publish(CARDS)
        first = city.fleet.lists.heads["deny"]
        await city.publish([("9999", "stolen")], base=1, whole=True)
        for _ in range(2):
            peer = city.gate()
            city.holds(peer, 1, first.hash)
            await settled()
            assert peer.take(Offer).base == 0


async def test_what_was_never_published_is_replaced_whole(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as city:
        await city.publish(CARDS)
        await city.publish([("A", "lost")], base=1)
        for version, held in ((1, b"x" * 32), (2, b"x" * 32), (7, b"x" * 32), (0, b"")):
            peer = city.gate(f"G{version}")
            city.holds(peer, version, held)
            await settled()
            offer = peer.take(Offer)
            assert (offer.version, offer.base) == (2, 0), "a hash that is not ours"


async def test_a_mismatch_is_answered_with_the_whole_list_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as city:
        await city.publish(CARDS)
        first = city.fleet.lists.heads["deny"]
        peer = city.gate()
        city.holds(peer, 1, first.hash)
        await city.publish([("A", "lost")], base=1)
        assert peer.take(Offer).base == 1
        city.holds(peer, 2, b"x" * 32, state="mismatch")
        await settled()
        assert peer.take(Offer).base == 0
        city.holds(peer, 2, b"y" * 32, state="mismatch")
        await settled()
        assert peer.told == [], "more of the same does not help"
        assert city.fleet.lists.counts["deny"].mismatches == 2
        await city.publish([("B", "lost")], base=2)
        assert peer.take(Offer).base == 0, "another version may"
        await settled()
        city.fleet.news.tell()
        assert city.notes == ["deny 2 came to another hash: G1"]


async def test_lists_that_a_terminal_does_not_name_are_not_offered(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as city:
        peer = city.gate()
        city.fleet.take(peer, "", Holds(()))
        await city.publish(CARDS)
        assert peer.told == []


async def test_a_long_file_comes_in_chunks_from_any_offset(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_desk, "CHUNK_BYTES_MAX", 16)
    async with running() as city:
        peer = city.gate()
        city.holds(peer)
        await city.publish(CARDS)
        offer = peer.take(Offer)
        data = b""
        while len(data) < offer.file_bytes:
            await city.fetch(peer, Fetch("deny", 1, 0, len(data)))
            chunk = peer.take(Chunk)
            assert chunk.offset == len(data)
            assert len(chunk.data) == min(16, offer.file_bytes - len(data))
            data += chunk.data
        assert sha256(zlib.decompress(data)).digest() == offer.hash
        await city.fetch(peer, Fetch("deny", 1, 0, len(data)))
        assert peer.take(Chunk).data == b"", "nothing is behind the end"


async def test_a_fetch_of_what_is_no_more_is_answered_with_an_offer(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as city:
        peer = city.gate()
        city.holds(peer)
        await city.publish(CARDS)
        await city.publish([("A", "lost")], base=1)
        peer.told.clear()
        await city.fetch(peer, Fetch("deny", 1, 0, 0))
        offer = peer.take(Offer)
        assert (offer.version, offer.base) == (2, 0)


async def test_the_spread_of_a_version_is_measured_and_kept(
    autojump_clock: trio.testing.MockClock,
) -> None:
    disk, clock = Disk(), Clock()
    async with running(disk=disk, clock=clock) as city:
        peers = [city.gate(f"G{number}") for number in range(20)]
        for peer in peers:
            city.holds(peer)
        await city.publish(CARDS)
        head = city.fleet.lists.heads["deny"]
        for number, peer in enumerate(peers[:19]):
            clock.ms += 10
            city.holds(peer, 1, head.hash)
            # Saying so again changes nothing.
            city.holds(peer, 1, head.hash)
            assert city.fleet.lists.counts["deny"].holders == number + 1
        assert city.fleet.lists.spread("deny").reached_ms == (100, 190, -1)
        city.fleet.leave(peers[19])
        city.fleet.leave(peers[18])
        counts = city.fleet.lists.counts["deny"]
        assert (counts.holders, counts.holding) == (18, 18)
        city.holds(peers[0], 1, head.hash)
        assert city.fleet.lists.spread("deny").reached_ms == (100, 190, 190)
    async with running(disk=disk, clock=clock) as city:
        assert city.fleet.lists.spread("deny").reached_ms == (100, 190, 190)
        peer = city.gate()
        city.holds(peer, 1, head.hash)
        assert peer.told == []


async def test_files_that_nobody_asked_for_last_are_let_go(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LIST_FILES_BYTES_MAX", 10)
    async with running() as city:
        await city.publish(CARDS)
        first = city.fleet.lists.heads["deny"]
        await city.publish([("A", "lost")], base=1)
        stale, empty = city.gate("G1"), city.gate("G2")
        for peer, version, held, base in (
            (stale, 1, first.hash, 1),
            (empty, 0, b"", 0),
            (stale, 1, first.hash, 1),
        ):
            city.holds(peer, version, held)
            await settled()
            assert peer.take(Offer).base == base
            await city.fetch(peer, Fetch("deny", 2, base, 0))
            assert peer.take(Chunk).base == base


async def test_a_terminal_that_goes_while_its_file_is_made_is_not_offered_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as city:
        await city.publish(CARDS)
        first = city.fleet.lists.heads["deny"]
        await city.publish([("A", "lost")], base=1)
        peer = city.gate()
        city.holds(peer, 1, first.hash)
        city.fleet.leave(peer)
        await settled()
        assert peer.told == []


async def test_slow_terminals_are_waited_for_and_do_not_hold_up_others(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PUMP_UNSENT_BYTES_MAX", 1_000)
    async with running() as city:
        await city.publish(CARDS)
        slow, quick = city.gate("G1"), city.gate("G2")
        slow.unsent_bytes = 500
        await city.fetch(slow, Fetch("deny", 1, 0, 0))
        slow.take(Chunk)
        await city.fetch(slow, Fetch("deny", 1, 0, 1))
        assert slow.told == [], "it has not read the first one yet"
        await city.fetch(quick, Fetch("deny", 1, 0, 0))
        quick.take(Chunk)
        slow.unsent_bytes = 2_000
        await city.fetch(quick, Fetch("deny", 1, 0, 1))
        assert quick.told == [], "too much is unsent: all wait"
        slow.unsent_bytes = 0
        await settled()
        slow.take(Chunk)
        quick.take(Chunk)


async def test_all_chunks_together_have_a_bound_in_each_tick(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as city:
        await city.publish(CARDS)
        size = city.fleet.lists.heads["deny"].file_bytes
        peers = [city.gate(f"G{number}") for number in range(3)]
        monkey = pytest.MonkeyPatch()
        monkey.setattr("actors.fleet.pump.BYTES_A_TICK", size)
        for peer in peers:
            city.fleet.take(peer, "", Fetch("deny", 1, 0, 0))
        await trio.sleep(0.015)
        assert 0 < sum(len(peer.told) for peer in peers) < 3
        await settled()
        assert sum(len(peer.told) for peer in peers) == 3
        monkey.undo()


async def test_an_emptied_list_has_the_hash_of_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as city:
        await city.publish(TWO)
        receipt = await city.order(ListPublish("e", "deny", 0, 1, whole=True), order_id="empty")
        assert (receipt.result, receipt.version, receipt.count) == ("done", 2, 2)
        assert city.fleet.lists.heads["deny"].hash == EMPTY_HASH


async def test_more_cards_than_one_officer_may_change_wait_for_another(
    autojump_clock: trio.testing.MockClock,
) -> None:
    many = tuple((f"{number:04}", "lost") for number in range(101))
    async with running(issued=50_000) as city:
        peer = city.gate()
        city.holds(peer)
        receipt = await city.publish(many)
        assert (receipt.result, receipt.code, receipt.count) == ("waiting", "second_officer", 101)
        assert peer.told == []
        own = await city.order(ListApprove("d"), order_id="approve")
        assert (own.result, own.code) == ("refused", "second_officer")
        other = await city.order(ListApprove("d"), order_id="approve", officer="budi")
        assert (other.result, other.version) == ("done", 1)
        head = city.fleet.lists.heads["deny"]
        assert (head.officer, head.second_officer) == ("ani", "budi")
        assert peer.take(Offer).version == 1
        again = await city.order(ListApprove("d"), order_id="approve", officer="budi")
        assert again == other
        part = ListPart("x", "settings", 0, many)
        assert (await city.order(part, order_id="p")).result == "done"
        publish = ListPublish("x", "settings", 1, 0)
        assert (await city.order(publish, order_id="q")).result == "done", "settings block nobody"
