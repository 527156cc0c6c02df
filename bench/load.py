"""Loads on a node: as fast as answers come, and an open loop at a fixed rate.

Both fail if a tap is not posted, and if the node takes longer than `LOAD_S_MAX`.
"""

from __future__ import annotations

import random
import ssl
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from bench.line import Line, new_key, open_line, submit_frame
from engine.transaction import Intent, Issue, Tap, TopUp, Transaction

FARE_RP: Final = 3_500
BALANCE_RP: Final = 2_000_000
"""On each card; more than five hundred fares."""

BANK: Final = "dki"
LOAD_S_MAX: Final = 600.0
CONNECTING_AT_ONCE: Final = 32
_LEAD_S: Final = 0.1
"""Before the first tap of an open loop, for its readers to take their places."""


class Load(Struct, frozen=True):
    """What a load came to.

    Attributes:
      taps: all of them posted.
      took_s: from the first send to the last answer.
      latencies_ms: in no order: of each frame from its sending, or in an open loop of each tap
        from the time it was meant to be sent.
    """

    taps: int
    took_s: float
    latencies_ms: list[float]

    @property
    def taps_per_s(self) -> float:
        """Taps a second."""
        return self.taps / self.took_s


def card_name(number: int) -> str:
    """Return the name of a card of the load: 16 digits, as on plastic."""
    return f"6013{number:012d}"


async def open_lines(
    url: str,
    count: int,
    *,
    prefix: str,
    key: Ed25519PrivateKey | None = None,
    tls: ssl.SSLContext | None = None,
) -> list[Line]:
    """Connect terminals, a few at a time; all of them use one key, a fresh one if none is given.

    Args:
      url: of the node.
      count: of terminals.
      prefix: of their names.
      key: of all of them.
      tls: how they trust the node, where that speaks TLS.

    Raises:
      ExceptionGroup: of what `open_line` raises.
    """
    key = key or new_key()
    lines: dict[int, Line] = {}
    turns = trio.CapacityLimiter(CONNECTING_AT_ONCE)

    async def connect(number: int) -> None:
        async with turns:
            lines[number] = await open_line(url, f"{prefix}-{number:05d}", key, tls)

    async with trio.open_nursery() as nursery:
        for number in range(count):
            nursery.start_soon(connect, number)
    return [lines[number] for number in range(count)]


async def issue_cards(url: str, count: int, *, first: int = 0, prefix: str = "issuer") -> None:
    """Issue cards and top them up, through the protocol.

    Raises:
      LineBroken: one was not posted.
    """
    (line,) = await open_lines(url, 1, prefix=prefix)
    at_ms = time.time_ns() // 1_000_000
    half = line.ready.transactions_per_frame_max // 2
    for start in range(first, first + count, half):
        batch: list[Transaction] = []
        for number in range(start, min(start + half, first + count)):
            name = card_name(number)
            intents: tuple[Intent, ...] = (
                Issue(name, "account", BANK),
                TopUp(name, BALANCE_RP, BANK),
            )
            for intent in intents:
                line.counter += 1
                batch.append(Transaction(line.counter, at_ms, intent))
        await line.send(submit_frame(batch))
        left = len(batch)
        while left:
            left -= await line.wait_posted()
    line.close()


def prepare(
    line: Line, *, frames: int, taps_per_frame: int, cards: int, chance: random.Random
) -> list[bytes]:
    """Prepare the frames of a terminal: taps of random cards, in and out by turns."""
    at_ms = time.time_ns() // 1_000_000
    prepared = []
    for _ in range(frames):
        batch = []
        for _ in range(taps_per_frame):
            line.counter += 1
            enters = line.counter % 2 == 1
            tap = Tap(
                card_name(chance.randrange(cards)),
                FARE_RP if enters else 0,
                "transjakarta",
                "in" if enters else "out",
                "P00142",
                "1",
            )
            batch.append(Transaction(line.counter, at_ms, tap))
        prepared.append(submit_frame(batch))
    return prepared


async def stream(
    lines: Sequence[Line], frames: Sequence[Sequence[bytes]], *, taps_per_frame: int, window: int
) -> Load:
    """Send as fast as answers come, `window` frames unanswered on each line at most.

    Raises:
      ExceptionGroup: of LineBroken and OSError, from the lines that ended.
      trio.TooSlowError: it took longer than `LOAD_S_MAX`.
    """
    latencies_ms: list[float] = []

    async def run(line: Line, prepared: Sequence[bytes]) -> None:
        unanswered: deque[float] = deque()
        at = answered = 0
        while answered < len(prepared) * taps_per_frame:
            batch = prepared[at : at + window - len(unanswered)]
            if batch:
                at += len(batch)
                unanswered.extend([time.perf_counter()] * len(batch))
                await line.send(b"".join(batch))
            answered += await line.wait_posted()
            now_s = time.perf_counter()
            while len(unanswered) > at - answered // taps_per_frame:
                latencies_ms.append((now_s - unanswered.popleft()) * 1000)

    began_s = time.perf_counter()
    with trio.fail_after(LOAD_S_MAX):
        async with trio.open_nursery() as nursery:
            for line, prepared in zip(lines, frames, strict=True):
                nursery.start_soon(run, line, prepared)
    took_s = time.perf_counter() - began_s
    return Load(sum(map(len, frames)) * taps_per_frame, took_s, latencies_ms)


async def open_loop(
    lines: Sequence[Line],
    frames: Sequence[Sequence[bytes]],
    *,
    rate_per_s: float,
    chance: random.Random,
) -> Load:
    """Send one tap after the other at a fixed rate, whether or not answers come.

    Taps go to random lines at even distances; a latency counts from the time a tap was meant to
    be sent, so a node that falls behind cannot hide it.

    Raises:
      ExceptionGroup: of LineBroken and OSError, from the lines that ended.
      trio.TooSlowError: it took longer than `LOAD_S_MAX`.
    """
    order = [number for number, prepared in enumerate(frames) for _ in prepared]
    chance.shuffle(order)
    meant: list[deque[float]] = [deque() for _ in lines]
    latencies_ms: list[float] = []

    async def read(number: int) -> None:
        left = len(frames[number])
        while left:
            count = await lines[number].wait_posted()
            now_s = time.perf_counter()
            left -= count
            latencies_ms.extend((now_s - meant[number].popleft()) * 1000 for _ in range(count))

    began_s = time.perf_counter() + _LEAD_S
    with trio.fail_after(LOAD_S_MAX):
        async with trio.open_nursery() as nursery:
            for number in range(len(lines)):
                nursery.start_soon(read, number)
            waiting = [iter(prepared) for prepared in frames]
            for turn, number in enumerate(order):
                due_s = began_s + turn / rate_per_s
                await trio.sleep(max(0.0, due_s - time.perf_counter()))
                meant[number].append(due_s)
                await lines[number].send(next(waiting[number]))
    return Load(len(order), time.perf_counter() - began_s, latencies_ms)
