"""What is measured of one node: each figure with all its repeats."""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import trio
from msgspec import Struct

from bench.line import LineBroken
from bench.load import issue_cards, open_lines, open_loop, percentile, prepare, stream
from ops.node_process import NodeProcess

NODE_CORE, LOAD_CORE = 0, 1


class Size(Struct, frozen=True):
    """How much is done for each figure."""

    cards: int = 100_000
    stream_terminals: int = 64
    stream_frames: int = 100
    taps_per_frame: int = 50
    stream_window: int = 2
    terminals: int = 1_000
    taps_each: int = 40
    rate_per_s: float = 2_000.0
    open_loop_taps_each: int = 10
    connected: int = 2_000
    postgres_clients: tuple[int, ...] = (8, 16, 32)
    postgres_s: float = 5.0


QUICK = Size(
    cards=5_000,
    stream_frames=20,
    terminals=200,
    taps_each=20,
    open_loop_taps_each=20,
    connected=200,
    postgres_clients=(8,),
    postgres_s=1.0,
)


class Figure(Struct, frozen=True):
    """One figure: its repeats, and what they are measured in."""

    name: str
    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The repeat in the middle."""
        return statistics.median(self.values)


@cache
def pinned() -> tuple[str, ...]:
    """Return the command that keeps a process on the node's core, if there is one.

    Found out once, before the load moves itself to the other core.
    """
    alone = shutil.which("taskset") and len(os.sched_getaffinity(0)) > 1
    return ("taskset", "--cpu-list", str(NODE_CORE)) if alone else ()


def fsyncs_per_s(folder: Path, *, count: int = 300) -> float:
    """Return how many small writes a second reach the disk, one after the other."""
    path = folder / "fsync"
    began_s = time.perf_counter()
    with path.open("wb", buffering=0) as file:
        for _ in range(count):
            file.write(bytes(512))
            os.fdatasync(file.fileno())
    path.unlink()
    return count / (time.perf_counter() - began_s)


async def streaming(node: NodeProcess, size: Size, repeat: int) -> list[Figure]:
    """Measure many taps a frame, from a few terminals."""
    lines = await open_lines(node.url, size.stream_terminals, prefix=f"stream-{repeat}")
    frames = [
        prepare(
            line,
            frames=size.stream_frames,
            taps_per_frame=size.taps_per_frame,
            cards=size.cards,
            seed=repeat * 10_000 + number,
        )
        for number, line in enumerate(lines)
    ]
    load = await stream(
        lines, frames, taps_per_frame=size.taps_per_frame, window=size.stream_window
    )
    for line in lines:
        line.close()
    return [Figure("stream_taps_per_s", "taps/s", (load.taps_per_s,))]


async def singles(node: NodeProcess, size: Size, repeat: int) -> list[Figure]:
    """Measure one tap a frame, one unanswered for each of many terminals."""
    lines = await open_lines(node.url, size.terminals, prefix=f"single-{repeat}")
    frames = [
        prepare(line, frames=size.taps_each, taps_per_frame=1, cards=size.cards, seed=number)
        for number, line in enumerate(lines)
    ]
    load = await stream(lines, frames, taps_per_frame=1, window=1)
    for line in lines:
        line.close()
    return [
        Figure("single_taps_per_s", "taps/s", (load.taps_per_s,)),
        Figure("single_p99_ms", "ms", (percentile(load.latencies_ms, 0.99),)),
    ]


async def at_a_rate(node: NodeProcess, size: Size, repeat: int) -> list[Figure]:
    """Measure latency from the intended time of each tap, at a fixed rate."""
    lines = await open_lines(node.url, size.terminals, prefix=f"rate-{repeat}")
    frames = [
        prepare(
            line, frames=size.open_loop_taps_each, taps_per_frame=1, cards=size.cards, seed=number
        )
        for number, line in enumerate(lines)
    ]
    load = await open_loop(lines, frames, rate_per_s=size.rate_per_s, seed=repeat)
    for line in lines:
        line.close()
    return [
        Figure(f"open_loop_{name}_ms", "ms", (percentile(load.latencies_ms, share),))
        for name, share in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))
    ]


async def connected(node: NodeProcess, size: Size, repeat: int) -> list[Figure]:
    """Measure the memory that a connected terminal takes, and how fast they connect."""
    before = node.rss_bytes()
    began_s = time.perf_counter()
    lines = await open_lines(node.url, size.connected, prefix=f"connected-{repeat}")
    took_s = time.perf_counter() - began_s
    each = (node.rss_bytes() - before) / len(lines)
    for line in lines:
        line.close()
    return [
        Figure("memory_per_terminal_kib", "KiB", (each / 1024,)),
        Figure("connects_per_s", "1/s", (len(lines) / took_s,)),
    ]


async def restart(
    node: NodeProcess, folder: Path, size: Size, repeat: int
) -> tuple[NodeProcess, list[Figure]]:
    """Kill the node under full load and start it again."""

    async def load() -> None:
        try:
            await streaming(node, size, 1_000 + repeat)
        except* (LineBroken, OSError):
            pass

    async with trio.open_nursery() as nursery:
        nursery.start_soon(load)
        await trio.sleep(1.5)
        await trio.to_thread.run_sync(node.kill)
    again = NodeProcess.start(folder, dev=True, prefix=pinned())
    return again, [
        Figure("restart_s", "s", (again.started_in_s,)),
        Figure("restart_recovery_ms", "ms", (again.ready["recovery_ms"],)),
        Figure("restart_replayed", "entries", (again.ready["replayed"],)),
    ]


async def measure_node(folder: Path, size: Size, repeats: int) -> list[Figure]:
    """Measure everything on one node; the load runs on the other core.

    Raises:
      LineBroken: a tap was not posted.
      NodeFailed: the node did not start or stop.
    """
    if pinned():
        os.sched_setaffinity(0, {LOAD_CORE})
    node = NodeProcess.start(folder, dev=True, prefix=pinned())
    found: list[Figure] = []
    await issue_cards(node.url, size.cards)
    for repeat in range(repeats):
        for measure in (streaming, singles, at_a_rate, connected):
            found += await measure(node, size, repeat)
        node, figures = await restart(node, folder, size, repeat)
        found += figures
    node.stop()
    return merged(found)


def merged(figures: Sequence[Figure]) -> list[Figure]:
    """Put the repeats of each figure together."""
    values: dict[tuple[str, str], tuple[float, ...]] = {}
    for figure in figures:
        key = (figure.name, figure.unit)
        values[key] = values.get(key, ()) + figure.values
    return [Figure(name, unit, repeats) for (name, unit), repeats in values.items()]
