"""`chip-keys`: master keys are made once, and handed on to those who need them."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ops.chip_key_stores.file_store import FileCardKeys, open_file
from ops.chip_key_stores.pkcs11_store import Pkcs11CardKeys
from ops.chip_keys import PIN_VARIABLE, VARIABLE_OF_FILE
from ops.commands.chip_keys import chip_keys
from protocol.chip.keys import Role
from tests.softhsm import PIN, PlacedToken, token_maker

pytestmark = pytest.mark.slow

PASSPHRASE, OTHER = "kopi tubruk", "kopi susu"
ENV = {VARIABLE_OF_FILE: PASSPHRASE, PIN_VARIABLE: PIN, "COLUMNS": "200"}
UID = bytes.fromhex("04DE5F1EACC040")


def call(*arguments: object, typed: str = "", env: dict[str, str] = ENV) -> Result:
    return CliRunner(env=env).invoke(chip_keys, [*map(str, arguments)], input=typed)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with the master keys of all roles."""
    path = tmp_path / "chip.keys"
    assert call("create", path).exit_code == 0
    return path


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlacedToken:
    return token_maker(tmp_path, monkeypatch)()


@pytest.fixture
def out_secret(tmp_path: Path) -> Path:
    """A file with the passphrase of a gate."""
    path = tmp_path / "gate.secret"
    path.write_text(f"{OTHER}\n")
    return path


def keys_of(file: Path, passphrase: str = PASSPHRASE) -> FileCardKeys:
    return open_file(file, passphrase)


def places(done: Result) -> list[tuple[str, int]]:
    assert done.exit_code == 0, done.output
    return [(key["role"], key["version"]) for key in json.loads(done.stdout)["keys"]]


def test_new_keys_are_made_for_all_roles_and_never_shown(tmp_path: Path) -> None:
    path = tmp_path / "chip.keys"
    done = call("create", path, "--json")
    assert places(done) == [(str(role), 1) for role in sorted(Role)]
    masters = keys_of(path).masters()
    assert len(set(masters.values())) == len(Role)
    told = done.output + call("list", path).output
    assert not any(raw.hex() in told.lower() for raw in masters.values())


def test_a_new_passphrase_is_asked_for_twice(tmp_path: Path) -> None:
    path = tmp_path / "chip.keys"
    once = call("create", path, typed=f"{OTHER}\n{PASSPHRASE}\n", env={})
    assert once.exit_code == 1
    assert not path.exists()
    twice = call("create", path, typed=f"{OTHER}\n{OTHER}\n", env={})
    assert twice.exit_code == 0
    assert keys_of(path, OTHER).listed()
    assert OTHER not in once.output + twice.output


def test_keys_are_never_overwritten(file: Path) -> None:
    before = file.read_bytes()
    done = call("create", file)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "exists already, and keys are never overwritten" in done.stderr
    assert file.read_bytes() == before


def test_another_version_stands_beside_the_first(file: Path) -> None:
    before = keys_of(file).masters()
    assert places(call("add", file, "--key-version", 2, "--json")) == [
        (str(role), 2) for role in sorted(Role)
    ]
    after = keys_of(file).masters()
    assert len(set(after.values())) == 2 * len(Role)
    assert before.items() <= after.items()
    again = call("add", file, "--key-version", 2)
    assert again.exit_code == 1
    assert "has another key" in again.stderr
    assert keys_of(file).masters() == after


def test_the_keys_of_a_file_are_listed(file: Path) -> None:
    assert call("list", file).stdout == (
        f"{file}: there: admin 1, debit 1, load 1, proof 1, seal 1\n"
    )


def test_a_gate_gets_the_keys_of_its_work_under_its_own_passphrase(
    file: Path, tmp_path: Path, out_secret: Path
) -> None:
    out = tmp_path / "gate.keys"
    call("add", file, "--key-version", 2)
    roles = ("--role", "debit", "--role", "seal")
    done = call("export", file, out, *roles, "--out-passphrase-file", out_secret, "--json")
    assert places(done) == [("debit", 1), ("debit", 2), ("seal", 1), ("seal", 2)]
    assert keys_of(out, OTHER).masters() == keys_of(file).masters([Role.DEBIT, Role.SEAL])
    assert out.stat().st_mode & 0o777 == 0o600


