"""Room is taken for good, and names are made durable."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from storage.files import sync_names, take_room


def test_room_is_taken_and_nothing_is_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"dear")
    take_room(file, 100_000)
    assert file.read_bytes() == b"dear" + bytes(99_996)
    assert file.stat().st_blocks * 512 >= 100_000


def test_holes_get_their_room(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with file.open("wb") as stream:
        stream.truncate(200_000)
    take_room(file, 200_000, held=100_000)
    assert 100_000 <= file.stat().st_blocks * 512 < 200_000
    take_room(file, 200_000)
    assert file.stat().st_blocks * 512 >= 200_000


def test_a_file_that_is_long_enough_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"dear")
    take_room(file, 3)
    assert file.read_bytes() == b"dear"


def test_a_folder_and_the_one_above_it_are_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[Path] = []

    def fsync(descriptor: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink())

    monkeypatch.setattr(os, "fsync", fsync)
    (tmp_path / "inner").mkdir()
    sync_names(tmp_path / "inner")
    assert flushed == [tmp_path / "inner", tmp_path]


def test_what_is_not_there_cannot_be_flushed(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sync_names(tmp_path / "none")
