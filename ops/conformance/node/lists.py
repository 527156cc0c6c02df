"""Section 15: lists on their way to terminals."""

from __future__ import annotations

import zlib
from hashlib import sha256
from typing import Final

from ops.conformance.errors import check, check_equal
from ops.conformance.keys import OPERATOR
from ops.conformance.kit import Kit
from ops.conformance.node.officers import (
    EMPTY,
    LIMITS,
    chunk_at,
    content,
    digest,
    entries_in,
    fetched,
    publish,
    published,
    taken_in,
)
from ops.conformance.peer import Fields, Peer
from ops.conformance.rules import Section

SECTION: Final[Section[Kit]] = Section(15, "Lists", capability="lists")
NAME: Final = "settings"
MANY: Final = 50
"""Entries that make a change shorter than the whole list."""
NONE: Final = [NAME, 0, b""]
NEVER: Final = 2**53 - 1
"""A version that no list ever has."""


def some(kit: Kit, count: int = MANY) -> dict[str, str]:
    """Return a list with names of its own."""
    return {kit.name("KEY"): sha256(str(number).encode()).hexdigest() for number in range(count)}


async def offered(peer: Peer, version: int) -> Fields:
    """Wait for the offer of a version of the list."""
    while True:
        offer = await peer.hear("offer")
        check_equal("the list that is offered", offer["name"], NAME)
        if offer["version"] >= version:
            return offer


@SECTION.rule(
    "For each list that is not the present version with the right hash it sends an `offer`"
)
async def _who_holds_nothing_is_offered_the_whole_list(kit: Kit) -> None:
    wanted = some(kit)
    version = await published(kit, NAME, wanted)
    async with kit.session() as peer:
        await peer.say("holds", [NONE])
        offer = await offered(peer, version)
        check_equal("the base", offer["base"], 0)
        check_equal("the hash", offer["hash"], digest(wanted))
        check_equal("the entries", offer["entries"], len(wanted))
        data = await fetched(peer, offer)
        check_equal("the bytes of the content", len(zlib.decompress(data)), offer["content_bytes"])
        check_equal("the content", zlib.decompress(data), content(wanted))


@SECTION.rule("Each is a MessagePack array of two, key and value, in the shortest formats.")
async def _entries_stand_in_the_order_of_their_keys(kit: Kit) -> None:
    keys = ["b", "a", "B", "aa", "~", "1", "10", "2"]
    version = await published(kit, NAME, {key: kit.name("VALUE") for key in keys})
    async with kit.session() as peer:
        await peer.say("holds", [NONE])
        data = await fetched(peer, await offered(peer, version))
        check_equal("the keys", [key for key, _ in entries_in(data)], sorted(keys))


@SECTION.rule("A list that is not named there is not offered.")
async def _a_list_that_is_not_named_is_not_offered(kit: Kit) -> None:
    async with kit.session(OPERATOR) as officer, kit.session() as peer:
        await publish(kit, officer, NAME, some(kit, 1))
        await peer.hears_nothing()
        await peer.say("holds", [["rules", 0, b""]])
        await publish(kit, officer, NAME, some(kit, 1))
        await peer.say("heartbeat", 1)
        while (message := await peer.hear_any())[0] != "pulse":
            check(message[1] != NAME, "it was offered what it does not want")


@SECTION.rule("The node compares.")
async def _who_holds_the_present_version_is_offered_nothing(kit: Kit) -> None:
    wanted = some(kit, 2)
    version = await published(kit, NAME, wanted)
    async with kit.session() as peer:
        for state in ("active", "pending"):
            await peer.say("holds", [[NAME, version, digest(wanted), state]])
            await peer.hears_nothing()


@SECTION.rule("It offers again when a version is published.")
async def _a_new_version_is_offered_as_a_change(kit: Kit) -> None:
    first = some(kit)
    async with kit.session(OPERATOR) as officer, kit.session() as peer:
        version = await publish(kit, officer, NAME, first)
        await peer.say("holds", [[NAME, version, digest(first)]])
        gone, changed, new = *list(first)[:2], kit.name("KEY")
        change = {gone: None, changed: "other", new: ""}
        after = await publish(kit, officer, NAME, change, whole=False)
        check_equal("the version", after, version + 1)
        offer = await offered(peer, after)
        check_equal("the base", offer["base"], version)
        data = await fetched(peer, offer)
        check_equal("the change", dict(entries_in(data)), change)
        held = taken_in(first, data, base=version)
        check_equal("the hash", offer["hash"], digest(held))
        check_equal("the entries", offer["entries"], len(held))


@SECTION.rule("where that was once published with that hash and the change is kept and shorter;")
async def _several_versions_behind_is_one_change(kit: Kit) -> None:
    first = some(kit)
    async with kit.session(OPERATOR) as officer, kit.session() as peer:
        version = await publish(kit, officer, NAME, first)
        await publish(kit, officer, NAME, {"one": "1"}, whole=False)
        last = await publish(kit, officer, NAME, {"one": "2"}, whole=False)
        await peer.say("holds", [[NAME, version, digest(first)]])
        offer = await offered(peer, last)
        check_equal("the base", offer["base"], version)
        check_equal("the change", entries_in(await fetched(peer, offer)), [["one", "2"]])


