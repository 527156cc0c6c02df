"""The past is what stood in the journal when it was opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.past.journal import Past, Period, past_of
from ops.rehearsal.taps import run_in_day
from storage.errors import StorageDamaged
from storage.journal import TABLES, Journal
from storage.memory_store import MemoryStore
from tests.engine.fares.test_ride import at
from tests.ops.rehearsal.place import some_rides


def test_what_is_written_meanwhile_is_left_to_the_next_time() -> None:
    riders = some_rides()
    journal = Journal(MemoryStore(tables=TABLES))
    for entry in riders.entries:
        journal.append([entry], entry.decided_ms)
    past = Past(journal, None, None)
    late = riders.tap("2025-11-05 08:00", "A", "in")
    journal.append([late], late.decided_ms)
    count = len(riders.entries) - 1
    assert past.end == count
    assert [position for position, _ in past.entries(None)] == list(range(count))
    assert [entry for _, entry in Past(journal, None, None).entries(None)] == riders.entries
    before = [entry for _, entry in past.entries(at("2025-11-04"))]
    assert before == [each for each in riders.entries if each.decided_ms < at("2025-11-04")]


def test_a_secret_that_is_none_is_refused(tmp_path: Path) -> None:
    folder = some_rides().write(tmp_path / "data")
    (folder / "pseudonyms").write_text("no secret")
    with pytest.raises(StorageDamaged), past_of(folder):
        pass


def test_a_period_is_whole_days_of_jakarta() -> None:
    period = Period.of(at("2025-11-01 13:00"), at("2025-11-02"))
    assert str(period) == "from 2025-11-01 to 2025-11-02"
    assert period.until_ms == at("2025-11-03")
    held = {moment: period.holds(at(f"2025-{moment}:30")) for moment in ("10-31 23", "11-01 00")}
    held |= {moment: period.holds(at(f"2025-{moment}:30")) for moment in ("11-02 23", "11-03 00")}
    assert held == {"10-31 23": False, "11-01 00": True, "11-02 23": True, "11-03 00": False}
    assert Period(None, None).holds(0)


def test_taps_are_rated_from_a_monday_on() -> None:
    monday = at("2025-11-03") // 86_400_000 + 1
    assert [run_in_day(monday + offset) for offset in (0, 1, 6, 7, 8)] == [
        *(monday - 7, monday, monday, monday, monday + 7),
    ]
