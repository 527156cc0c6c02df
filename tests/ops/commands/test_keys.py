"""`keys`: a terminal is enrolled by one command and told apart from all others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ops.commands.keys import PublicKey, keys
from storage.folder import DataFolder
from terminals.keys import load_key, public_bytes

KEY = "11" * 32


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def call(data: Path, command: str, *arguments: object) -> Result:
    return CliRunner().invoke(keys, [command, *map(str, arguments), "--data", str(data)])


def listed(data: Path, *arguments: object) -> list[dict[str, object]]:
    told: list[dict[str, object]] = json.loads(call(data, "list", *arguments, "--json").stdout)[
        "keys"
    ]
    return told


def test_a_new_key_is_written_for_the_terminal_and_enrolled(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "gate.key"
    done = call(data, "enroll", "GATE-1", "--key-out", file, "--note", "depot", "--json")
    told = json.loads(done.stdout)
    assert done.exit_code == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert told["public_key"] == public_bytes(load_key(file)).hex()
    assert told["key_file"] == str(file)
    (record,) = listed(data)
    assert record.pop("enrolled_ms") == told["enrolled_ms"]
    assert record == {
        "terminal": "GATE-1",
        "public_key": told["public_key"],
        "role": "terminal",
        "revoked_ms": None,
        "note": "depot",
        "expires_ms": None,
    }


def test_a_key_made_elsewhere_is_enrolled(data: Path) -> None:
    done = call(data, "enroll", "BANK", "--public-key", KEY, "--role", "service", "--json")
    told = json.loads(done.stdout)
    assert (told["public_key"], told["role"], told["key_file"]) == (KEY, "service", None)


def test_enrolling_again_says_the_same(data: Path) -> None:
    first = call(data, "enroll", "GATE-1", "--public-key", KEY, "--json")
    again = call(data, "enroll", "GATE-1", "--public-key", KEY, "--json")
    assert json.loads(again.stdout) == json.loads(first.stdout)


def test_a_revoked_key_stays_revoked(data: Path) -> None:
    call(data, "enroll", "GATE-1", "--public-key", KEY)
    done = call(data, "revoke", "GATE-1", "--json")
    assert json.loads(done.stdout) == {"terminal": "GATE-1", "revoked": 1}
    again = call(data, "enroll", "GATE-1", "--public-key", KEY)
    assert again.exit_code == 1
    assert "was revoked: enrol a new one" in again.stderr
    assert listed(data)[0]["revoked_ms"] is not None


def test_one_key_is_revoked_alone(data: Path) -> None:
    other = "22" * 32
    for key in (KEY, other):
        call(data, "enroll", "GATE-1", "--public-key", key)
    done = call(data, "revoke", "GATE-1", "--public-key", other)
    assert done.stdout == "GATE-1: 1 revoked\n"
    assert [record["public_key"] for record in listed(data) if not record["revoked_ms"]] == [KEY]


def test_nothing_to_revoke_is_an_error(data: Path) -> None:
    call(data, "enroll", "GATE-1", "--public-key", KEY)
    done = call(data, "revoke", "GATE-2")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "GATE-2 has no such key" in done.stderr


def test_a_role_is_not_changed_in_passing(data: Path) -> None:
    call(data, "enroll", "GATE-1", "--public-key", KEY)
    done = call(data, "enroll", "GATE-1", "--public-key", KEY, "--role", "service")
    assert done.exit_code == 1
    assert "enrolled as a terminal" in done.stderr


def test_keys_are_listed_for_one_terminal(data: Path) -> None:
    for terminal in ("GATE-1", "GATE-2"):
        call(data, "enroll", terminal, "--public-key", KEY)
    call(data, "revoke", "GATE-2")
    assert [record["terminal"] for record in listed(data, "GATE-2")] == ["GATE-2"]
    nobody = call(data, "list", "NOBODY")
    assert (nobody.exit_code, nobody.stdout) == (1, "")
    assert "no key of NOBODY was ever enrolled here" in nobody.stderr
    table = call(data, "list").stdout
    assert "GATE-1" in table
    assert "GATE-2" in table


@pytest.mark.parametrize(
    "arguments",
    [
        ("GATE-1",),
        ("GATE-1", "--public-key", KEY, "--key-out", "x.key"),
        ("GATE-1", "--public-key", "11"),
        ("GATE-1", "--public-key", "no hex"),
        ("GATE-1", "--public-key", "00" * 32),
        ("two words", "--public-key", KEY),
        ("a/b", "--public-key", KEY),
        ("x" * 65, "--public-key", KEY),
    ],
)
def test_what_makes_no_sense_is_refused(data: Path, arguments: tuple[str, ...]) -> None:
    done = call(data, "enroll", *arguments)
    assert done.exit_code == 2
    assert not data.exists(), "nothing was made"


def test_a_key_file_is_never_overwritten(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "gate.key"
    file.write_text("precious")
    done = call(data, "enroll", "GATE-1", "--key-out", file)
    assert done.exit_code == 1
    assert str(file) in done.stderr
    assert file.read_text() == "precious"
    assert listed(data) == []


def test_only_enrolling_makes_a_folder(data: Path) -> None:
    for command in (("list",), ("revoke", "GATE-1")):
        done = call(data, *command)
        assert done.exit_code == 1
        assert "there is no data folder" in done.stderr
    assert not data.exists()


def test_keys_change_while_a_node_holds_the_folder(data: Path) -> None:
    with DataFolder.open(data, create=True):
        assert call(data, "enroll", "GATE-1", "--public-key", KEY).exit_code == 0


def test_a_key_that_was_read_stays_a_key() -> None:
    assert PublicKey().convert(bytes(32), None, None) == bytes(32)
