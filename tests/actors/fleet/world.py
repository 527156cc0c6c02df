"""A fleet in memory, and terminals and officers that keep what they are told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TypeVar

import trio

from actors.fleet.fleet import Fleet
from engine.fleet.lists import ListName
from protocol.messages import (
    Action,
    Fetch,
    FromNode,
    HeldList,
    Holds,
    ListPart,
    ListPublish,
    Order,
    Receipt,
)
from tests.actors.test_committer import a_life
from tests.actors.world import Clock, Disk, fleet_on

M = TypeVar("M", bound=FromNode)


class FakePeer:
    """A connection that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[FromNode] = []
        self.unsent_bytes = 0

    def tell(self, message: FromNode) -> None:
        """Keep a message."""
        self.told.append(message)

    def take(self, kind: type[M]) -> M:
        """Return the one message told since the last look, which is of a kind."""
        (message,) = self.told
        self.told.clear()
        assert isinstance(message, kind)
        return message


class City:
    """A running fleet on a disk in memory."""

    def __init__(self, disk: Disk, clock: Clock, fleet: Fleet, notes: list[str]) -> None:
        self.disk = disk
        self.clock = clock
        self.fleet = fleet
        self.notes = notes
        self.officers: dict[str, FakePeer] = {}

    def gate(self, name: str = "G1", firmware: str = "gate 1") -> FakePeer:
        """Connect a terminal."""
        peer = FakePeer()
        self.fleet.arrive(peer, name, firmware, b"k" * 8)
        return peer

    async def order(self, action: Action, *, order_id: str = "1", officer: str = "ani") -> Receipt:
        """Give an order, and return its receipt."""
        peer = self.officers.setdefault(officer, FakePeer())
        self.fleet.take(peer, officer, Order(order_id, action))
        await settled()
        return peer.take(Receipt)

    async def publish(
        self,
        entries: Iterable[tuple[str, str | None]],
        *,
        name: ListName = "deny",
        base: int = 0,
        whole: bool = False,
    ) -> Receipt:
        """Publish a list of one part."""
        draft = f"d{base or ''}"
        part = await self.order(ListPart(draft, name, 0, tuple(entries)), order_id="part")
        assert part.result == "done", part
        action = ListPublish(draft, name, 1, base, whole=whole)
        return await self.order(action, order_id=f"{name}-{base}")

    def holds(
        self,
        peer: FakePeer,
        version: int = 0,
        digest: bytes = b"",
        *,
        state: str = "active",
    ) -> None:
        """Have a terminal say which deny list it holds."""
        held = HeldList("deny", version, digest, state)  # type: ignore[arg-type]
        self.fleet.take(peer, "", Holds((held,)))

    async def fetch(self, peer: FakePeer, fetch: Fetch) -> None:
        """Have a terminal fetch a chunk, and wait until it has come."""
        self.fleet.take(peer, "", fetch)
        await settled()


async def settled() -> None:
    """Wait until all that was begun has been done: the clock jumps over the pump's tick."""
    await trio.sleep(0.5)


@asynccontextmanager
async def running(
    *, disk: Disk | None = None, issued: int = 0, clock: Clock | None = None
) -> AsyncIterator[City]:
    """Run a fleet on a clock that jumps."""
    the_disk, the_clock, notes = disk or Disk(), clock or Clock(), list[str]()
    fleet = fleet_on(the_disk, the_clock, notes.append, issued=issued)
    life = a_life()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fleet.run, life)
        await settled()
        assert fleet.store is not None
        yield City(the_disk, the_clock, fleet, notes)
        life.stopping.set()
