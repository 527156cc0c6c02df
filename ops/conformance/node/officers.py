"""What sections 15 to 18 are tried with: officers, and what they publish and order."""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

import msgpack

from ops.conformance.errors import check_equal
from ops.conformance.keys import OPERATOR
from ops.conformance.kit import Kit
from ops.conformance.peer import Fields, Peer, fields, told
from ops.conformance.shape import SCHEMA

LIMITS: Final[dict[str, int]] = SCHEMA["x-limits"]
EMPTY: Final = sha256(b"").digest()


def content(held: Mapping[str, str]) -> bytes:
    """Return the content of a list, in order, as it is hashed."""
    by_bytes = sorted(held.items(), key=lambda item: item[0].encode())
    return b"".join(msgpack.Packer().pack(list(item)) for item in by_bytes)


def digest(held: Mapping[str, str]) -> bytes:
    """Return the hash of a list."""
    return sha256(content(held)).digest()


def entries_in(data: bytes) -> list[list[Any]]:
    """Return the entries of a list file."""
    return list(msgpack.Unpacker(io.BytesIO(zlib.decompress(data))))


def taken_in(held: Mapping[str, str], data: bytes, *, base: int) -> dict[str, str]:
    """Return the list that a terminal has after it took a file in."""
    found = dict(held) if base else {}
    for key, value in entries_in(data):
        found.pop(key, None)
        found |= {} if value is None else {key: value}
    return found


async def done(officer: Peer, order_id: str, *action: object, result: str = "done") -> Fields:
    """Order something that has to come to a result; return the receipt."""
    receipt = await officer.order(order_id, *action)
    found = receipt["result"]
    check_equal(f"the result of {told(action)} ({receipt['code']})", found, result)
    return receipt


async def refused(officer: Peer, order_id: str, code: str, *action: object) -> Fields:
    """Order something that has to be refused with a code; return the receipt."""
    receipt = await officer.order(order_id, *action)
    found = receipt["result"], receipt["code"]
    check_equal(f"the receipt for {told(action)}", found, ("refused", code))
    return receipt


async def version_of(officer: Peer, name: str) -> int:
    """Return the version at which a list stands, 0 where it was never published."""
    answer = await officer.answer("lists")
    rows = [fields("record.list_row", row) for row in answer["lists"]]
    return next((int(row["version"]) for row in rows if row["name"] == name), 0)


async def publish(
    kit: Kit,
    officer: Peer,
    name: str,
    puts: Mapping[str, str | None],
    *,
    whole: bool = True,
    activate_ms: int = 0,
) -> int:
    """Publish a list, or a change of it; return its version."""
    draft, at_once = kit.name("DRAFT"), LIMITS["list_part_entries_max"]
    rows = [[key, value] for key, value in puts.items()]
    parts = [rows[start : start + at_once] for start in range(0, len(rows), at_once)]
    for number, part in enumerate(parts):
        await done(officer, f"{draft}-{number}", "list_part", draft, name, number, part)
    base = await version_of(officer, name)
    action = ["list_publish", draft, name, len(parts), base, whole, activate_ms, "the kit"]
    return int((await done(officer, f"{draft}-out", *action))["version"])


async def published(
    kit: Kit, name: str, puts: Mapping[str, str | None], *, whole: bool = True
) -> int:
    """Publish a list on a connection of its own; return its version."""
    async with kit.session(OPERATOR) as officer:
        return await publish(kit, officer, name, puts, whole=whole)


async def fetched(peer: Peer, offer: Fields, *, offset: int = 0) -> bytes:
    """Fetch a file that is offered, chunk by chunk, from a byte on."""
    data = b""
    while offset + len(data) < offer["file_bytes"]:
        data += await chunk_at(peer, offer, offset + len(data))
    return data


async def chunk_at(peer: Peer, offer: Fields, offset: int) -> bytes:
    """Fetch one chunk."""
    file = offer["name"], offer["version"], offer["base"]
    await peer.say("fetch", *file, offset)
    while (message := await peer.hear_any())[0] != "chunk":
        check_equal("what came for a fetch", message[0], "command")
    chunk = fields("message.chunk", message)
    found = chunk["name"], chunk["version"], chunk["base"], chunk["offset"]
    check_equal("the chunk", found, (*file, offset))
    left = offer["file_bytes"] - offset
    check_equal("its bytes", len(chunk["data"]), min(left, LIMITS["chunk_bytes_max"]))
    return bytes(chunk["data"])
