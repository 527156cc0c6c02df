"""Every measurement, with loads so small that its figures mean nothing."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import trio

from bench import measure, postgres
from bench.errors import NotVerified
from bench.line import Line, LineBroken
from bench.load import open_lines, prepare
from bench.measure import MEASURES
from bench.setting import Bench
from ops.node_process import NodeProcess
from tests.bench.conftest import CARDS, reachable


@pytest.mark.parametrize("name", [name for name in MEASURES if name != "postgres"])
def test_a_measurement_gives_figures_and_leaves_a_folder_that_verifies(
    tiny: Bench, name: str
) -> None:
    figures = MEASURES[name](tiny)
    assert len(figures) >= 1
    assert all(len(figure.values) >= 1 for figure in figures)
    entries = tiny.verify()
    assert all(count > 0 for count in entries.values())


def test_the_peer_is_measured_with_each_number_of_clients(
    tiny: Bench, tmp_path: Path, peer: postgres.Peer
) -> None:
    reachable(tmp_path)
    (figure,) = MEASURES["postgres"](tiny)
    assert figure.name == "postgres_taps_per_s"
    assert figure.median == max(trial.taps_per_s for trial in tiny.peer)
    assert {trial.clients for trial in tiny.peer} == {1, 3}
    assert tiny.no_peer == ""


def test_without_postgres_there_is_a_reason_instead_of_a_figure(
    tiny: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "find_programs", lambda: None)
    assert MEASURES["postgres"](tiny) == []
    assert "not installed" in tiny.no_peer


def test_a_folder_that_lacks_an_acknowledged_tap_fails_the_run(tiny: Bench) -> None:
    tiny.acknowledged(tiny.folder(CARDS), 1)
    with pytest.raises(NotVerified, match="1 acknowledged taps are missing"):
        tiny.verify()


def test_a_folder_that_was_altered_fails_the_run(tiny: Bench) -> None:
    path = tiny.folder(CARDS)
    data = bytearray((path / "journal" / "data.mdb").read_bytes())
    at = data.index(b"6013")
    data[at] ^= 1
    (path / "journal" / "data.mdb").write_bytes(data)
    with pytest.raises(NotVerified, match="block 0"):
        tiny.verify()


def test_a_counter_behind_what_was_answered_is_a_loss(node: NodeProcess) -> None:
    (line,) = lines = trio.run(lambda: open_lines(node.url, 1, prefix="line"))
    measure.check_nothing_lost(lines, lines)
    line.posted = 1
    with pytest.raises(NotVerified, match="1 acknowledged taps"):
        measure.check_nothing_lost(lines, lines)
    line.close()


async def test_a_load_that_fails_before_the_kill_is_no_kill(node: NodeProcess) -> None:
    lines: list[Line] = await open_lines(node.url, 1, prefix="line")
    chance = random.Random(1)
    frames = [prepare(lines[0], frames=1, taps_per_frame=50, cards=10**9, chance=chance)]
    with pytest.RaisesGroup(LineBroken, flatten_subgroups=True):
        await measure.stream_and_kill(lines, frames, node)
    assert node.running
    lines[0].close()
