"""A node in memory that posts everything, for the terminals of the demo."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgpack
import trio

from terminals.errors import LinkLost
from terminals.link import Link

NONCE = bytes(32)


class FakeNode:
    """Remembers what arrived and when; answers unless it is told not to."""

    def __init__(self) -> None:
        self.arrived: list[tuple[float, str, list[int]]] = []
        self.positions: dict[tuple[str, int], int] = {}
        self.result = "posted"
        self.reason = ""
        self.deaf = False
        self._links: set[_Link] = set()

    @asynccontextmanager
    async def connect(self, _url: str) -> AsyncIterator[Link]:
        link = _Link(self)
        self._links.add(link)
        try:
            yield link
        finally:
            self._links.discard(link)

    def cut(self) -> None:
        """End all connections, as a killed node does."""
        for link in self._links:
            link.end()

    def answer(self, terminal: str, transactions: list[list[Any]]) -> list[Any]:
        counters = [transaction[0] for transaction in transactions]
        self.arrived.append((trio.current_time(), terminal, counters))
        outcomes = []
        for counter in counters:
            repeated = (terminal, counter) in self.positions
            position = self.positions.setdefault((terminal, counter), len(self.positions))
            outcomes.append([counter, self.result, 0, position, repeated, self.reason])
        return ["outcome", outcomes, len(outcomes)]


class _Link:
    def __init__(self, node: FakeNode) -> None:
        self._node = node
        self._terminal = ""
        self._out, self._in = trio.open_memory_channel[list[Any]](math.inf)

    def end(self) -> None:
        self._out.close()

    async def send(self, payload: bytes) -> None:
        await trio.lowlevel.checkpoint()
        name, *fields = msgpack.unpackb(payload)
        try:
            if name == "hello":
                self._terminal = fields[1]
                self._out.send_nowait(["challenge", 1, NONCE, 0])
            elif name == "prove":
                self._out.send_nowait(["ready", 0, 0, 2000, 20, 256 * 1024, 500, []])
            elif name == "submit" and not self._node.deaf:
                self._out.send_nowait(self._node.answer(self._terminal, fields[0]))
        except trio.ClosedResourceError:
            raise LinkLost("cut") from None

    async def receive(self) -> bytes:
        try:
            payload: bytes | None = msgpack.packb(await self._in.receive())
        except trio.EndOfChannel:
            raise LinkLost("cut") from None
        assert payload is not None
        return payload
