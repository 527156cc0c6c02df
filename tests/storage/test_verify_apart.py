"""Verification in another process says what one of our own would, and survives its end."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from engine.transaction import Issue, Tap, TopUp
from storage.errors import StorageFailed, StorageMissing
from storage.verify import verify_folder
from storage.verify_apart import serve, verify_apart
from tests.storage.city import CARDS, City, write_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    city = City()
    city.run(Issue(CARDS[0], "account", "dki"), TopUp(CARDS[0], 900_000, "dki"))
    for _ in range(5):
        city.run(*[Tap(CARDS[0], 3500, "transjakarta", "in")] * 40)
    city.shard.checkpoint()
    return write_folder(city, tmp_path / "data")


def scratch(tmp_path: Path, name: str) -> Path:
    (tmp_path / name).mkdir()
    return tmp_path / name


def test_it_says_what_a_process_of_our_own_would(folder: Path, tmp_path: Path) -> None:
    told: list[int] = []
    report = verify_apart(folder, scratch(tmp_path, "one"), progress=told.append)
    assert report == verify_folder(folder, scratch(tmp_path, "two"))
    assert report.ok
    assert told == [2, 42, 82, 122, 162, 202]


def test_what_cannot_be_verified_is_refused_alike(tmp_path: Path) -> None:
    with pytest.raises(StorageMissing, match="no data folder"):
        verify_apart(tmp_path / "nothing", scratch(tmp_path, "one"))


def test_a_reader_that_is_ended_by_what_it_reads_is_a_finding(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by an altered page that leads out of the map."""
    program = tmp_path / "reader"
    program.write_text(
        """#!/bin/sh
echo '{"type":"_Read","entries":2}'
echo '{"type":"_Read","entries":42}'
kill -BUS $$
"""
    )
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    report = verify_apart(folder, tmp_path)
    assert (report.ok, report.blocks, report.entries, report.first_bad_block) == (False, 2, 42, 2)
    assert "SIGBUS" in report.problems[0]


def test_a_reader_that_fails_is_no_verdict(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "false")
    with pytest.raises(StorageFailed, match="status 1"):
        verify_apart(folder, tmp_path)


def test_a_caller_that_gives_up_leaves_no_reader(folder: Path, tmp_path: Path) -> None:
    readers: list[int] = []

    def give_up(_: int) -> None:
        (task,) = Path("/proc/self/task").glob(f"{os.getpid()}")
        readers.extend(map(int, (task / "children").read_text().split()))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify_apart(folder, scratch(tmp_path, "one"), progress=give_up)
    assert readers
    assert not Path(f"/proc/{readers[-1]}").exists()


def test_the_reader_says_how_far_it_got(folder: Path, tmp_path: Path) -> None:
    answers = io.BytesIO()
    serve(folder, scratch(tmp_path, "one"), answers)
    lines = answers.getvalue().splitlines()
    assert len(lines) == 7
    assert b'"ok":true' in lines[-1]
    refused = io.BytesIO()
    serve(tmp_path / "nothing", tmp_path, refused)
    assert b"StorageMissing" in refused.getvalue()
