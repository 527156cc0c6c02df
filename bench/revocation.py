"""How soon the session of a key ends that another process revokes."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import trio
from msgspec.structs import replace

from bench.errors import BenchError
from bench.figures import Figure
from bench.line import Line, LineBroken
from bench.machine import generating
from bench.setting import Bench
from protocol.errors import Code
from storage.folder import DataFolder
from storage.key_store import KEYS_TABLES, KeyRecord, KeyStore
from storage.lmdb_store import LmdbStore
from terminals.keys import public_bytes

ONE_BY_ONE: Final = 20
"""Sessions that are ended alone, at times that have nothing to do with when the node looks."""

TOLD_S_MAX: Final = 60.0
_PAUSE_S: Final = 0.5


def revocation(bench: Bench) -> list[Figure]:
    """Keys of open sessions are revoked, some alone and then all the others at once."""
    plan, data = bench.plan, bench.folder(bench.plan.small)
    one_ms, all_ms = [], []
    with bench.node(data) as node, _keys(data) as store:
        for seed in range(plan.repeats):
            bench.tell(f"revoking keys of {plan.terminals:,} open sessions")
            records = _enrolled(bench, store, f"revoked-{seed}")
            run = partial(_some_then_all, store, records, random.Random(seed))
            with (
                bench.lines(node, plan.terminals, f"revoked-{seed}") as lines,
                generating(bench.pins),
            ):
                slowest_ms, last_ms = trio.run(run, lines)
            one_ms.append(slowest_ms)
            all_ms.append(last_ms)
    what = f"{plan.terminals:,} sessions open"
    return [
        Figure("revoke_one_ms", f"the slowest of {ONE_BY_ONE}, {what}", one_ms, "< 1,000"),
        Figure("revoke_all_ms", f"until the last one is told, {what}", all_ms),
    ]


def _enrolled(bench: Bench, store: KeyStore, prefix: str) -> list[KeyRecord]:
    """Enrol all terminals: one by one, at first use, the first would be silent for too long."""
    key = public_bytes(bench.key)
    names = (f"{prefix}-{number:05d}" for number in range(bench.plan.terminals))
    records = [KeyRecord(name, key, "terminal", 1) for name in names]
    store.save(records)
    return records


async def revoke(store: KeyStore, lines: Sequence[Line], records: Sequence[KeyRecord]) -> float:
    """Revoke keys, and return the milliseconds until the last of their lines was told.

    Raises:
      ExceptionGroup: of BenchError, where a line ended otherwise.
      trio.TooSlowError: it took longer than `TOLD_S_MAX`.
    """
    with trio.fail_after(TOLD_S_MAX):
        async with trio.open_nursery() as nursery:
            for line in lines:
                nursery.start_soon(_wait_revoked, line)
            await trio.lowlevel.checkpoint()
            began_s = time.perf_counter()
            store.save(replace(record, revoked_ms=1) for record in records)
    return (time.perf_counter() - began_s) * 1000


async def _some_then_all(
    store: KeyStore, records: Sequence[KeyRecord], chance: random.Random, lines: Sequence[Line]
) -> tuple[float, float]:
    """Revoke some keys one by one, then all others; return what the slowest of each took."""
    alone = min(ONE_BY_ONE, len(lines) // 2)
    slowest_ms = 0.0
    for line, record in zip(lines[:alone], records[:alone], strict=True):
        await trio.sleep(_PAUSE_S * chance.random())
        slowest_ms = max(slowest_ms, await revoke(store, [line], [record]))
    return slowest_ms, await revoke(store, lines[alone:], records[alone:])


async def _wait_revoked(line: Line) -> None:
    try:
        outcomes = await line.outcomes()
    except LineBroken as told:
        if Code.KEY_REVOKED not in str(told):
            raise
    else:
        raise BenchError(f"nothing was sent, and answered was {outcomes}")


@contextmanager
def _keys(data: Path) -> Iterator[KeyStore]:
    with (
        DataFolder.open(data, exclusive=False) as folder,
        closing(LmdbStore(folder.keys, tables=KEYS_TABLES)) as store,
    ):
        yield KeyStore(store)
