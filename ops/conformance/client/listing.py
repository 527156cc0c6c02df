"""How a client takes in lists."""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping
from typing import Any, Final

import msgpack

from ops.conformance.client.stage import Stage
from ops.conformance.client.visit import LIMITS, Visit
from ops.conformance.errors import check, check_equal
from ops.conformance.limits import QUIET_S
from ops.conformance.node.officers import content, digest
from ops.conformance.peer import Fields, fields
from ops.conformance.rules import Section

SECTION: Final[Section[Stage]] = Section(15, "Lists")
DENY, SETTINGS = "deny", "settings"
FIRST: Final = {"6013500100000001": "lost", "6013500100000002": "stolen"}
THIRD: Final = {"6013500100000001": "stolen", "6013500100000003": "lost"}
BOMB_BYTES: Final = 256 * 1024 * 1024
ADLER_BASE: Final = 65_521
"""Of the checksum at the end of a file (RFC 1950): of n zeros it is n in the upper half."""
WIDE: Final = 200
"""Entries of a list that is longer than a chunk."""
SOON_MS: Final = 3_000


class File:
    """A list file, and its offer.

    Args:
      name: of the list.
      version: that it leads to.
      after: the content that it leads to.
      base: what it changes; 0: it is whole.
      puts: what stands in it, where that is not all of `after`.
      activate_ms: when to begin to use it.
    """

    def __init__(
        self,
        name: str,
        version: int,
        after: Mapping[str, str],
        *,
        base: int = 0,
        puts: Mapping[str, str | None] | None = None,
        activate_ms: int = 0,
    ) -> None:
        inside = content(after) if puts is None else _packed(puts)
        self.data = zlib.compress(inside)
        self.file = (name, version, base)
        self.hash = digest(after)
        self.offer: list[Any] = [
            *(*self.file, self.hash, activate_ms),
            *(len(self.data), len(inside), len(after)),
        ]


def _packed(puts: Mapping[str, str | None]) -> bytes:
    return b"".join(msgpack.Packer().pack([key, puts[key]]) for key in sorted(puts))


async def serve(visit: Visit, *files: File) -> list[int]:
    """Offer files and send what is fetched, until all of each was; return the offsets asked for."""
    for file in files:
        await visit.say("offer", *file.offer)
    open_ = {file.file: file.data for file in files}
    offsets = []
    while open_:
        asked = await visit.hear("fetch")
        wanted = asked["name"], asked["version"], asked["base"]
        if wanted not in open_:
            # Of before: it is answered with an offer of a file that there is.
            for file in files:
                await visit.say("offer", *file.offer)
            continue
        offset, data = asked["offset"], open_[wanted]
        check(offset <= len(data), f"byte {offset} of {len(data)} was fetched")
        offsets.append(offset)
        await send_chunk(visit, wanted, data, offset)
        if offset + LIMITS["chunk_bytes_max"] >= len(data):
            del open_[wanted]
    return offsets


async def send_chunk(visit: Visit, file: tuple[str, int, int], data: bytes, offset: int) -> None:
    """Send a chunk."""
    await visit.say("chunk", *file, offset, data[offset : offset + LIMITS["chunk_bytes_max"]])


async def held(visit: Visit, name: str, version: int, state: str) -> bytes:
    """Wait until the client says that it holds a version; return its hash."""
    while True:
        for row in (await visit.hear("holds"))["lists"]:
            found: Fields = fields("record.held_list", row)
            if (found["name"], found["version"], found["state"]) == (name, version, state):
                return bytes(found["hash"])


async def holding(visit: Visit) -> dict[str, Fields]:
    """Wait for what the client holds when it comes back; return it by name."""
    rows = (await visit.hear("holds"))["lists"]
    found = [fields("record.held_list", row) for row in rows]
    return {str(row["name"]): row for row in found}


@SECTION.rule("version 0 with an empty `hash` where it")
async def _a_client_says_what_it_wants_to_hear_of(stage: Stage) -> None:
    async with stage.session(credits_=1) as visit:
        found = await holding(visit)
        check_equal("the lists", sorted(found), [DENY, SETTINGS])
        for row in found.values():
            check_equal("what it holds", (row["version"], row["hash"]), (0, b""))


@SECTION.rule("one `fetch` after the other, until it has `file_bytes`.")
async def _what_is_offered_is_fetched_and_held(stage: Stage) -> None:
    async with stage.session(credits_=1) as visit:
        await holding(visit)
        deny, settings = File(DENY, 1, FIRST), File(SETTINGS, 7, {"volume": "5"})
        await serve(visit, deny)
        check_equal("the hash", await held(visit, DENY, 1, "active"), deny.hash)
        await serve(visit, settings)
        check_equal("the hash", await held(visit, SETTINGS, 7, "active"), settings.hash)
    async with stage.session(credits_=1) as visit:
        found = await holding(visit)
        versions = found[DENY]["version"], found[SETTINGS]["version"]
        check_equal("what it holds after a reconnect", versions, (1, 7))


