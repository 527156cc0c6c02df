"""Master keys in a file: whoever has the passphrase has them, and nobody else."""

from __future__ import annotations

import errno
import os
import random
import struct
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from ops.chip_key_stores import file_store
from ops.chip_key_stores.file_store import FILE_BYTES_MAX, add, create, open_file
from protocol.chip.errors import Malformed
from protocol.chip.keys import KeyStoreFailed, Role

PASSPHRASE = "kopi tubruk manis"
DEBIT, LOAD, OTHER = bytes(range(16)), bytes(range(16, 32)), bytes(16)
MASTERS = {(Role.LOAD, 1): LOAD, (Role.DEBIT, 1): DEBIT}


def chance() -> file_store.Chance:
    return random.Random(7).randbytes


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with two keys."""
    file = tmp_path / "chip.keys"
    create(file, PASSPHRASE, MASTERS, chance=chance())
    return file


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let guesses cost nothing, for tests that open a file often."""
    monkeypatch.setattr(file_store, "COST_LOG2", 1)


def sealed(content: object) -> bytes:
    """Return a file that holds anything, sealed as ours are."""
    head = struct.pack(">8sBBBB16s12s", b"J1CHIPKY", 1, 1, 8, 1, bytes(16), bytes(12))
    key = Scrypt(bytes(16), 32, n=2, r=8, p=1).derive(PASSPHRASE.encode())
    return head + AESGCM(key).encrypt(bytes(12), msgspec.msgpack.encode(content), head)


def test_what_was_written_is_read(path: Path) -> None:
    keys = open_file(path, PASSPHRASE)
    assert keys.listed() == [(Role.DEBIT, 1), (Role.LOAD, 1)]
    assert keys.masters() == MASTERS
    assert keys.masters([Role.LOAD, Role.SEAL]) == {(Role.LOAD, 1): LOAD}


