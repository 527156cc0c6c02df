"""Bad lines to a node: frames come twice, in another order, or not at all, for the line is cut.

Nothing of the protocol is broken. Frames of transactions are as short as a node may ask for, so
that there are many of them; one that is sent twice takes credits twice, and waits for these; only
frames of transactions overtake each other.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final, cast

import msgpack
import trio
from msgspec import Struct

from terminals.errors import LinkLost
from terminals.link import Link
from terminals.nursery import flat_nursery
from terminals.websocket import websocket

SUBMIT: Final = b"\x92\xa6submit"
"""How a frame of transactions begins: a list of two, and its name."""
SHORT_ARRAY: Final = 0x90
LONG_ARRAY: Final = 0xDC
_COUNT_AT: Final = len(SUBMIT)
_CREDITS_AT: Final = 3
_FRAME_AT: Final = 6
"""Where a `ready` tells credits, and the most transactions of a frame."""
_REPEATED_AT: Final = 4
"""Where an outcome tells that it is a repeated one."""

HELD_S: Final = 0.05
"""How long a frame is held back when no other one comes."""


class Roughness(Struct, frozen=True, kw_only=True):
    """How bad lines are.

    Attributes:
      frame_taps: transactions of a frame.
      doubled, held: shares of frames that are sent twice, and that the next one overtakes.
      cut: share of connections that are cut.
      cut_after_max: frames of transactions before that, at most.
    """

    frame_taps: int = 50
    doubled: float = 0.1
    held: float = 0.2
    cut: float = 0.5
    cut_after_max: int = 16


SMOOTH: Final = Roughness(doubled=0.0, held=0.0, cut=0.0)


class Tally(Struct):
    """What was done on all lines together.

    Attributes:
      taps: sent, the repeated ones too.
      repeated: outcomes of taps that the node had decided before.
      lost: taps whose outcomes had not come when their line was cut.
    """

    connections: int = 0
    frames: int = 0
    taps: int = 0
    doubled: int = 0
    overtaken: int = 0
    cuts: int = 0
    lost: int = 0
    repeated: int = 0


class RoughLines:
    """Connects a terminal, on one bad line after the other.

    Args:
      chance: what happens to which frame.
      roughness: how bad they are.
      tally: where that is counted.
    """

    def __init__(self, chance: random.Random, roughness: Roughness, tally: Tally) -> None:
        self._chance = chance
        self._roughness = roughness
        self._tally = tally

    @asynccontextmanager
    async def connect(self, url: str) -> AsyncIterator[Link]:
        """Open a websocket to a node, as `Connect` says."""
        async with websocket(url) as link, flat_nursery() as nursery:
            rough = RoughLink(link, self._chance, self._roughness, self._tally)
            self._tally.connections += 1
            nursery.start_soon(rough.release)
            yield rough
            nursery.cancel_scope.cancel()


class RoughLink:
    """A connection on a bad line."""

    def __init__(
        self, link: Link, chance: random.Random, roughness: Roughness, tally: Tally
    ) -> None:
        self._link = link
        self._chance = chance
        self._roughness = roughness
        self._tally = tally
        self._sending = trio.Lock()
        self._credits = self._credits_all = 0
        self._changed = trio.Event()
        self._held = b""
        self._hold = trio.Event()
        self._cut = False
        self._hearing = trio.CancelScope()
        cut = chance.random() < roughness.cut
        self._frames_left = chance.randint(1, roughness.cut_after_max) if cut else -1

    async def send(self, payload: bytes) -> None:
        """Send one message, once or twice, now or later."""
        if not payload.startswith(SUBMIT):
            await self._pass_on(payload)
            return
        if self._frames_left == 0:
            self._cut_off()
        self._frames_left -= 1
        if not self._held and self._chance.random() < self._roughness.held:
            self._held = payload
            self._hold.set()
            return
        overtaken, self._held = self._held, b""
        await self._submit(payload)
        if self._chance.random() < self._roughness.doubled:
            self._tally.doubled += 1
            await self._submit(payload)
        if overtaken:
            self._tally.overtaken += 1
            await self._submit(overtaken)

    async def receive(self) -> bytes:
        """Wait for one message and return it."""
        self._ensure_whole()
        with trio.CancelScope() as self._hearing:
            return self._heard(await self._link.receive())
        raise LinkLost("the line was cut")

    async def release(self) -> None:
        """Send, until cancelled, what was held back and has nothing coming after it."""
        while True:
            await self._hold.wait()
            self._hold = trio.Event()
            await trio.sleep(HELD_S)
            held, self._held = self._held, b""
            if held:
                # Whoever uses the line finds out that it has ended.
                with suppress(LinkLost):
                    await self._submit(held)

    async def _submit(self, payload: bytes) -> None:
        count = count_of(payload)
        while self._credits < count:
            self._ensure_whole()
            self._changed = trio.Event()
            await self._changed.wait()
        self._credits -= count
        self._tally.frames += 1
        self._tally.taps += count
        await self._pass_on(payload)

    async def _pass_on(self, payload: bytes) -> None:
        self._ensure_whole()
        async with self._sending:
            await self._link.send(payload)

    def _heard(self, payload: bytes) -> bytes:
        message = cast("list[object]", msgpack.unpackb(payload))
        if message[0] == "ready":
            self._credits = self._credits_all = cast("int", message[_CREDITS_AT])
            message[_FRAME_AT] = min(cast("int", message[_FRAME_AT]), self._roughness.frame_taps)
            return cast("bytes", msgpack.packb(message))
        if message[0] == "outcome":
            _, outcomes, given_back = cast("tuple[str, list[list[object]], int]", message)
            self._tally.repeated += sum(bool(each[_REPEATED_AT]) for each in outcomes)
            self._credits += given_back
            self._changed.set()
        return payload

    def _cut_off(self) -> None:
        self._cut = True
        self._tally.cuts += 1
        self._tally.lost += self._credits_all - self._credits
        self._hearing.cancel()
        self._changed.set()
        self._ensure_whole()

    def _ensure_whole(self) -> None:
        if self._cut:
            raise LinkLost("the line was cut")


def count_of(payload: bytes) -> int:
    """Return how many transactions a frame of transactions has."""
    first = payload[_COUNT_AT]
    if first == LONG_ARRAY:
        return int.from_bytes(payload[_COUNT_AT + 1 : _COUNT_AT + 3], "big")
    return first - SHORT_ARRAY
