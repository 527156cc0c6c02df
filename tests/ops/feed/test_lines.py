"""Lines are written before the position is kept, and all that was written is kept in the end."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.lowlevel
from trio.testing import MockClock

from ops.feed.lines import Lines
from ops.feed.output import Output
from ops.feed.position_file import PositionFile
from ops.feed.run import Stop
from terminals.errors import NodeRefused
from terminals.feed import Wanted
from tests.ops.feed.telling import Telling
from tests.storage.entries import entries
from tests.terminals.fake_node import FakeNode


@pytest.fixture
async def node() -> AsyncIterator[FakeNode]:
    async with trio.open_nursery() as nursery:
        yield FakeNode(nursery)
        nursery.cancel_scope.cancel()


class Written:
    """A file that lines go to, and where they were kept up to each time."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "lines"
        self.kept = PositionFile(folder / "state")
        self.descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.said: list[str] = []

    def lines(self, telling: Telling, position: int = 0) -> Lines:
        output = Output(self.descriptor)
        return Lines(telling.source, Wanted(position), output, self.kept, self.said.append)

    def positions(self) -> list[int]:
        *lines, _ = self.path.read_text().split("\n")
        return [json.loads(line)["position"] for line in lines]


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    file = Written(tmp_path)
    yield file
    os.close(file.descriptor)


async def test_each_entry_is_a_line_and_the_position_is_kept(
    node: FakeNode, written: Written, autojump_clock: MockClock
) -> None:
    telling = Telling(node, entries(0, 95))
    await written.lines(telling, 5).run(Stop(), for_ever=False)
    assert written.positions() == [*range(5, 95)]
    assert written.kept.load() == 95
    assert written.said == []
    telling.add(entries(95, 20))
    await written.lines(telling, 95).run(Stop(), for_ever=False)
    assert written.positions() == [*range(5, 115)]


async def test_while_it_follows_the_position_is_kept_behind_what_was_written(
    node: FakeNode, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    telling, stop = Telling(node, entries(0, 5)), Stop()
    save, saved = written.kept.save, [0]

    def look_and_save(position: int) -> None:
        assert written.positions()[:position] == [*range(position)]
        save(position)
        saved.append(position)

    monkeypatch.setattr(written.kept, "save", look_and_save)
    # In real time: a clock that jumps would not wait for the threads that write.
    async with trio.open_nursery() as nursery:
        nursery.cancel_scope.deadline = trio.current_time() + 60
        nursery.start_soon(partial(written.lines(telling).run, stop, for_ever=True))
        for more in (5, 8):
            while saved[-1] < more:  # noqa: ASYNC110 - a thread saves it
                await trio.sleep(0.01)
            telling.add(entries(more, 3))
        stop.ask()
    assert saved[-1] == len(written.positions())
    assert saved[-1] >= 8


async def test_a_position_behind_the_end_is_told_once(
    node: FakeNode, written: Written, autojump_clock: MockClock
) -> None:
    telling = Telling(node, entries(0, 5))
    await written.lines(telling, 9).run(Stop(), for_ever=False)
    assert written.said == ["the journal ends at 5: waiting for position 9"]


async def test_without_a_state_nothing_is_kept(
    node: FakeNode, written: Written, tmp_path: Path, autojump_clock: MockClock
) -> None:
    telling = Telling(node, entries(0, 5))
    output = Output(written.descriptor)
    lines = Lines(telling.source, Wanted(), output, None, written.said.append)
    await lines.run(Stop(), for_ever=False)
    assert written.positions() == [0, 1, 2, 3, 4]
    assert not (tmp_path / "state").exists()


async def test_what_could_not_be_written_is_not_kept(
    node: FakeNode, tmp_path: Path, autojump_clock: MockClock
) -> None:
    telling, kept = Telling(node, entries(0, 50)), PositionFile(tmp_path / "state")
    full = os.open("/dev/full", os.O_WRONLY)
    lines = Lines(telling.source, Wanted(3), Output(full), kept, print)
    with pytest.raises(OSError, match="No space left"):
        await lines.run(Stop(), for_ever=True)
    os.close(full)
    assert kept.load() == 3


async def test_a_reader_that_goes_away_ends_it_though_there_is_nothing_to_write(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    telling = Telling(node, [])
    read, write = os.pipe()
    lines = Lines(telling.source, Wanted(), Output(write), None, print)

    async def leave() -> None:
        await trio.sleep(10)
        os.close(read)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(leave)
        with pytest.raises(BrokenPipeError):
            await lines.run(Stop(), for_ever=True)
    os.close(write)
    assert trio.current_time() >= 10


async def test_a_refusal_comes_as_it_is(
    node: FakeNode, written: Written, autojump_clock: MockClock
) -> None:
    telling = Telling(node, [])
    node.capabilities = ()
    with pytest.raises(NodeRefused):
        await written.lines(telling).run(Stop(), for_ever=True)