@SECTION.rule("otherwise whole, with `base` 0.")
async def _who_holds_what_was_never_published_is_offered_the_whole(kit: Kit) -> None:
    first = some(kit)
    async with kit.session(OPERATOR) as officer, kit.session() as peer:
        version = await publish(kit, officer, NAME, first)
        last = await publish(kit, officer, NAME, {"one": "1"}, whole=False)
        strange = [
            [NAME, version, bytes(32)],
            [NAME, last, bytes(32)],
            [NAME, NEVER, digest(first)],
        ]
        for held in strange:
            await peer.say("holds", [held])
            check_equal("the base", (await offered(peer, last))["base"], 0)


@SECTION.rule(
    "The node offers the whole list. If that does not match either, the node offers nothing"
)
async def _a_mismatch_is_answered_with_the_whole_list_once(kit: Kit) -> None:
    first = some(kit)
    async with kit.session(OPERATOR) as officer, kit.session() as peer:
        version = await publish(kit, officer, NAME, first)
        await peer.say("holds", [[NAME, version, digest(first)]])
        last = await publish(kit, officer, NAME, {"one": "1"}, whole=False)
        check_equal("the base", (await offered(peer, last))["base"], version)
        mismatch = [NAME, last, bytes(32), "mismatch"]
        await peer.say("holds", [mismatch])
        check_equal("the base", (await offered(peer, last))["base"], 0)
        await peer.say("holds", [mismatch])
        await peer.hears_nothing()
        after = await publish(kit, officer, NAME, {"one": "2"}, whole=False)
        await offered(peer, after)
    async with kit.session() as peer:
        await peer.say("holds", [[NAME, after, bytes(32), "mismatch"]])
        check_equal("the base", (await offered(peer, after))["base"], 0)


@SECTION.rule("bytes of a list file in one `chunk`", limits=("chunk_bytes_max",))
async def _a_long_file_is_fetched_in_chunks_and_gone_on_with(kit: Kit) -> None:
    value = LIMITS["list_value_length_max"]
    wide = {
        f"key-{number:03}": "".join(
            sha256(f"{number} {part}".encode()).hexdigest() for part in range(value // 64 + 1)
        )[:value]
        for number in range(250)
    }
    version = await published(kit, NAME, wide)
    most = LIMITS["chunk_bytes_max"]
    async with kit.session() as peer:
        await peer.say("holds", [NONE])
        offer = await offered(peer, version)
        check(offer["file_bytes"] > most, "the file is shorter than a chunk")
        begin = await chunk_at(peer, offer, 0)
    async with kit.session() as peer:
        await peer.say("holds", [NONE])
        again = await offered(peer, version)
        check_equal("the offer after a reconnect", again, offer)
        rest = await fetched(peer, again, offset=len(begin))
        check_equal("the content", zlib.decompress(begin + rest), content(wide))
        check_equal("the same again", await chunk_at(peer, offer, 0), begin)
        check_equal("behind its end", await chunk_at(peer, offer, offer["file_bytes"]), b"")


@SECTION.rule("A `fetch` for a file that is no more is answered with an `offer` of one that")
async def _a_file_that_is_no_more_is_answered_with_an_offer(kit: Kit) -> None:
    version = await published(kit, NAME, some(kit))
    async with kit.session() as peer:
        await peer.say("holds", [NONE])
        await offered(peer, version)
        await peer.say("fetch", NAME, NEVER, 0, 0)
        check_equal("the version", (await peer.hear("offer"))["version"], version)


@SECTION.rule("when to begin to use it")
async def _an_offer_tells_when_to_begin(kit: Kit) -> None:
    at_ms = 1_900_000_000_000
    async with kit.session(OPERATOR) as officer, kit.session() as peer:
        await peer.say("holds", [NONE])
        version = await publish(kit, officer, NAME, some(kit), activate_ms=at_ms)
        check_equal("activate_ms", (await offered(peer, version))["activate_ms"], at_ms)


@SECTION.rule("The hash of an empty list is that of no bytes.")
async def _a_list_may_be_emptied(kit: Kit) -> None:
    await published(kit, NAME, some(kit))
    version = await published(kit, NAME, {})
    async with kit.session() as peer:
        await peer.say("holds", [NONE])
        offer = await offered(peer, version)
        check_equal("hash and entries", (offer["hash"], offer["entries"]), (EMPTY, 0))
        check_equal("the file", zlib.decompress(await fetched(peer, offer)), b"")


@SECTION.rule("lists in one `holds`", limits=("lists_max",))
async def _as_many_lists_as_may_be_are_held(kit: Kit) -> None:
    async with kit.session() as peer:
        await peer.say("holds", [["rules", NEVER, bytes(32)]] * LIMITS["lists_max"])
        await peer.say("heartbeat", 1)
        await peer.hear("pulse")
        await peer.say("holds", [["rules", 0, b""]] * (LIMITS["lists_max"] + 1))
        await peer.ends("field_invalid", "holds.lists")
