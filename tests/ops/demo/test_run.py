"""Parts of the run that need no node; tests/ops/commands/test_demo.py runs the whole."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.transaction import Entry
from ops.demo.fleet import Wait
from ops.demo.network import built_in
from ops.demo.result import Outage
from ops.demo.run import Interruption, inspect
from storage.folder import DataFolder
from storage.journal import TABLES, Journal
from storage.lmdb_store import LmdbStore
from tests.ops.demo.played import Played

OUTAGE = Interruption(Outage(datetime(2025, 11, 24, tzinfo=UTC), 1, 1, 1, 1), 10.0, 12.0)


@pytest.mark.parametrize(
    ("due_s", "answered_s", "touched"),
    [
        (9.0, 9.9, False),
        (9.9, 12.5, True),
        (11.0, 12.1, True),
        (8.0, 14.0, True),
        (12.1, 12.2, False),
    ],
)
def test_outage_touches_the_taps_that_waited_during_it(
    due_s: float, answered_s: float, *, touched: bool
) -> None:
    assert OUTAGE.touched(Wait(due_s, answered_s)) is touched


def written(path: Path, entries: list[Entry]) -> Path:
    """Make a data folder with these entries in its journal."""
    with (
        DataFolder.open(path, create=True) as folder,
        closing(LmdbStore(folder.journal, tables=TABLES)) as store,
    ):
        journal = Journal(store)
        for start in range(0, len(entries), 500):
            journal.append(entries[start : start + 500], entries[start].decided_ms)
    return path


def test_folder_of_a_clean_morning_is_verified_and_balances(tmp_path: Path, played: Played) -> None:
    data = written(tmp_path / "data", played.entries)
    found, report = inspect(data, built_in(), played.planned, played.answers)
    assert report.ok
    assert found.ok
    assert found.entries == report.entries == len(played.entries)


def test_folder_without_the_last_acknowledged_tap_has_lost_it(
    tmp_path: Path, played: Played
) -> None:
    data = written(tmp_path / "data", played.entries[:-1])
    found, report = inspect(data, built_in(), played.planned, played.answers)
    assert report.ok
    assert (found.lost, found.ok) == (1, False)
