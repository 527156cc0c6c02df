"""A terminal actor on its stage: a wire in memory before it, a node behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import trio
import trio.testing

from actors.feed import Feeds
from actors.keys import LatestTime
from actors.reception import Reception
from actors.shard import Shard
from actors.terminal import Services, TerminalActor
from actors.turns import Turns
from protocol.session import KeyName
from tests.actors.test_committer import a_life
from tests.actors.world import (
    Clock,
    Disk,
    desk_on,
    fleet_on,
    on_the_spot,
    unreported,
)
from tests.protocol import peer


class Wire:
    """A transport in memory: what the terminal sends is put in, what it gets is kept."""

    def __init__(self) -> None:
        self.sent = bytearray()
        self.eof_sent = False
        self.names: frozenset[str] | None = None
        self.closed = trio.Event()
        self._put, self._get = trio.open_memory_channel[bytes](100)

    async def receive(self) -> bytes:
        await trio.lowlevel.checkpoint()
        return b"" if self.closed.is_set() else await self._get.receive()

    def put(self, data: bytes) -> None:
        self._put.send_nowait(data)

    def send_nowait(self, data: bytes) -> None:
        self.sent += data

    async def flush(self) -> None:
        await trio.sleep_forever()

    @property
    def unsent_bytes(self) -> int:
        return 0

    async def wait_low(self) -> None:
        await trio.lowlevel.checkpoint()

    def send_eof(self) -> None:
        self.eof_sent = True

    def close(self) -> None:
        if not self.closed.is_set():
            self.closed.set()
            self._put.send_nowait(b"")

    def certified_names(self) -> frozenset[str] | None:
        return self.names

    def take(self) -> list[list[object]]:
        """Return the messages sent since the last look; a close frame as `close`, code."""
        messages: list[list[object]] = []
        data = bytes(self.sent)
        if data.startswith(b"HTTP"):
            data = data.partition(b"\r\n\r\n")[2]
        while data:
            size, start = data[1], 2
            if size >= 126:
                start = 4 if size == 126 else 10
                size = int.from_bytes(data[2:start], "big")
            body = data[start : start + size]
            if data[0] & 0x0F == peer.PONG:
                messages.append(["pong"])
            elif data[0] & 0x0F == peer.CLOSE:
                messages.append(["close", int.from_bytes(body[:2], "big")])
            else:
                messages.append(peer.unpack(body))
            data = data[start + size :]
        self.sent.clear()
        return messages


class Stage:
    """A terminal actor, its wire, and the node behind it."""

    def __init__(self, shard: Shard, clock: Clock) -> None:
        self.wire = Wire()
        self.life = a_life()
        self.enrolled: peer.StoredKey | None = peer.StoredKey()
        disk = Disk()
        self.fleet = fleet_on(disk, clock, print)
        # It takes orders, and never gets round to them.
        self.fleet.store = disk.fleet
        # However slow the machine is, nobody has to wait on the doorstep.
        self.reception = Reception(Turns(1.0, 0.0))
        self.desk = desk_on(shard, fleet=self.fleet)
        self.feeds = Feeds(str.upper, offload=on_the_spot, report=unreported)
        self.actor = TerminalActor(
            self.wire,
            Services(
                shard=lambda: shard,
                desk=self.desk,
                fleet=self.fleet,
                feeds=self.feeds,
                keys=self,
                latest_ms=LatestTime(clock, int),
                now_ms=clock,
                nonce=lambda: peer.NONCE,
            ),
            self.reception,
        )

    def find(self, terminal: str, public_key: bytes) -> peer.StoredKey | None:
        return self.enrolled

    def find_many(self, names: Sequence[KeyName]) -> list[peer.StoredKey | None]:
        return [self.enrolled for _ in names]

    def version(self) -> int:
        return 0

    async def say(self, *payloads: bytes) -> list[list[object]]:
        """Send messages in one go and return what comes back at once."""
        self.wire.put(b"".join(peer.masked(payload) for payload in payloads))
        await trio.testing.wait_all_tasks_blocked()
        return self.wire.take()


class Another:
    """Another connection at the same reception."""

    def make_room(self) -> None:
        """Do nothing: it is not there."""

    def give_way(self) -> None:
        """Do nothing: it is not there."""


@asynccontextmanager
async def on_stage(shard: Shard, clock: Clock) -> AsyncIterator[Stage]:
    async with running(Stage(shard, clock)) as stage:
        yield stage


@asynccontextmanager
async def running(stage: Stage) -> AsyncIterator[Stage]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.actor.run, stage.life)
        stage.wire.put(peer.UPGRADE)
        await trio.testing.wait_all_tasks_blocked()
        assert bytes(stage.wire.sent).startswith(b"HTTP/1.1 101")
        stage.wire.take()
        yield stage
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def ready(
    shard: Shard,
    clock: Clock,
    *,
    terminal: str = peer.TERMINAL,
    key: peer.StoredKey | None = None,
) -> AsyncIterator[Stage]:
    async with on_stage(shard, clock) as stage:
        stage.enrolled = key or peer.StoredKey()
        (challenge,) = await stage.say(peer.hello(terminal))
        (granted,) = await stage.say(peer.proof(terminal=terminal))
        assert (challenge[0], granted[0]) == ("challenge", "ready")
        yield stage


def outcome_in(messages: list[list[object]]) -> list[object]:
    """Return the one outcome in the one message that came back."""
    ((_, outcomes, _),) = messages
    assert isinstance(outcomes, list)
    (outcome,) = outcomes
    return list(outcome)