def test_the_passphrase_of_the_city_is_not_taken_for_that_of_a_gate(
    file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "gate.keys"
    done = call("export", file, out, "--role", "debit", typed=f"{OTHER}\n{OTHER}\n")
    assert done.exit_code == 0
    assert f"Passphrase of {out}" in done.stderr
    assert keys_of(out, OTHER).listed() == [(Role.DEBIT, 1)]


def test_a_token_gets_keys_and_makes_those_of_cards(file: Path, token: PlacedToken) -> None:
    where = ("--token", token.label, "--module", token.module)
    roles = ("--role", "debit", "--role", "seal")
    assert places(call("bring-in", file, *where, *roles, "--json")) == [("debit", 1), ("seal", 1)]
    assert call("bring-in", file, *where, *roles).stdout == "token sam-1: brought in: nothing\n"
    assert places(call("list", *where, "--json")) == [("debit", 1), ("seal", 1)]
    with closing(Pkcs11CardKeys.open(token.module, token.label, PIN)) as keys:
        mine = keys_of(file).card_key(Role.DEBIT, 1, UID)
        assert keys.card_key(Role.DEBIT, 1, UID).cmac(b"m") == mine.cmac(b"m")


def test_a_token_gets_all_keys_if_no_role_is_named(
    file: Path, token: PlacedToken, tmp_path: Path
) -> None:
    where = ("--token", token.label, "--module", token.module)
    secret = tmp_path / "pin"
    secret.write_text(PIN)
    done = call("bring-in", file, *where, "--pin-file", secret, "--json")
    assert places(done) == [(str(role), 1) for role in sorted(Role)]


def test_keys_of_a_role_that_is_not_there_are_not_handed_on(
    file: Path, tmp_path: Path, out_secret: Path, token: PlacedToken
) -> None:
    gate = tmp_path / "gate.keys"
    call("export", file, gate, "--role", "debit", "--out-passphrase-file", out_secret)
    given = ("--passphrase-file", out_secret, "--role", "load", "--role", "debit")
    out = tmp_path / "kiosk.keys"
    for done in (
        call("export", gate, out, *given, "--out-passphrase-file", out_secret),
        call("bring-in", gate, *given, "--token", token.label, "--module", token.module),
    ):
        assert done.exit_code == 1
        assert f"{gate} has no key load" in done.stderr
    assert not out.exists()


def test_what_cannot_be_opened_is_told(file: Path, token: PlacedToken) -> None:
    wrong = {VARIABLE_OF_FILE: OTHER, PIN_VARIABLE: "9999-wrong"}
    where = ("--token", token.label, "--module", token.module)
    for arguments, env, said in (
        (("list", file), wrong, "the passphrase is another"),
        (("list", f"{file}.none"), ENV, "No such file"),
        (("list", *where), wrong, "the PIN is wrong"),
        (("add", file, "--key-version", 2), wrong, "the passphrase is another"),
        (("bring-in", file, *where), wrong | {VARIABLE_OF_FILE: PASSPHRASE}, "the PIN is wrong"),
    ):
        done = call(*arguments, env=env)
        assert (done.exit_code, done.stdout) == (1, "")
        assert said in done.stderr
        assert not any(secret in done.output for secret in wrong.values())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("list",), "name a FILE, or a token"),
        (("list", "a", "--token", "b", "--module", "c"), "name one of them"),
        (("list", "--token", "b"), "give both"),
        (("export", "a", "b"), "--role"),
        (("export", "a", "b", "--role", "all"), "--role"),
        (("create", "a", "--key-version", "256"), "--key-version"),
        (("add", "a"), "--key-version"),
        (("bring-in", "a", "--token", "b"), "--module"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: tuple[str, ...], said: str) -> None:
    done = call(*arguments)
    assert done.exit_code == 2
    assert said in done.stderr
