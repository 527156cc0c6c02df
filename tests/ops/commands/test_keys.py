"""`keys`: a terminal is enrolled by one command and told apart from all others."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from engine.keys import Role
from ops.commands.keys import keys
from ops.keys import opened
from ops.values import moment_ms
from storage.folder import DataFolder
from storage.key_store import KEYS_TABLES, KeyRecord, KeyStore
from storage.lmdb_store import LmdbStore
from terminals.keys import load_key, public_bytes

KEY, OTHER = "11" * 32, "22" * 32
DAY_MS = 24 * 3_600_000


def key_record(
    public_key: str,
    *,
    terminal: str = "GATE-1",
    role: Role = "terminal",
    revoked_ms: int | None = None,
    expires_ms: int | None = None,
) -> KeyRecord:
    """Return a key that was enrolled long ago."""
    key = bytes.fromhex(public_key)
    return KeyRecord(terminal, key, role, 5, revoked_ms, "", expires_ms)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def call(data: Path, command: str, *arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(
        keys, [command, *map(str, arguments), "--data", str(data)]
    )


def enrolled(data: Path, *records: KeyRecord) -> None:
    """Write records as they are."""
    with (
        DataFolder.open(data, create=True) as folder,
        closing(LmdbStore(folder.keys, tables=KEYS_TABLES)) as store,
    ):
        KeyStore(store).save(records)


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
        "state": "valid",
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
        (),
        ("GATE-1", "--public-key", KEY, "--expires-in", "1h", "--expires-at", "2099-01-01"),
        ("GATE-1", "--public-key", KEY, "--expires-in", "0s"),
        ("GATE-1", "--public-key", KEY, "--expires-in", "soon"),
        ("GATE-1", "--public-key", KEY, "--expires-at", "2020-01-01"),
        ("GATE-1", "--public-key", KEY, "--expires-at", "soon"),
        ("GATE-1", "--public-key", KEY, "--role", "admin"),
        ("GATE-1", "--from", "keys.csv"),
        ("--from", "keys.csv", "--role", "service"),
        ("--from", "keys.csv", "--note", "depot"),
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
    for command in (
        ("list",),
        ("revoke", "GATE-1"),
        ("rotate", "GATE-1", "--public-key", KEY),
    ):
        done = call(data, *command)
        assert done.exit_code == 1
        assert "there is no data folder" in done.stderr
    assert not data.exists()


def test_keys_change_while_a_node_holds_the_folder(data: Path) -> None:
    with DataFolder.open(data, create=True):
        assert call(data, "enroll", "GATE-1", "--public-key", KEY).exit_code == 0


def test_two_commands_do_not_change_the_keys_at_the_same_time(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call(data, "enroll", "GATE-1", "--public-key", KEY)
    monkeypatch.setattr(opened, "HELD_S_MAX", 0.1)
    with DataFolder.open(data, exclusive=False) as folder:
        folder.hold_keys()
        for command in ("revoke", "rotate", "enroll"):
            options = [] if command == "revoke" else ["--public-key", OTHER]
            done = call(data, command, "GATE-1", *options)
            assert (done.exit_code, done.stdout) == (1, "")
            assert "another command is changing the keys" in done.stderr
        assert [record["state"] for record in listed(data)] == ["valid"]
    assert call(data, "revoke", "GATE-1").exit_code == 0


# --- expiry -----------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["--expires-in", "--expires-at"])
def test_a_key_expires_after_a_time_or_at_a_date(data: Path, option: str) -> None:
    given = "365d" if option == "--expires-in" else "2099-01-31"
    done = call(data, "enroll", "GATE-1", "--public-key", KEY, option, given, "--json")
    told = json.loads(done.stdout)
    if option == "--expires-in":
        assert told["expires_ms"] == told["enrolled_ms"] + 365 * DAY_MS
    else:
        assert told["expires_ms"] == moment_ms("2099-01-31")
    assert told["state"] == "valid"
    assert "valid, expires in" in call(data, "list").stdout


def test_an_expired_key_is_listed_as_such_and_stays_expired(data: Path) -> None:
    enrolled(data, KeyRecord("GATE-1", bytes.fromhex(KEY), "terminal", 5, expires_ms=9))
    assert listed(data)[0]["state"] == "expired"
    assert "expired 1970-01-01 07:00" in call(data, "list").stdout
    again = call(data, "enroll", "GATE-1", "--public-key", KEY, "--expires-in", "1h")
    assert again.exit_code == 1
    assert "has expired: enrol a new one" in again.stderr


def test_an_end_that_is_not_the_one_wanted_is_told(data: Path) -> None:
    call(data, "enroll", "GATE-1", "--public-key", KEY)
    done = call(data, "enroll", "GATE-1", "--public-key", KEY, "--expires-in", "1h")
    assert done.exit_code == 1
    assert "this key of GATE-1 is enrolled and never expires" in done.stderr


def test_keys_that_expire_soon_are_listed_alone(data: Path) -> None:
    for terminal, life in (("GATE-1", "20d"), ("GATE-2", "40d"), ("GATE-3", "20d")):
        call(data, "enroll", terminal, "--public-key", KEY, "--expires-in", life)
    call(data, "enroll", "GATE-4", "--public-key", KEY)
    call(data, "revoke", "GATE-3")
    assert [record["terminal"] for record in listed(data, "--expiring", "30d")] == ["GATE-1"]


# --- rotation ---------------------------------------------------------------------------------


def test_a_new_key_takes_over_and_the_old_one_ends_after_the_grace(
    data: Path, tmp_path: Path
) -> None:
    call(data, "enroll", "BANK", "--public-key", KEY, "--role", "service")
    file = tmp_path / "new.key"
    done = call(data, "rotate", "BANK", "--key-out", file, "--grace", "30m", "--json")
    told = json.loads(done.stdout)
    assert told["public_key"] == public_bytes(load_key(file)).hex()
    assert (told["role"], told["key_file"], told["expires_ms"]) == ("service", str(file), None)
    (ending,) = told["ending"]
    assert (ending["public_key"], ending["state"]) == (KEY, "valid")
    assert ending["expires_ms"] == told["enrolled_ms"] + 30 * 60_000
    table = call(data, "list", "BANK").stdout
    assert "valid, expires in" in table
    assert {record["state"] for record in listed(data)} == {"valid"}


def test_to_rotate_again_changes_nothing_more(data: Path) -> None:
    call(data, "enroll", "GATE-1", "--public-key", KEY)
    first = call(data, "rotate", "GATE-1", "--public-key", OTHER, "--json")
    before = listed(data)
    again = call(data, "rotate", "GATE-1", "--public-key", OTHER, "--json")
    assert json.loads(again.stdout) == json.loads(first.stdout)
    assert listed(data) == before
    at_once = call(data, "rotate", "GATE-1", "--public-key", OTHER, "--grace", "0s")
    assert at_once.exit_code == 0
    assert {record["public_key"]: record["state"] for record in listed(data)} == {
        KEY: "expired",
        OTHER: "valid",
    }


@pytest.mark.parametrize(
    ("records", "options", "why"),
    [
        ((), (), "GATE-1: it has no valid key that could hand over: enrol one"),
        ((key_record(KEY, role="observer"), key_record("33" * 32)), (), "several roles"),
        ((key_record(KEY), key_record(OTHER, revoked_ms=5)), (), "was revoked or has expired"),
        ((key_record(KEY, expires_ms=2**42),), (), "say when the new one is to"),
        (
            (key_record(KEY), key_record(OTHER)),
            ("--expires-in", "1h"),
            "this key of GATE-1 is enrolled and never expires",
        ),
    ],
)
def test_what_cannot_be_rotated_is_explained_and_changes_nothing(
    data: Path, records: tuple[KeyRecord, ...], options: tuple[str, ...], why: str
) -> None:
    enrolled(data, *records)
    before = listed(data)
    done = call(data, "rotate", "GATE-1", "--public-key", OTHER, *options)
    assert (done.exit_code, done.stdout) == (1, "")
    assert why in done.stderr
    assert listed(data) == before


def test_a_key_file_that_exists_stops_a_rotation(data: Path, tmp_path: Path) -> None:
    call(data, "enroll", "GATE-1", "--public-key", KEY)
    before = listed(data)
    (tmp_path / "gate.key").write_text("precious")
    done = call(data, "rotate", "GATE-1", "--key-out", tmp_path / "gate.key")
    assert (done.exit_code, (tmp_path / "gate.key").read_text()) == (1, "precious")
    assert listed(data) == before


def test_no_key_file_is_left_where_nothing_could_be_rotated(data: Path, tmp_path: Path) -> None:
    enrolled(data)
    assert call(data, "rotate", "GATE-1", "--key-out", tmp_path / "gate.key").exit_code == 1
    assert not (tmp_path / "gate.key").exists()


# --- files ------------------------------------------------------------------------------------


def test_a_file_of_keys_is_enrolled_and_again_without_change(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "city.csv"
    rows = (f"GATE-{n},{n:060x}1111,terminal,2099-01-31,depot" for n in range(2, 302))
    file.write_text("terminal,public_key,role,expires,note\n" + "\n".join(rows))
    done = call(data, "enroll", "--from", file, "--json")
    assert json.loads(done.stdout) == {"file": str(file), "enrolled": 300, "known": 0}
    assert len(listed(data)) == 300
    again = call(data, "enroll", "--from", file)
    assert again.stdout == "0 keys enrolled, 300 were enrolled before\n"


def test_a_file_with_one_fault_enrols_nothing(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "city.csv"
    file.write_text(f"terminal,public_key\nGATE-1,{KEY}\nGATE-2,xx\n")
    done = call(data, "enroll", "--from", file)
    assert done.exit_code == 1
    assert f"nothing of {file} was enrolled" in done.stderr
    assert "line 3, column public_key: expected 32 bytes in hex" in done.stderr
    assert not data.exists()


def test_a_file_that_wants_what_is_enrolled_otherwise_enrols_nothing(
    data: Path, tmp_path: Path
) -> None:
    rows = [f"GATE-{number},{KEY},service" for number in range(1, 31)]
    file = tmp_path / "city.csv"
    file.write_text("\n".join(["terminal,public_key,role", "NEW," + KEY + ",service", *rows]))
    for number in range(1, 31):
        enrolled(data, key_record(KEY, terminal=f"GATE-{number}"))
    done = call(data, "enroll", "--from", file)
    assert done.exit_code == 1
    assert "line 3, column role: this key of GATE-1 is enrolled as a terminal" in done.stderr
    assert "and 10 more" in done.stderr
    assert "NEW" not in call(data, "list").stdout


def test_a_file_that_is_not_there_is_told(data: Path, tmp_path: Path) -> None:
    done = call(data, "enroll", "--from", tmp_path / "nothing.csv")
    assert done.exit_code == 1
    assert "nothing.csv: No such file" in done.stderr
