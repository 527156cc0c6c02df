"""Killed at random moments, who follows the journal ends with exactly the journal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.crash.consumers import Found, compare_lines, drill
from tests.storage.entries import entries

CYCLES = 10


@pytest.mark.slow
@pytest.mark.usefixtures("no_cover")
async def test_consumers_that_are_killed_end_with_exactly_the_journal(tmp_path: Path) -> None:
    found = await drill(tmp_path, CYCLES, seed=145)
    assert found.cycles == CYCLES
    assert found.ok, found
    # Taps went on meanwhile, and some runs came far enough to be cut off in their work.
    assert found.entries > 1_000 * 2, found
    assert found.lines >= found.entries, found
    assert found.files > 1, found


def test_the_drill_finds_what_it_looks_for(tmp_path: Path) -> None:
    """The control: a line that is missing, one that is altered, and one that is out of order."""
    journal = entries(0, 6)
    names = ("terminal", "counter", "decided_ms", "balance_rp", "previous", "reason")
    told = [
        {"position": position, **{name: getattr(journal[position], name) for name in names}}
        for position in (0, 1, 2, 1, 2, 4, 5)
    ]
    told[2]["balance_rp"] = 999
    outputs = [tmp_path / "feed-0", tmp_path / "feed-1"]
    outputs[0].write_text("".join(f"{json.dumps(line)}\n" for line in told[:3]) + '{"posi')
    outputs[1].write_text("".join(f"{json.dumps(line)}\n" for line in told[3:]))
    found = Found()
    compare_lines(outputs, journal, found)
    assert (found.lines, found.repeated, found.cut) == (7, 2, 1)
    assert (found.skipped, found.altered, found.disordered) == (1, 1, 1)
    assert not found.ok
