"""Loads on a node: streaming, one tap a frame, and an open loop at a fixed rate."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

import trio
from msgspec import Struct

from bench.line import Line, LineBroken, new_key, open_line, submit_frame
from engine.transaction import Intent, Issue, Tap, TopUp, Transaction

FARE_RP = 3_500
TOP_UP_RP = 2_000_000


class Load(Struct, frozen=True):
    """What a load came to.

    Attributes:
      taps: answered with `posted`.
      took_s: from the first send to the last answer.
      latencies_ms: of each tap, from the time it was meant to be sent; in no order.
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


async def open_lines(url: str, count: int, *, prefix: str) -> list[Line]:
    """Connect terminals, a few at a time."""
    key = new_key()
    lines: list[Line | None] = [None] * count
    turns = trio.CapacityLimiter(32)

    async def connect(number: int) -> None:
        async with turns:
            lines[number] = await open_line(url, f"{prefix}-{number:05d}", key)

    async with trio.open_nursery() as nursery:
        for number in range(count):
            nursery.start_soon(connect, number)
    return [line for line in lines if line is not None]


async def issue_cards(url: str, count: int, *, first: int = 0, prefix: str = "issuer") -> None:
    """Issue cards and top them up, through the protocol."""
    (line,) = await open_lines(url, 1, prefix=prefix)
    counter = line.ready.last_counter
    at_ms = time.time_ns() // 1_000_000
    half = line.ready.transactions_per_frame_max // 2
    for start in range(first, first + count, half):
        intents: list[Intent] = []
        for number in range(start, min(start + half, first + count)):
            name = card_name(number)
            intents.append(Issue(name, "account", "dki"))
            intents.append(TopUp(name, TOP_UP_RP, "dki"))
        batch = [Transaction(counter + 1 + i, at_ms, each) for i, each in enumerate(intents)]
        counter += len(intents)
        await line.send(submit_frame(batch))
        await _all_posted(line, len(intents))
    line.close()


async def _all_posted(line: Line, count: int) -> None:
    while count:
        for outcome in await line.outcomes():
            if outcome.result != "posted":
                raise LineBroken(str(outcome))
            count -= 1


def prepare(line: Line, *, frames: int, taps_per_frame: int, cards: int, seed: int) -> list[bytes]:
    """Prepare the frames of a terminal: taps of random cards, in and out by turns."""
    chance = random.Random(seed)
    counter = line.ready.last_counter
    at_ms = time.time_ns() // 1_000_000
    prepared = []
    for _ in range(frames):
        batch = []
        for _ in range(taps_per_frame):
            counter += 1
            enters = counter % 2 == 1
            tap = Tap(
                card_name(chance.randrange(cards)),
                FARE_RP if enters else 0,
                "transjakarta",
                "in" if enters else "out",
                "P00142",
                "1",
            )
            batch.append(Transaction(counter, at_ms, tap))
        prepared.append(submit_frame(batch))
    return prepared


async def stream(
    lines: Sequence[Line], frames: Sequence[Sequence[bytes]], *, taps_per_frame: int, window: int
) -> Load:
    """Send as fast as answers come, `window` frames unanswered on each line at most."""
    latencies_ms: list[float] = []

    async def run(line: Line, prepared: Sequence[bytes]) -> None:
        unanswered: list[float] = []
        at = answered = 0
        while answered < len(prepared) * taps_per_frame:
            room = window - (at - answered // taps_per_frame)
            if room > 0 and at < len(prepared):
                batch = prepared[at : at + room]
                at += len(batch)
                unanswered += [time.perf_counter()] * len(batch)
                await line.send(b"".join(batch))
            outcomes = await line.outcomes()
            now_s = time.perf_counter()
            for outcome in outcomes:
                if outcome.result != "posted":
                    raise LineBroken(str(outcome))
            before, answered = answered // taps_per_frame, answered + len(outcomes)
            done = answered // taps_per_frame - before
            latencies_ms.extend((now_s - sent_s) * 1000 for sent_s in unanswered[:done])
            del unanswered[:done]

    began_s = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for line, prepared in zip(lines, frames, strict=True):
            nursery.start_soon(run, line, prepared)
    took_s = time.perf_counter() - began_s
    return Load(sum(map(len, frames)) * taps_per_frame, took_s, latencies_ms)


async def open_loop(
    lines: Sequence[Line], frames: Sequence[Sequence[bytes]], *, rate_per_s: float, seed: int
) -> Load:
    """Send one tap after the other at a fixed rate, whether or not answers come.

    Taps go to random lines at even distances; a latency counts from the time a tap was meant to
    be sent, so a node that falls behind cannot hide it.
    """
    chance = random.Random(seed)
    order = [number for number, prepared in enumerate(frames) for _ in prepared]
    chance.shuffle(order)
    meant: list[list[float]] = [[] for _ in lines]
    latencies_ms: list[float] = []

    async def read(number: int) -> None:
        left, answered = len(frames[number]), 0
        while answered < left:
            outcomes = await lines[number].outcomes()
            now_s = time.perf_counter()
            for outcome in outcomes:
                if outcome.result != "posted":
                    raise LineBroken(str(outcome))
                latencies_ms.append((now_s - meant[number][answered]) * 1000)
                answered += 1

    began_s = time.perf_counter() + 0.1
    async with trio.open_nursery() as nursery:
        for number in range(len(lines)):
            nursery.start_soon(read, number)
        sent = [0] * len(lines)
        for turn, number in enumerate(order):
            due_s = began_s + turn / rate_per_s
            if (wait_s := due_s - time.perf_counter()) > 0:
                await trio.sleep(wait_s)
            meant[number].append(due_s)
            await lines[number].send(frames[number][sent[number]])
            sent[number] += 1
    return Load(len(order), time.perf_counter() - began_s, latencies_ms)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that a share of all values does not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]
