"""An export makes files of what it hears, and waits neither too long nor for too much."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import trio
from trio.testing import MockClock

from ops.feed.run import Stop
from ops.tides.folder import opened
from ops.tides.rows import KINDS
from ops.tides.run import Export
from tests.ops.feed.telling import Telling
from tests.ops.tides.test_folder import names
from tests.storage.entries import entries
from tests.terminals.fake_node import FakeNode


@pytest.fixture
async def node() -> AsyncIterator[FakeNode]:
    async with trio.open_nursery() as nursery:
        yield FakeNode(nursery)
        nursery.cancel_scope.cancel()


async def export(telling: Telling, out: Path, *, rows_max: int = 1_000) -> Export:
    """Run an export into a folder, to the journal's end."""
    with opened(out, 0) as folder:
        run = Export(telling.source, folder, rows_max=rows_max, age_s_max=60, say=pytest.fail)
        await run.run(Stop(), for_ever=False)
    return run


def positions(out: Path) -> list[int]:
    found: list[int] = pq.read_table(out)["journal_position"].to_pylist()
    return found


async def test_files_hold_the_journal_and_the_next_run_goes_on(
    node: FakeNode, tmp_path: Path, autojump_clock: MockClock
) -> None:
    telling = Telling(node, entries(0, 95))
    run = await export(telling, tmp_path, rows_max=30)
    assert (run.rows, run.seen) == (95, 95)
    assert len(names(tmp_path)) == 4
    telling.add(entries(95, 7))
    run = await export(telling, tmp_path)
    assert (run.rows, run.seen) == (7, 102)
    assert names(tmp_path)[-1] == "fare_transactions-0000000000000095-0000000000000102.parquet"
    assert positions(tmp_path) == [*range(102)]
    run = await export(telling, tmp_path)
    assert run.rows == 0
    assert len(names(tmp_path)) == 5
    asked = telling.asked[-1]
    assert (asked.position, asked.filter.kinds) == (102, KINDS)


async def test_rows_do_not_wait_for_others_for_ever(
    node: FakeNode, tmp_path: Path, autojump_clock: MockClock
) -> None:
    telling, stop = Telling(node, entries(0, 5)), Stop()
    with opened(tmp_path, 0) as folder:
        run = Export(telling.source, folder, rows_max=1_000, age_s_max=60, say=pytest.fail)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(run.run, stop, for_ever=True))
            await trio.sleep(30)
            assert names(tmp_path) == []
            # A thread writes while this clock jumps.
            while run.rows < 5:  # noqa: ASYNC110
                await trio.sleep(1)
            telling.add(entries(5, 3))
            while run.seen < 8:  # noqa: ASYNC110
                await trio.sleep(1)
            stop.ask()
    assert len(names(tmp_path)) == 2, "and a stop writes what waits"
    assert positions(tmp_path) == [*range(8)]


async def test_where_nothing_is_a_fare_no_file_is_made(
    node: FakeNode, tmp_path: Path, autojump_clock: MockClock
) -> None:
    run = await export(Telling(node, []), tmp_path)
    assert (run.rows, names(tmp_path)) == (0, [])


async def test_a_journal_that_is_shorter_than_the_files_is_told(
    node: FakeNode, tmp_path: Path, autojump_clock: MockClock
) -> None:
    await export(Telling(node, entries(0, 20)), tmp_path)
    shorter = Telling(node, entries(0, 5))
    said: list[str] = []
    with opened(tmp_path, 0) as folder:
        run = Export(shorter.source, folder, rows_max=9, age_s_max=9, say=said.append)
        await run.run(Stop(), for_ever=False)
    assert said == ["the journal ends at 5: waiting for position 20"]
