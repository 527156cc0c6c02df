"""A node in this process, in memory, for the kit to try: as it is, or with something broken."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

import trio

from actors.listener import open_listening_socket
from actors.seams import Offload, Seams
from actors.tree import NodeTree, Stores
from engine.keys import Role
from ops.conformance.keys import Keys
from ops.conformance.kit import Kit
from ops.conformance.line import Address
from ops.conformance.node import RULES
from ops.conformance.rules import Rule
from ops.conformance.run import Tried, try_rules
from protocol.redaction import pseudonyms
from storage.key_store import KEYS_TABLES, KeyStore
from storage.memory_store import MemoryStore
from tests.actors.world import Disk, on_the_spot
from tests.engine.rules_here import LAW

T = TypeVar("T")


def now_ms() -> int:
    """Return the clock of this machine."""
    return time.time_ns() // 1_000_000


class MemoryEnroller:
    """Enrols keys where a node in this process finds them."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store

    def enroll(self, name: str, public_key: bytes, role: Role, expires_ms: int | None) -> None:
        self._store.enroll(name, public_key, role=role, at_ms=now_ms(), expires_ms=expires_ms)

    def revoke(self, name: str, public_key: bytes) -> None:
        self._store.revoke(name, at_ms=now_ms(), public_key=public_key)


def fresh_nonces() -> Callable[[], bytes]:
    """Return what makes nonces."""
    return partial(random.Random(1).randbytes, 32)


def disk(sync_s: float) -> Offload:
    """Return what a node does blocking work on: a disk that takes so long, or none at all."""
    if not sync_s:
        return on_the_spot

    async def slowly(call: Callable[[], T], /) -> T:
        await trio.sleep(sync_s)
        return call()

    return slowly


@asynccontextmanager
async def kit_here(
    nonce: Callable[[], bytes] | None = None, *, sync_s: float = 0.0
) -> AsyncIterator[Kit]:
    """Run a node, and a kit that has all its keys there."""
    offload = disk(sync_s)
    memory, keys = Disk(), KeyStore(MemoryStore(tables=KEYS_TABLES))
    said: list[object] = []
    with open_listening_socket("127.0.0.1", 0) as listening:
        tree = NodeTree(
            stores=Stores(memory.open, memory.open_fleet),
            listening=listening,
            keys=keys,
            law=LAW,
            pseudonym=pseudonyms(bytes(32)),
            seams=Seams(now_ms, nonce or fresh_nonces(), random.Random(2).random, offload),
            report=said.append,
            note=said.append,
        )
        async with tree.supervisor.running():
            host, port = listening.getsockname()
            known = Keys.enrolled_by(MemoryEnroller(keys))
            yield Kit(Address(host, port, None), known, "HERE")


def named(*names: str) -> list[Rule[Kit]]:
    """Return rules by their names, or all of a section by its number and a dot."""
    found = [
        rule for rule in RULES if rule.name in names or f"{rule.id.partition('.')[0]}." in names
    ]
    assert found, names
    return found


async def tried_here(
    rules: Sequence[Rule[Kit]],
    *,
    slow: bool = False,
    nonce: Callable[[], bytes] | None = None,
    sync_s: float = 0.0,
) -> tuple[list[Tried], set[str]]:
    """Try rules on a node in this process; return what came of them, and what was exercised."""
    with trio.fail_after(240):
        async with kit_here(nonce, sync_s=sync_s) as kit:
            tried = await try_rules(kit, rules, slow=slow, on_tried=lambda _: None)
            return tried, kit.notes.exercised


def not_passed(tried: Sequence[Tried]) -> dict[str, str]:
    """Return the names of the rules that were not found to hold, and why; without that of TLS."""
    return {
        each.name: each.why
        for each in tried
        if each.verdict != "passed" and each.why != "the node speaks no TLS here"
    }


def failed(tried: Sequence[Tried]) -> dict[str, str]:
    """Return the names of the rules that do not hold, and why."""
    return {each.name: each.why for each in tried if each.verdict == "failed"}
