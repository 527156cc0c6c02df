"""Keys and their files."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from terminals.errors import KeyFileError
from terminals.keys import load_key, new_key, public_bytes, save_key


def test_a_key_comes_back_from_its_file(tmp_path: Path) -> None:
    key = new_key()
    save_key(tmp_path / "key", key)
    assert public_bytes(load_key(tmp_path / "key")) == public_bytes(key)


def test_keys_differ() -> None:
    assert public_bytes(new_key()) != public_bytes(new_key())


def test_only_the_owner_may_read_a_key(tmp_path: Path) -> None:
    save_key(tmp_path / "key", new_key())
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    key = new_key()
    save_key(tmp_path / "key", key)
    with pytest.raises(FileExistsError):
        save_key(tmp_path / "key", new_key())
    assert public_bytes(load_key(tmp_path / "key")) == public_bytes(key)


@pytest.mark.parametrize("content", [b"", b"00" * 31, b"00" * 33, b"zz" * 32, b"\xff" * 64])
def test_a_file_that_holds_something_else_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(KeyFileError, match=f"{path}: expected the 32 bytes of a key in hex"):
        load_key(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="none: No such file"):
        load_key(tmp_path / "none")
