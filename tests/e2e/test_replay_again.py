"""A file that comes again, longer, mended, in another order or after a kill, posts what is new."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ops.node_process import NodeProcess
from tests.e2e.commands import environment, run_json
from tests.e2e.trip_files import busy_stop, row, write

FARE_RP = 3_500


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeProcess]:
    """A node for development."""
    running = NodeProcess.start(tmp_path / "node", dev=True)
    yield running
    running.kill()


def replayed(
    tmp_path: Path, node: NodeProcess, rows: Sequence[str], status: int = 0
) -> dict[str, Any]:
    file = write(tmp_path / "taps.csv", rows)
    return run_json("replay", file, "--url", node.url, home=tmp_path, status=status)


def entries_of(folder: Path) -> int:
    """Return how many entries a journal holds that is as it was written."""
    report = run_json("verify", folder)
    assert report["ok"], report
    return int(report["entries"])


@pytest.mark.slow
def test_of_a_longer_file_only_what_is_new_is_posted(node: NodeProcess, tmp_path: Path) -> None:
    rows = busy_stop(40)
    head = rows[5:25]
    first = replayed(tmp_path, node, head)
    assert (first["posted"], first["duplicates"]) == (40, 0)
    whole = replayed(tmp_path, node, rows)
    assert (whole["posted"], whole["duplicates"], whole["differences"]) == (40, 40, [])
    assert whole["rupiah_in_ledger"] == 40 * FARE_RP
    assert whole["exceptions"] == {}, "what was short on the cards was loaded"
    shuffled = list(rows)
    random.Random(7).shuffle(shuffled)
    again = replayed(tmp_path, node, shuffled)
    assert (again["posted"], again["duplicates"], again["differences"]) == (0, 80, [])
    # The ledger holds each tap once: 7 cards, 80 taps, and the loads.
    assert entries_of(tmp_path / "node") == 7 + 80 + again["loads_sent"]


@pytest.mark.slow
def test_a_mended_row_is_posted_and_no_other_again(node: NodeProcess, tmp_path: Path) -> None:
    rows = busy_stop(20)
    torn = row("T0001", "601", at="2023-04-04 07:00:01", amount="")
    first = replayed(tmp_path, node, [rows[0], torn, *rows[2:]], status=0)
    assert (first["rows_refused"], first["posted"]) == (1, 38)
    mended = replayed(tmp_path, node, rows)
    assert (mended["posted"], mended["duplicates"], mended["differences"]) == (2, 38, [])
    assert mended["rupiah_in_ledger"] == 20 * FARE_RP


@pytest.mark.slow
def test_a_trip_that_was_moved_to_another_stop_is_not_charged_again(
    node: NodeProcess, tmp_path: Path
) -> None:
    rows = busy_stop(6)
    replayed(tmp_path, node, rows)
    moved = [rows[0].replace("P00142", "P00999"), *rows[1:]]
    found = replayed(tmp_path, node, moved, status=1)
    assert (found["posted"], found["reconciled"]) == (0, False)
    (difference,) = found["differences"]
    assert difference["trans_id"] == "T0000"
    assert "holds it otherwise (intent.place)" in difference["reason"]


@pytest.mark.slow
def test_a_node_that_is_killed_half_way_charges_nothing_twice(tmp_path: Path) -> None:
    folder = tmp_path / "node"
    node = NodeProcess.start(folder, dev=True)
    file = write(tmp_path / "taps.csv", busy_stop(400, days=1))
    command = [sys.executable, "-m", "ops", "replay", str(file), "--url", node.url, "--json"]
    process = subprocess.Popen(
        [*command, "--speed", "150"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(tmp_path),
    )
    try:
        while not entries_of(folder) > 7 + 100:
            assert process.poll() is None, "the kill comes too late"
        node.kill()
        node = NodeProcess.start(folder, dev=True, listen=node.listen)
        said, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    told = json.loads(said)
    assert (told["posted"], told["duplicates"], told["differences"]) == (800, 0, [])
    again = run_json("replay", file, "--url", node.url, home=tmp_path)
    node.stop()
    assert (again["posted"], again["duplicates"], again["differences"]) == (0, 800, [])
    assert entries_of(folder) == 7 + 800 + again["loads_sent"]
