"""An entry that was acknowledged is there after a loss of power, and no other is made up."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from tests.crash.disk import KINDS, SECTOR, Disk, after_power_loss
from tests.crash.power_loss import Case, Survey, judge, survey
from tests.crash.recording import Acknowledge, Flush, Resize, Write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder, where there is strace."""
    if shutil.which("strace") is None and not os.environ.get("CI"):
        pytest.skip("strace is not installed")
    return tmp_path


def check_that_it_did_enough(found: Survey, states: int) -> None:
    assert sum(found.states.values()) == states
    assert all(found.states[kind] >= states // 8 for kind in KINDS)
    assert found.moments > 60
    assert found.acknowledged_max > 500


def test_nothing_acknowledged_is_lost_with_the_power(folder: Path) -> None:
    found = survey(folder, seed=1, blocks=40, states=200)
    check_that_it_did_enough(found, 200)
    assert not any(found.bad.values()), found.bad


@pytest.mark.slow
@pytest.mark.usefixtures("no_cover")
def test_nothing_acknowledged_is_lost_in_two_thousand_states(folder: Path) -> None:
    found = survey(folder, seed=2, blocks=100, states=2000)
    check_that_it_did_enough(found, 2000)
    assert not any(found.bad.values()), found.bad


def test_a_missing_flush_is_found_unless_everything_is_kept(folder: Path) -> None:
    """The controls: the harness can fail, and it does not always fail."""
    found = survey(folder, seed=3, blocks=40, states=100, flush="never")
    check_that_it_did_enough(found, 100)
    assert found.bad["all"] == []
    assert len(found.bad["none"]) == found.states["none"]
    for kind in ("pages", "sectors"):
        assert len(found.bad[kind]) > found.states[kind] // 2


def test_what_must_be_there_and_what_cannot_be_there() -> None:
    case = Case("none", 7, b"", acknowledged=10, begun=12)
    assert [judge(case, answer) for answer in ("10", "11", "12")] == ["", "", ""]
    assert judge(case, "9") == "1 acknowledged entries are lost"
    assert judge(case, "13") == "1 entries were never written"
    assert judge(case, "StorageDamaged: a block") == "StorageDamaged: a block"


def state(disk: Disk, kind: str, seed: int = 0) -> bytes:
    return after_power_loss(disk, kind, random.Random(seed))


def do(disk: Disk, *events: Write | Resize | Flush | Acknowledge) -> None:
    for event in events:
        disk.begin(event)
        disk.end(event)


def test_what_was_flushed_stays_and_the_rest_may() -> None:
    disk = Disk()
    do(disk, Write(0, b"a" * 8 * SECTOR), Flush(), Write(0, b"b" * 8 * SECTOR), Acknowledge(1))
    assert state(disk, "none") == b"a" * 8 * SECTOR
    assert state(disk, "all") == b"b" * 8 * SECTOR
    assert {state(disk, "pages", seed)[:: 8 * SECTOR] for seed in range(40)} == {b"a", b"b"}
    torn = {state(disk, "sectors", seed)[::SECTOR] for seed in range(40)}
    assert len(torn) > 20
    assert all(set(each) <= set(b"ab") for each in torn)


def test_a_sector_may_stand_at_any_of_its_writes() -> None:
    disk = Disk()
    do(disk, *(Write(0, bytes([content]) * SECTOR) for content in b"abcd"))
    found = {state(disk, "sectors", seed)[:1] for seed in range(200)}
    # Nothing of it, or its length alone, or what one of the writes left.
    assert found == {b"", b"\0", b"a", b"b", b"c", b"d"}


def test_a_write_that_flushes_itself_flushes_nothing_else() -> None:
    disk = Disk()
    do(disk, Write(0, b"a" * 2 * SECTOR), Write(10, b"b", flushed=True))
    assert state(disk, "none") == b"a" * 10 + b"b" + b"a" * (SECTOR - 11)
    disk.begin(Write(10, b"c", flushed=True))
    assert state(disk, "none")[10:11] == b"b"
    assert state(disk, "all")[10:11] == b"c"


def test_a_length_is_as_uncertain_as_what_is_written() -> None:
    disk = Disk()
    do(disk, Write(0, b"a" * SECTOR), Flush(), Resize(5 * SECTOR))
    assert len(state(disk, "none")) == SECTOR
    assert len(state(disk, "all")) == 5 * SECTOR
    do(disk, Flush())
    assert len(state(disk, "none")) == 5 * SECTOR
