"""An officer's command outlives the node that it talks to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ops.node_process import NodeProcess
from tests.ops.commands.fleet_place import Gate, connected, fleet_place, wait_until
from tests.ops.commands.live import ROOT


@pytest.mark.slow
def test_waiting_for_a_list_goes_on_where_the_node_is_started_again(tmp_path: Path) -> None:
    file, log = tmp_path / "deny.csv", tmp_path / "log"
    file.write_text("key,value\n6013500100000001,lost\n")
    with fleet_place(tmp_path) as place, log.open("wb") as errors:
        place.told("lists", "publish", "deny", file, "--yes")
        waiting = subprocess.Popen(
            [sys.executable, "-m", "ops", "lists", "wait", "deny", "--share", "100", "--json"],
            cwd=ROOT,
            env={**os.environ, **place.environment("ani")},
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        try:
            wait_until(lambda: officers_at(place.told("tree")) >= 2)
            place.node.kill()
            place.node = NodeProcess.start(tmp_path / "data", listen=place.node.listen)
            with connected(place, Gate("GATE-01")):
                said, _ = waiting.communicate(timeout=60)
        finally:
            waiting.kill()
            waiting.wait()
    assert waiting.returncode == 0, log.read_text()
    assert json.loads(said)["list"]["holders"] == 1


def officers_at(tree: dict[str, list[dict[str, int]]]) -> int:
    """Return how many connections a node has: that which asks is one of them."""
    return sum(row["live"] for row in tree["rows"])
