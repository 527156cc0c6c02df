"""A secret is made once, kept, and shown to nobody."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from storage.errors import StorageDamaged, StorageFailed
from storage.secret_file import SECRET_BYTES, kept_secret, read_secret


def fresh() -> bytes:
    return bytes(range(SECRET_BYTES))


def other() -> bytes:
    pytest.fail("there is one already")


def test_a_secret_is_made_at_first_use_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    assert kept_secret(path, fresh) == fresh()
    assert path.stat().st_mode & 0o777 == 0o600
    assert kept_secret(path, other) == fresh()
    assert [*tmp_path.iterdir()] == [path]


def test_what_an_interrupted_start_has_left_is_made_anew(tmp_path: Path) -> None:
    draft = tmp_path / "secret.new"
    draft.write_text("ab")
    draft.chmod(0o644)
    assert kept_secret(tmp_path / "secret", fresh) == fresh()
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
    assert not draft.exists()


def test_it_is_flushed_before_it_has_its_name_and_the_name_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []

    def fsync(descriptor: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)

    monkeypatch.setattr(os, "fsync", fsync)
    kept_secret(tmp_path / "secret", fresh)
    assert flushed[:2] == ["secret.new", tmp_path.name]


@pytest.mark.parametrize("text", ["", "00", "zz" * 32, "00" * 33, "\u00e9"])
def test_a_file_that_holds_something_else_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "secret"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(StorageDamaged, match=re.escape(str(path))):
        kept_secret(path, other)
    assert path.read_text(encoding="utf-8") == text


def test_what_the_system_does_not_allow_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(StorageFailed):
        kept_secret(tmp_path / "none" / "secret", fresh)
    with pytest.raises(StorageFailed):
        read_secret(tmp_path / "none")


def test_a_secret_is_read_and_nothing_is_made(tmp_path: Path) -> None:
    kept_secret(tmp_path / "secret", fresh)
    assert read_secret(tmp_path / "secret") == fresh()
    assert [*tmp_path.iterdir()] == [tmp_path / "secret"]
