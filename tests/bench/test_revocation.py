"""The measurement of a revocation counts nothing else as one."""

from __future__ import annotations

import random

import pytest

from bench.errors import BenchError
from bench.line import Line, LineBroken
from bench.load import open_lines, prepare
from bench.revocation import revoke
from ops.node_process import NodeProcess
from storage.key_store import KEYS_TABLES, KeyStore
from storage.memory_store import MemoryStore
from tests.bench.conftest import CARDS


@pytest.fixture
def keys() -> KeyStore:
    """The keys of another node: to revoke them ends no session of this one."""
    return KeyStore(MemoryStore(tables=KEYS_TABLES))


async def test_an_answer_is_no_revocation(node: NodeProcess, keys: KeyStore) -> None:
    lines: list[Line] = await open_lines(node.url, 1, prefix="line")
    (frames,) = (
        prepare(line, frames=1, taps_per_frame=1, cards=CARDS, chance=random.Random(1))
        for line in lines
    )
    await lines[0].send(frames[0])
    with pytest.RaisesGroup(BenchError):
        await revoke(keys, lines, [])
    lines[0].close()


async def test_another_end_is_no_revocation(node: NodeProcess, keys: KeyStore) -> None:
    lines: list[Line] = await open_lines(node.url, 1, prefix="line")
    node.stop()
    with pytest.RaisesGroup(LineBroken):
        await revoke(keys, lines, [])
    lines[0].close()
