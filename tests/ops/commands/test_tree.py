"""`tree`: the supervision tree of a node that runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ops.commands.fleet_place import FleetPlace, wait_until
from tests.ops.commands.live import ROOT

ROW = [
    *("depth", "name", "kind", "state", "age_ms", "restarts", "waiting", "waiting_max"),
    *("oldest_ms", "accepted", "refused", "live", "started", "crashed", "last_end", "per_s"),
]


def test_the_tree_is_one_object_with_rates(place: FleetPlace) -> None:
    found = place.told("tree", who="oki")
    assert list(found) == ["rows", "server_time_ms", "quarantined", "position"]
    rows = {row["name"]: row for row in found["rows"]}
    assert all(list(row) == ROW for row in rows.values())
    assert {"node", "shard", "committer", "listener", "fleet", "desk"} <= set(rows)
    assert rows["node"]["depth"] == 0
    assert rows["node"]["per_s"] is None
    # It has answered one question about the tree in the meantime.
    assert rows["desk"]["per_s"] > 0


def test_without_rates_it_is_asked_once(place: FleetPlace) -> None:
    found = place.told("tree", "--no-rates")
    assert {row["per_s"] for row in found["rows"]} == {None}


def test_a_person_sees_a_tree(place: FleetPlace) -> None:
    shown = place.call("tree", "--no-rates").stdout
    assert "├── shard" in shown
    assert "│   └── committer" in shown
    assert "that come and go" in shown
    assert "journal at position 0" in shown


@pytest.mark.parametrize("option", ["--json", "--no-rates"])
def test_what_is_watched_is_for_people(place: FleetPlace, option: str) -> None:
    done = place.call("tree", "--watch", option)
    assert done.exit_code == 2
    assert "--watch goes with neither" in done.stderr


@pytest.mark.slow
def test_a_tree_is_watched_until_ctrl_c(place: FleetPlace, tmp_path: Path) -> None:
    path = tmp_path / "screen"
    with path.open("wb") as screen:
        process = subprocess.Popen(
            [sys.executable, "-m", "ops", "tree", "--watch"],
            cwd=ROOT,
            env={**os.environ, **place.environment("oki"), "FORCE_COLOR": "1"},
            stdout=screen,
            stderr=subprocess.STDOUT,
        )
    try:
        # The figures of the second picture show that it was drawn again.
        wait_until(lambda: path.read_text(encoding="utf-8").count("journal at position") >= 2)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
