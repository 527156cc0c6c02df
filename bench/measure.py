"""The measurements of design's targets for one node, each with the node in a process of its own.

Each fails if a tap was not posted; at the end the folders are verified, entry by entry.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import trio
from msgspec import Struct

from bench import postgres
from bench.errors import NotVerified
from bench.figures import Figure, percentile
from bench.fleet import fleet, lists
from bench.line import Line, LineBroken
from bench.load import open_loop, stream
from bench.machine import generating
from bench.offline import offline
from bench.revocation import revocation
from bench.setting import Bench
from bench.tap import tap
from ops.node_process import NodeProcess

TAPS_PER_FRAME: Final = 50
STREAMING_LINES: Final = 64
WINDOW: Final = 2
"""Frames of a streaming terminal without an answer: one is decided while the next one travels."""

KILLED_AT: Final = 0.8
"""Share of the answers after which the node is killed."""

_POLL_S: Final = 0.01


def streaming(bench: Bench) -> list[Figure]:
    """Fifty taps a frame, 64 terminals."""
    found = _stream(bench, bench.plan.small)
    what = "50 taps a frame, 64 terminals"
    return [
        Figure("stream_taps_per_s", what, found.rates, ">= 80,000", per_tap_rate=True),
        Figure("stream_cpu_us", "processor time of the node for a tap", found.costs_us),
        Figure("stream_p99_ms", "of a frame, from its sending", found.p99s_ms),
    ]


def rated(bench: Bench) -> list[Figure]:
    """Streaming of taps that the node rates, all rules on, beside taps that tell their amount."""
    small = bench.plan.small
    told, found = _stream(bench, small), _stream(bench, small, rides=True)
    shares = [rate / beside for rate, beside in zip(found.rates, told.rates, strict=True)]
    return [
        Figure("rated_taps_per_s", "streaming, rated", found.rates, ">= 60,000", per_tap_rate=True),
        Figure("rated_share", "of the rate of taps that tell their amount, beside it", shares),
        Figure("rated_cpu_us", "processor time of the node for a tap", found.costs_us),
        Figure("rated_p99_ms", "of a frame, from its sending", found.p99s_ms),
    ]


def single(bench: Bench) -> list[Figure]:
    """One tap a frame, a thousand terminals."""
    plan, data = bench.plan, bench.folder(bench.plan.small)
    rates, costs_us = [], []
    with bench.node(data) as node, bench.lines(node, plan.single_lines, "gate") as lines:
        for seed in range(plan.repeats):
            bench.tell(f"one tap a frame, {len(lines):,} terminals")
            frames = bench.frames(
                lines, count=plan.single_frames, taps_per_frame=1, among=plan.small, seed=seed
            )
            run = partial(stream, lines, frames, taps_per_frame=1, window=1)
            load, cost_us = bench.run(data, node, run)
            rates.append(load.taps_per_s)
            costs_us.append(cost_us)
    what = f"one tap a frame, {plan.single_lines:,} terminals"
    return [
        Figure("single_taps_per_s", what, rates, ">= 9,000", per_tap_rate=True),
        Figure("single_cpu_us", "processor time of the node for a tap", costs_us),
    ]


def open_rate(bench: Bench) -> list[Figure]:
    """Taps at a fixed rate, on the large folder."""
    plan, data = bench.plan, bench.folder(bench.plan.large)
    each = max(1, round(plan.open_s * plan.rate_per_s / plan.single_lines))
    shares: dict[str, list[float]] = {"p50": [], "p99": [], "p99_9": []}
    with bench.node(data) as node, bench.lines(node, plan.single_lines, "bus") as lines:
        for seed in range(plan.repeats):
            bench.tell(f"open loop at {plan.rate_per_s:,.0f} taps/s")
            frames = bench.frames(lines, count=each, taps_per_frame=1, among=plan.large, seed=seed)
            chance = random.Random(seed)
            loop = partial(open_loop, lines, frames, rate_per_s=plan.rate_per_s, chance=chance)
            load, _ = bench.run(data, node, loop)
            for name, share in (("p50", 0.5), ("p99", 0.99), ("p99_9", 0.999)):
                shares[name].append(percentile(load.latencies_ms, share))
    what = f"at {plan.rate_per_s:,.0f} taps/s, {plan.large:,} cards"
    return [
        Figure("open_loop_p50_ms", what, shares["p50"]),
        Figure("open_loop_p99_ms", what, shares["p99"], "<= 25"),
        Figure("open_loop_p999_ms", what, shares["p99_9"], "<= 100"),
    ]


def large(bench: Bench) -> list[Figure]:
    """Streaming on the large folder beside the ordinary one, in the same minute."""
    plan = bench.plan
    few, many = _stream(bench, plan.small), _stream(bench, plan.large)
    shares = [rate / beside for rate, beside in zip(many.rates, few.rates, strict=True)]
    costs = [before / cost for cost, before in zip(many.costs_us, few.costs_us, strict=True)]
    what = f"streaming, {plan.large:,} cards"
    return [
        Figure("large_taps_per_s", what, many.rates, per_tap_rate=True),
        Figure("large_share", f"of the rate with {plan.small:,} cards", shares, ">= 0.9"),
        Figure("large_cpu_share", "the same, in processor time", costs, ">= 0.9"),
        Figure("large_memory_mib", "resident memory", [many.rss_bytes / 2**20], "<= 2,048"),
    ]


def tls(bench: Bench) -> list[Figure]:
    """Streaming under TLS beside streaming without, in the same minute."""
    small = bench.plan.small
    plain, sealed = _stream(bench, small), _stream(bench, small, tls=True)
    shares = [rate / beside for rate, beside in zip(sealed.rates, plain.rates, strict=True)]
    return [
        Figure("tls_taps_per_s", "streaming under TLS 1.3", sealed.rates, per_tap_rate=True),
        Figure("tls_share", "of the rate without, beside it", shares),
        Figure("tls_cpu_us", "processor time of the node for a tap", sealed.costs_us),
    ]


def terminals(bench: Bench) -> list[Figure]:
    """What a connected terminal weighs, and how long it takes all of them to come back."""
    plan, data = bench.plan, bench.folder(bench.plan.small)
    with bench.node(data) as node:
        # The first few pay for what all share; and in `--dev` a key is enrolled when first seen.
        with bench.lines(node, min(plan.terminals, STREAMING_LINES), "warm"):
            before = node.rss_bytes()
        bench.tell(f"connecting {plan.terminals:,} terminals")
        with bench.lines(node, plan.terminals, "post"):
            grown_kib = (node.rss_bytes() - before) / 1024
        began_s = time.perf_counter()
        with bench.lines(node, plan.terminals, "post"):
            took_s = time.perf_counter() - began_s
    return [
        Figure(
            "memory_per_terminal_kib",
            f"with {plan.terminals:,} connected",
            [grown_kib / plan.terminals],
            "<= 40",
        ),
        Figure(
            "reconnect_per_s", "all of them at once, with their proofs", [plan.terminals / took_s]
        ),
    ]


def restart(bench: Bench) -> list[Figure]:
    """SIGKILL at full load, and a start on what it left."""
    plan, data = bench.plan, bench.folder(bench.plan.small)
    ready_s, recovery_ms, replayed = [], [], []
    for seed in range(plan.repeats):
        bench.tell("SIGKILL at full load, restart")
        with bench.node(data) as node, bench.lines(node, STREAMING_LINES, "kill") as lines:
            frames = bench.frames(
                lines,
                count=plan.stream_frames,
                taps_per_frame=TAPS_PER_FRAME,
                among=plan.small,
                seed=seed,
            )
            with generating(bench.pins):
                trio.run(stream_and_kill, lines, frames, node)
        bench.acknowledged(data, sum(line.posted for line in lines))
        with bench.node(data) as node, bench.lines(node, STREAMING_LINES, "kill") as after:
            ready_s.append(node.started_in_s)
            recovery_ms.append(float(node.ready["recovery_ms"]))
            replayed.append(float(node.ready["replayed"]))
            check_nothing_lost(lines, after)
    return [
        Figure("restart_s", "after SIGKILL at full load, until it serves", ready_s, "< 3"),
        Figure("restart_recovery_ms", "of that: checkpoint and replay", recovery_ms),
        Figure("restart_replayed", "entries since the checkpoint", replayed),
    ]


def peer(bench: Bench) -> list[Figure]:
    """The same taps on PostgreSQL, one function call each; the best number of clients counts."""
    plan, programs = bench.plan, postgres.find_programs()
    bench.no_peer = postgres.why_absent(programs)
    if programs is None or bench.no_peer:
        return []
    bench.tell("PostgreSQL: making a cluster")
    with (
        generating(bench.pins),
        postgres.running_peer(programs, bench.place, prefix=bench.pins.prefix) as server,
    ):
        postgres.fill(server, plan.small)
        trials = [
            postgres.trial(
                server,
                clients=clients,
                seconds=plan.peer_s,
                cards=plan.small,
                run=f"{clients}-{turn}",
            )
            for clients in plan.clients
            for turn in range(plan.repeats)
        ]
        postgres.check(server, sum(trial.taps for trial in trials))
    bench.peer = trials
    by_clients = {n: [t.taps_per_s for t in trials if t.clients == n] for n in plan.clients}
    best = max(plan.clients, key=lambda n: Figure("", "", by_clients[n]).median)
    what = f"{server.version.partition(chr(32))[0]}, one call a tap, {best} clients"
    return [Figure("postgres_taps_per_s", what, by_clients[best], per_tap_rate=True)]


def verification(rates: Sequence[float]) -> Figure:
    """Verification of every folder that was measured on: three million taps, a day, in a minute."""
    return Figure("verify_entries_per_s", "offline, each folder", rates, ">= 50,000")


MEASURES: Final[dict[str, Callable[[Bench], list[Figure]]]] = {
    "stream": streaming,
    "rated": rated,
    "single": single,
    "open": open_rate,
    "large": large,
    "tls": tls,
    "terminals": terminals,
    "revoke": revocation,
    "restart": restart,
    "fleet": fleet,
    "lists": lists,
    "offline": offline,
    "tap": tap,
    "postgres": peer,
}
"""All measurements by name, in their order."""


class _Streamed(Struct):
    rates: list[float]
    costs_us: list[float]
    p99s_ms: list[float]
    rss_bytes: int = 0


def _stream(bench: Bench, count: int, *, tls: bool = False, rides: bool = False) -> _Streamed:
    """Stream to the folder with so many cards, as often as planned."""
    data, found = bench.folder(count), _Streamed([], [], [])
    prepared = bench.rides if rides else bench.frames
    with bench.node(data, tls=tls) as node, bench.lines(node, STREAMING_LINES, "line") as lines:
        for seed in range(bench.plan.repeats):
            bench.tell(f"streaming, {count:,} cards")
            frames = prepared(
                lines,
                count=bench.plan.stream_frames,
                taps_per_frame=TAPS_PER_FRAME,
                among=count,
                seed=seed,
            )
            run = partial(stream, lines, frames, taps_per_frame=TAPS_PER_FRAME, window=WINDOW)
            load, cost_us = bench.run(data, node, run)
            found.rates.append(load.taps_per_s)
            found.costs_us.append(cost_us)
            found.p99s_ms.append(percentile(load.latencies_ms, 0.99))
        found.rss_bytes = node.rss_bytes()
    return found


async def stream_and_kill(
    lines: list[Line], frames: list[list[bytes]], node: NodeProcess, share: float = KILLED_AT
) -> None:
    """Stream, and end the node with SIGKILL when a share of the answers has come.

    Raises:
      ExceptionGroup: the load failed before that.
    """
    first = sum(line.posted for line in lines)
    enough = first + share * sum(map(len, frames)) * TAPS_PER_FRAME
    try:
        async with trio.open_nursery() as nursery:
            streaming = partial(stream, taps_per_frame=TAPS_PER_FRAME, window=WINDOW)
            nursery.start_soon(streaming, lines, frames)
            # The load's own bound ends this wait too.
            while sum(line.posted for line in lines) < enough:  # noqa: ASYNC110 no event
                await trio.sleep(_POLL_S)
            node.kill()
    except* (LineBroken, OSError):
        if node.running:
            raise


def check_nothing_lost(lines: list[Line], after: list[Line]) -> None:
    """Compare what was answered before a kill with what the node remembers after it.

    Raises:
      NotVerified: the node has forgotten a tap.
    """
    for line, again in zip(lines, after, strict=True):
        acknowledged = line.ready.last_counter + line.posted
        if again.ready.last_counter < acknowledged:
            lost = acknowledged - again.ready.last_counter
            raise NotVerified(f"{lost} acknowledged taps of a terminal are lost after SIGKILL")
