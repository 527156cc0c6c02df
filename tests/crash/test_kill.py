"""Killed at random moments, a node loses nothing that it acknowledged and doubles nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.load import issue_cards
from ops.node_process import NodeProcess
from protocol.messages import Outcome
from tests.crash.kill import Drill, Terminal, compare, drill

CYCLES = 8


@pytest.mark.slow
@pytest.mark.usefixtures("no_cover")
async def test_nothing_acknowledged_is_lost_or_doubled(tmp_path: Path) -> None:
    found = await drill(tmp_path / "node", CYCLES, seed=145)
    assert found.cycles == CYCLES
    assert found.ok, found
    # A cycle that did too little does not count.
    assert found.acknowledged_in_least > 100, found


@pytest.mark.slow
async def test_the_drill_finds_what_it_looks_for(tmp_path: Path) -> None:
    """The control: acknowledgements that the node never gave are found to be lost."""
    folder = tmp_path / "node"
    node = NodeProcess.start(folder, dev=True)
    await issue_cards(node.url, 2)
    node.stop()
    liar = Terminal("issuer-00000", 1)
    liar.told[1] = Outcome(1, "posted", 0, 0)
    liar.told[2] = Outcome(2, "posted", 999, 1)
    liar.told[77] = Outcome(77, "posted", 0, 5)
    found = Drill()
    compare(folder, [liar], found)
    assert (found.lost, found.doubled, found.ok) == (2, 0, False)
