"""A position is replaced whole, and is on disk when it was saved."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ops.feed.position_file import NoPosition, PositionFile


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "state"
    kept = PositionFile(path)
    assert kept.load() is None
    for position in (0, 5, 2**53):
        kept.save(position)
        assert PositionFile(path).load() == position
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("text", ["", "x", "-1", "1 2", "\u0663", "1.5"])
def test_a_file_that_holds_something_else_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(NoPosition, match="holds no position"):
        PositionFile(path).load()


def test_the_same_position_is_not_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []

    def fsync(descriptor: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)

    monkeypatch.setattr(os, "fsync", fsync)
    kept = PositionFile(tmp_path / "state")
    kept.save(7)
    assert flushed[:2] == ["state.new", tmp_path.name]
    count = len(flushed)
    kept.save(7)
    again = PositionFile(tmp_path / "state")
    again.load()
    again.save(7)
    assert len(flushed) == count
