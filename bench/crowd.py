"""A crowd of gates in a process of its own, so that it does not disturb who measures taps.

Each gate beats its heart, takes in the lists that it is offered, and comes back when it is cut off.
The process does the least that a gate has to: it takes the hash of a list for granted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Pipe
from typing import Final, Protocol

import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from bench.errors import BenchError
from bench.line import Line, LineBroken, open_line
from bench.load import CONNECTING_AT_ONCE
from ops.open_files import allow_files
from protocol.messages import Chunk, Fetch, Heartbeat, HeldList, Holds, Offer

NICE: Final = 10
"""On the core that both share, the crowd gives way to who measures."""

ANSWER_S_MAX: Final = 600.0
SPARE_FILES: Final = 100


class End(Protocol):
    """One end of a pipe between two processes."""

    def send(self, _what: object, /) -> None:
        """Hand something to the other process."""
        ...

    def recv(self) -> object:
        """Wait for what the other process hands over."""
        ...

    def poll(self, timeout: float, /) -> bool:
        """Wait until there is something, and tell whether there is."""
        ...


class CrowdPlan(Struct, frozen=True):
    """Who the gates are.

    Attributes:
      url: of the node.
      prefix: of their names.
      count: how many.
      key: the private key that all of them use.
      core: where the process is pinned; None: nowhere.
    """

    url: str
    prefix: str
    count: int
    key: bytes
    core: int | None


class TakenIn(Struct, frozen=True):
    """What it took until all gates held a version: seconds, and bytes of list files."""

    took_s: float
    file_bytes: int


class Crowd:
    """The crowd, from outside; made by `gathered`."""

    def __init__(self, connection: End) -> None:
        self._connection = connection

    def connect(self) -> float:
        """Connect all gates, or all anew; return the seconds until the last was ready."""
        took_s = self._ask("connect")
        assert isinstance(took_s, float)
        return took_s

    def begin(self, what: str) -> None:
        """Have the crowd do something, without waiting for it: `connect`."""
        self._connection.send(what)

    def done(self) -> object:
        """Wait for what was begun, and return what came of it."""
        if not self._connection.poll(ANSWER_S_MAX):
            raise BenchError(f"the crowd is not done after {ANSWER_S_MAX:g} s")
        answer = self._connection.recv()
        if isinstance(answer, str):
            raise BenchError(answer)
        return answer

    def hold(self, version: int) -> TakenIn:
        """Wait until all gates hold a version of the deny list."""
        answer = self._ask(version)
        assert isinstance(answer, TakenIn)
        return answer

    def _ask(self, what: str | int) -> object:
        self._connection.send(what)
        return self.done()


@contextmanager
def gathered(plan: CrowdPlan) -> Iterator[Crowd]:
    """Start the process of a crowd, and end it in the end."""
    context = get_context("spawn")
    here, there = Pipe()
    process = context.Process(target=_run, args=(there, plan), daemon=True)
    process.start()
    there.close()
    try:
        yield Crowd(here)
    finally:
        here.close()
        process.join(5)
        if process.is_alive():
            process.kill()
            process.join()


def _run(connection: End, plan: CrowdPlan) -> None:
    if plan.core is not None:
        os.nice(NICE)
        os.sched_setaffinity(0, {plan.core})
    allow_files(plan.count + SPARE_FILES)
    trio.run(_Gates(connection, plan).serve)


class _Gates:
    def __init__(self, connection: End, plan: CrowdPlan) -> None:
        self._connection = connection
        self._plan = plan
        self._key = Ed25519PrivateKey.from_private_bytes(plan.key)
        self._held: dict[str, HeldList] = {}
        self._file_bytes = 0
        self._lives = trio.CancelScope()
        self._ready = 0
        self._news = trio.Event()

    async def serve(self) -> None:
        async with trio.open_nursery() as nursery:
            while (wanted := await trio.to_thread.run_sync(self._next)) is not None:
                self._connection.send(await self._answer(wanted, nursery))
            nursery.cancel_scope.cancel()

    async def _answer(self, wanted: object, nursery: trio.Nursery) -> object:
        try:
            if isinstance(wanted, int):
                return await self._until_held(wanted)
            return await self._connect(nursery)
        except LineBroken as broken:
            return str(broken)

    def _next(self) -> object:
        """Return what is wanted, or None when whoever started the crowd has all it wanted."""
        try:
            return self._connection.recv()
        except EOFError:
            return None

    async def _connect(self, nursery: trio.Nursery) -> float:
        self._lives.cancel()
        self._lives, self._ready = trio.CancelScope(), 0
        began_s = time.perf_counter()
        nursery.start_soon(self._live_all, self._lives)
        while self._ready < self._plan.count:
            await self._wait_news()
        return time.perf_counter() - began_s

    async def _until_held(self, version: int) -> TakenIn:
        began_s, before = time.perf_counter(), self._file_bytes
        while sum(held.version == version for held in self._held.values()) < self._plan.count:
            await self._wait_news()
        return TakenIn(time.perf_counter() - began_s, self._file_bytes - before)

    async def _wait_news(self) -> None:
        self._news = trio.Event()
        with trio.move_on_after(1.0):
            await self._news.wait()

    async def _live_all(self, lives: trio.CancelScope) -> None:
        turns = trio.CapacityLimiter(CONNECTING_AT_ONCE)
        with lives:
            async with trio.open_nursery() as nursery:
                for number in range(self._plan.count):
                    nursery.start_soon(self._live, number, turns)

    async def _live(self, number: int, turns: trio.CapacityLimiter) -> None:
        name = f"{self._plan.prefix}-{number:05d}"
        async with turns:
            line = await open_line(self._plan.url, name, self._key)
        try:
            held = self._held.setdefault(name, HeldList("deny", 0, b""))
            await line.say(Holds((held,)))
            self._ready += 1
            self._news.set()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._beat, line, number)
                await self._hear(line, name)
        finally:
            line.close()

    async def _beat(self, line: Line, number: int) -> None:
        every_s = line.ready.heartbeat_s
        # Gates are switched on at any time: their hearts do not beat together.
        await trio.sleep(every_s * number / self._plan.count)
        while True:
            await line.say(Heartbeat(time.time_ns() // 1_000_000))
            await trio.sleep(every_s)

    async def _hear(self, line: Line, name: str) -> None:
        offer: Offer | None = None
        offset = 0
        while True:
            for message in await line.messages():
                if isinstance(message, Offer):
                    offer, offset = message, 0
                elif isinstance(message, Chunk):
                    offset += len(message.data)
                    self._file_bytes += len(message.data)
                else:
                    continue
                assert offer is not None
                if offset < offer.file_bytes:
                    await line.say(Fetch(offer.name, offer.version, offer.base, offset))
                    continue
                held = HeldList(offer.name, offer.version, offer.hash)
                self._held[name] = held
                await line.say(Holds((held,)))
                self._news.set()