@SECTION.rule(
    "another one is the change from version `base`, and an entry with the value `nil` removes"
)
async def _a_change_is_taken_in(stage: Stage) -> None:
    gone, changed = FIRST
    after = {changed: "found", "6013500100000009": ""}
    puts: dict[str, str | None] = {gone: None, **after}
    file = File(DENY, 2, after, base=1, puts=puts)
    async with stage.session(credits_=1) as visit:
        await holding(visit)
        await serve(visit, file)
        check_equal("the hash", await held(visit, DENY, 2, "active"), file.hash)


@SECTION.rule("It is that of the list that a")
async def _a_wrong_hash_is_a_mismatch_and_the_whole_list_mends_it(stage: Stage) -> None:
    file = File(DENY, 3, THIRD)
    wrong = File(DENY, 3, THIRD)
    wrong.offer[3] = bytes(32)
    async with stage.session(credits_=1) as visit:
        await holding(visit)
        await serve(visit, wrong)
        check_equal("the hash that it got", await held(visit, DENY, 3, "mismatch"), file.hash)
        await serve(visit, file)
        check_equal("the hash", await held(visit, DENY, 3, "active"), file.hash)


@SECTION.rule("setting aside no more than `content_bytes`")
async def _a_file_that_bursts_is_a_mismatch(stage: Stage) -> None:
    bomb = File(DENY, 4, THIRD)
    bomb.data = _bomb(BOMB_BYTES)
    bomb.offer[5:7] = [len(bomb.data), 1_000]
    async with stage.session(credits_=1, heartbeat_s=1) as visit:
        await holding(visit)
        await serve(visit, bomb)
        await held(visit, DENY, 4, "mismatch")
        await visit.hear("heartbeat")


def _bomb(size: int) -> bytes:
    """Return a file that holds so many zeros; to compress them would keep the client waiting."""
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    megabyte = packer.compress(bytes(1024 * 1024)) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = (size % ADLER_BASE) << 16 | 1
    blocks = megabyte * (size // (1024 * 1024))
    return b"\x78\xda" + blocks + b"\x03\x00" + checksum.to_bytes(4)


@SECTION.rule("it keeps using what it has, and sends `holds` with the version offered")
async def _a_file_that_is_none_is_a_mismatch(stage: Stage) -> None:
    broken = File(DENY, 5, THIRD)
    broken.data = os.urandom(len(broken.data))
    whole = File(DENY, 5, FIRST)
    async with stage.session(credits_=1) as visit:
        await holding(visit)
        await serve(visit, broken)
        await held(visit, DENY, 5, "mismatch")
        await serve(visit, whole)
        check_equal("the hash", await held(visit, DENY, 5, "active"), whole.hash)


@SECTION.rule("After a reconnect it may go on where it")
async def _a_file_in_chunks_is_fetched_to_the_end(stage: Stage) -> None:
    wide = {f"key-{number:04}": os.urandom(400).hex() for number in range(WIDE)}
    file = File(SETTINGS, 8, wide)
    most = LIMITS["chunk_bytes_max"]
    check(len(file.data) > most, "the file is shorter than a chunk")
    async with stage.session(credits_=1) as visit:
        await holding(visit)
        await visit.say("offer", *file.offer)
        asked = await visit.hear("fetch")
        check_equal("the first byte", asked["offset"], 0)
        await send_chunk(visit, file.file, file.data, 0)
        asked = await visit.hear("fetch")
        check_equal("the next byte", asked["offset"], most)
    async with stage.session(credits_=1) as visit:
        await holding(visit)
        offsets = await serve(visit, file)
        check(offsets[0] in {0, most}, f"it went on at byte {offsets[0]}")
        check_equal("the hash", await held(visit, SETTINGS, 8, "active"), file.hash)


@SECTION.rule(
    "`pending` until `activate_ms` has come, then it uses the list, and sends `holds` with"
)
async def _a_list_waits_until_its_time(stage: Stage) -> None:
    async with stage.session(credits_=1, heartbeat_s=1) as visit:
        await holding(visit)
        at_ms = stage.clock_ms() + SOON_MS
        file = File(SETTINGS, 9, {"volume": "7"}, activate_ms=at_ms)
        await serve(visit, file)
        await held(visit, SETTINGS, 9, "pending")
        check(stage.clock_ms() < at_ms, "it took too long to tell")
        check_equal("the hash", await held(visit, SETTINGS, 9, "active"), file.hash)
        early_ms = at_ms - stage.clock_ms()
        check(early_ms <= QUIET_S * 1000, f"it began {early_ms} ms before its time")


@SECTION.rule("The version offered may be lower than the one held: the node decides.")
async def _a_lower_version_is_taken_as_well(stage: Stage) -> None:
    file = File(DENY, 2, {})
    async with stage.session(credits_=1) as visit:
        await holding(visit)
        await serve(visit, file)
        check_equal("the hash", await held(visit, DENY, 2, "active"), file.hash)