def test_only_the_owner_may_read_it_and_no_draft_is_left(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
    assert [*path.parent.iterdir()] == [path]


def test_no_key_stands_in_it_and_none_is_shown(path: Path) -> None:
    raw = path.read_bytes()
    assert not any(key in raw for key in (DEBIT, LOAD))
    assert DEBIT.hex() not in repr(open_file(path, PASSPHRASE))


@pytest.mark.usefixtures("cheap")
def test_the_same_keys_never_make_the_same_file(tmp_path: Path) -> None:
    drawn = chance()
    files = [tmp_path / name for name in ("a", "b")]
    for file in files:
        create(file, PASSPHRASE, MASTERS, chance=drawn)
    first, second = (file.read_bytes() for file in files)
    assert first[12:40] != second[12:40]
    assert first[40:] != second[40:]


def test_keys_are_added_to_those_that_are_there(path: Path) -> None:
    add(path, PASSPHRASE, {(Role.DEBIT, 2): OTHER, (Role.DEBIT, 1): DEBIT}, chance=chance())
    assert open_file(path, PASSPHRASE).masters() == {**MASTERS, (Role.DEBIT, 2): OTHER}
    assert path.stat().st_mode & 0o777 == 0o600
    assert [*path.parent.iterdir()] == [path]


def test_no_key_is_put_in_the_place_of_another(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(KeyStoreFailed, match="has another key debit of version 1"):
        add(path, PASSPHRASE, {(Role.DEBIT, 1): OTHER}, chance=chance())
    with pytest.raises(KeyStoreFailed, match="exists already, and keys are never overwritten"):
        create(path, PASSPHRASE, MASTERS, chance=chance())
    assert path.read_bytes() == before
    assert [*path.parent.iterdir()] == [path]


def test_whoever_writes_while_another_does_is_told(path: Path) -> None:
    draft = path.with_name("chip.keys.new")
    draft.touch()
    before = path.read_bytes()
    with pytest.raises(KeyStoreFailed, match=r"chip.keys.new is there: another command"):
        add(path, PASSPHRASE, {(Role.DEBIT, 2): OTHER}, chance=chance())
    assert path.read_bytes() == before
    assert draft.exists(), "it is the other's"


def test_it_is_flushed_before_it_has_its_name_and_the_name_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []

    def fsync(descriptor: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)

    monkeypatch.setattr(os, "fsync", fsync)
    create(tmp_path / "chip.keys", PASSPHRASE, MASTERS, chance=chance())
    assert flushed[:2] == ["chip.keys.new", tmp_path.name]


def test_a_disk_that_fails_leaves_the_file_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.read_bytes()

    def fsync(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(KeyStoreFailed, match=r"chip.keys: No space left"):
        add(path, PASSPHRASE, {(Role.DEBIT, 2): OTHER}, chance=chance())
    assert path.read_bytes() == before
    assert [*path.parent.iterdir()] == [path]


def test_what_the_system_does_not_allow_is_told(tmp_path: Path) -> None:
    with pytest.raises(KeyStoreFailed, match=r"none/keys: No such file"):
        create(tmp_path / "none" / "keys", PASSPHRASE, MASTERS, chance=chance())
    with pytest.raises(KeyStoreFailed, match="Is a directory"):
        open_file(tmp_path, PASSPHRASE)


def test_a_missing_file_is_told_apart_from_a_wrong_passphrase(path: Path) -> None:
    with pytest.raises(KeyStoreFailed, match=r"other.keys: No such file"):
        open_file(path.with_name("other.keys"), PASSPHRASE)
    with pytest.raises(KeyStoreFailed, match="the passphrase is another, or the file damaged"):
        open_file(path, "kopi pahit")


def test_an_empty_passphrase_protects_nothing(path: Path) -> None:
    with pytest.raises(KeyStoreFailed, match="an empty passphrase"):
        open_file(path, "")
    with pytest.raises(KeyStoreFailed, match="an empty passphrase"):
        create(path.with_name("other"), "", MASTERS, chance=chance())
    assert [*path.parent.iterdir()] == [path]


@pytest.mark.usefixtures("cheap")
def test_no_flipped_bit_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "chip.keys"
    create(file, PASSPHRASE, MASTERS, chance=chance())
    whole = file.read_bytes()
    for place in range(len(whole)):
        for mask in (0x01, 0x80):
            wrong = bytearray(whole)
            wrong[place] ^= mask
            file.write_bytes(wrong)
            with pytest.raises(KeyStoreFailed, match=r"chip\.keys"):
                open_file(file, PASSPHRASE)


@pytest.mark.usefixtures("cheap")
def test_no_part_of_a_file_is_taken_for_one(tmp_path: Path) -> None:
    file = tmp_path / "chip.keys"
    create(file, PASSPHRASE, MASTERS, chance=chance())
    whole = file.read_bytes()
    for size in range(len(whole)):
        file.write_bytes(whole[:size])
        with pytest.raises(KeyStoreFailed):
            open_file(file, PASSPHRASE)


@pytest.mark.parametrize(
    ("offset", "value", "said"),
    [
        (0, 0, "holds no keys of chips"),
        (8, 2, "has format 2, and only 1 is known"),
        (9, 0, "it asks for scrypt of n=2\\^0"),
        (9, 19, "it asks for scrypt of n=2\\^19, r=8, p=1, beyond n=2\\^18"),
        (9, 255, "it asks for scrypt of n=2\\^255"),
        (10, 255, "r=255"),
        (11, 200, "p=200"),
    ],
)
def test_a_file_that_asks_for_an_absurd_cost_is_refused_before_it_is_paid(
    path: Path, offset: int, value: int, said: str
) -> None:
    raw = bytearray(path.read_bytes())
    raw[offset] = value
    path.write_bytes(raw)
    with pytest.raises(KeyStoreFailed, match=said):
        open_file(path, PASSPHRASE)


def test_a_file_without_end_is_not_read_to_its_end(path: Path) -> None:
    path.write_bytes(path.read_bytes().ljust(FILE_BYTES_MAX + 1, b"\0"))
    with pytest.raises(KeyStoreFailed, match="holds no keys of chips"):
        open_file(path, PASSPHRASE)


@pytest.mark.parametrize(
    "content",
    [
        None,
        [["brew", 1, DEBIT]],
        [["debit", 256, DEBIT]],
        [["debit", 1, DEBIT[1:]]],
        [["debit", 1]],
    ],
)
def test_what_another_program_sealed_is_refused(tmp_path: Path, content: object) -> None:
    file = tmp_path / "chip.keys"
    file.write_bytes(sealed(content))
    with pytest.raises(KeyStoreFailed, match="holds keys that are not known here"):
        open_file(file, PASSPHRASE)


def test_the_form_of_the_file_stays(tmp_path: Path) -> None:
    file = tmp_path / "chip.keys"
    file.write_bytes(sealed([["debit", 1, DEBIT]]))
    assert open_file(file, PASSPHRASE).masters() == {(Role.DEBIT, 1): DEBIT}


def test_wrong_sizes_are_named_and_nothing_is_written(tmp_path: Path) -> None:
    file = tmp_path / "chip.keys"
    with pytest.raises(Malformed, match="a master key has 15 bytes, not 16"):
        create(file, PASSPHRASE, {(Role.DEBIT, 1): DEBIT[1:]}, chance=chance())
    with pytest.raises(Malformed, match="the version of a key is 256"):
        create(file, PASSPHRASE, {(Role.DEBIT, 256): DEBIT}, chance=chance())
    assert not [*tmp_path.iterdir()]
