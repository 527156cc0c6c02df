"""A node on a disk that is really full says so, loses nothing, and goes on when there is room."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from bench.line import Line, new_key, open_line, submit_frame
from engine.transaction import Issue, Transaction
from ops.node_process import NodeProcess
from protocol.messages import Outcome
from tests.crash.kill import clean
from tests.crash.small_disk import mounted

DISK_MIB = 40
BATCH = 400


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, of a few MiB."""
    place = tmp_path / "disk"
    with mounted(place, DISK_MIB << 10):
        yield place


async def send(line: Line, batch: list[Transaction]) -> dict[int, Outcome]:
    """Send a batch; return what is answered within two seconds."""
    told: dict[int, Outcome] = {}
    await line.send(submit_frame(batch))
    with trio.move_on_after(2):
        while len(told) < len(batch):
            told.update({outcome.counter: outcome for outcome in await line.outcomes()})
    return told


def cards(first: int) -> list[Transaction]:
    """Return a batch that issues new cards."""
    return [
        Transaction(number, 1, Issue(f"CARD-{number}", "account", "dki"))
        for number in range(first, first + BATCH)
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("no_cover")
async def test_a_full_disk_stops_transactions_and_loses_nothing(
    small_disk: Path, tmp_path: Path
) -> None:
    folder = small_disk / "node"
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(20 * 2**20))
    node = NodeProcess.start(folder, dev=True, log=tmp_path / "log")
    key = new_key()
    line = await open_line(node.url, "DESK", key)
    acknowledged: dict[int, Outcome] = {}
    refused: list[Outcome] = []
    first = 1
    unanswered: list[Transaction] = []
    with trio.fail_after(120):
        while not unanswered:
            batch = cards(first)
            told = await send(line, batch)
            acknowledged |= told
            unanswered = [each for each in batch if each.counter not in told]
            first += BATCH
        other = await open_line(node.url, "DESK-2", key)
        refused = list((await send(other, cards(1))).values())
        assert {(each.result, each.reason) for each in refused} == {("busy", "storage_full")}
        assert node.running
        ballast.unlink()
        while unanswered:
            for outcome in await line.outcomes():
                assert outcome.result == "posted"
                acknowledged[outcome.counter] = outcome
            unanswered = [each for each in unanswered if each.counter not in acknowledged]
        again = await send(other, cards(first))
        assert {outcome.result for outcome in again.values()} == {"posted"}
        line.close()
        other.close()
    assert node.stop() == 0
    assert {outcome.result for outcome in acknowledged.values()} == {"posted"}
    assert clean(folder)
    words = (tmp_path / "log").read_text()
    assert "the disk is full" in words
    assert "the disk has room again" in words
