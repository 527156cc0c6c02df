"""Where a command finds the keys of cards: a file or a token, and the secret that opens it."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from ops.chip_key_stores import file_store
from ops.chip_key_stores.pkcs11_store import Pkcs11CardKeys
from ops.chip_keys import (
    PIN_VARIABLE,
    VARIABLE_OF_FILE,
    ChipKeyPlace,
    ListedCardKeys,
    chip_failures_told,
    chip_key_options,
    file_card_keys,
    opened_card_keys,
)
from protocol.chip.keys import KeyStoreFailed, Role
from tests.softhsm import PIN, PlacedToken, token_maker

PASSPHRASE = "kopi tubruk"
RAW = bytes(range(16))


@click.command()
@chip_key_options
@click.option("--more", default="none")
def told(chip_keys: ChipKeyPlace | None, more: str) -> None:
    """Say which keys are there."""
    if chip_keys is None:
        click.echo(f"no keys, {more}")
        return
    with opened_card_keys(chip_keys) as keys:
        click.echo(f"{chip_keys.name} {[(str(role), version) for role, version in keys.listed()]}")


def call(*arguments: object, typed: str = "", **env: str) -> Result:
    return CliRunner(env=env).invoke(told, [*map(str, arguments)], input=typed)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "chip.keys"
    chance = random.Random(1).randbytes
    file_store.create(path, PASSPHRASE, {(Role.DEBIT, 1): RAW}, chance=chance)
    return path


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlacedToken:
    made = token_maker(tmp_path, monkeypatch)()
    with closing(Pkcs11CardKeys.open(made.module, made.label, PIN)) as keys:
        keys.bring_in(Role.SEAL, 2, RAW)
    return made


def test_a_command_may_do_without_keys() -> None:
    done = call("--more", "else")
    assert (done.exit_code, done.stdout) == (0, "no keys, else\n")


def test_keys_are_found_in_a_file_whose_passphrase_is_in_another(
    file: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{PASSPHRASE}\nand a note\n")
    done = call("--chip-keys", file, "--chip-passphrase-file", secret)
    assert (done.exit_code, done.stdout) == (0, f"{file} [('debit', 1)]\n")


def test_the_passphrase_is_taken_from_the_environment_or_asked_for(file: Path) -> None:
    known = call("--chip-keys", file, **{VARIABLE_OF_FILE: PASSPHRASE})
    asked = call("--chip-keys", file, typed=f"{PASSPHRASE}\n")
    assert known.stdout == asked.stdout == f"{file} [('debit', 1)]\n"
    assert f"Passphrase of {file}" in asked.stderr
    assert PASSPHRASE not in asked.output, "and is not shown while it is typed"


def test_keys_are_found_in_a_token(token: PlacedToken, tmp_path: Path) -> None:
    secret = tmp_path / "pin"
    secret.write_text(PIN)
    place = ("--chip-token", token.label, "--chip-module", token.module)
    for done in (
        call(*place, "--chip-pin-file", secret),
        call(*place, **{PIN_VARIABLE: PIN}),
        call(*place, typed=f"{PIN}\n"),
    ):
        assert (done.exit_code, done.stdout) == (0, "token sam-1 [('seal', 2)]\n")


def test_what_cannot_be_opened_is_told_in_one_line(token: PlacedToken, file: Path) -> None:
    wrong = {VARIABLE_OF_FILE: "kopi pahit", PIN_VARIABLE: "9999-wrong"}
    for arguments, said in (
        (("--chip-keys", file), "the passphrase is another, or the file damaged"),
        (("--chip-keys", f"{file}.none"), "No such file"),
        (("--chip-token", token.label, "--chip-module", token.module), "the PIN is wrong"),
        (("--chip-token", "sam-9", "--chip-module", token.module), "there is no such token"),
    ):
        done = call(*arguments, **wrong)
        assert (done.exit_code, done.stdout) == (1, "")
        assert said in done.stderr
        assert not any(secret in done.output for secret in wrong.values())


def test_a_token_is_closed_whatever_becomes_of_the_body(
    token: PlacedToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PIN_VARIABLE, PIN)
    opened: list[ListedCardKeys] = []

    def fail_with_it_open() -> None:
        with opened_card_keys(ChipKeyPlace(token=token.label, module=token.module)) as keys:
            assert keys.listed() == [(Role.SEAL, 2)]
            opened.append(keys)
            raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            fail_with_it_open()
        with pytest.raises(KeyStoreFailed, match="it is closed"):
            opened.pop().listed()


def test_the_bytes_of_keys_come_from_a_file_alone(file: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(PASSPHRASE)
    keys = file_card_keys(ChipKeyPlace(file, secret))
    assert len(keys.card_key_bytes(Role.DEBIT, 1, bytes(7))) == 16
    with pytest.raises(click.UsageError, match="keys do not leave token sam: this takes a file"):
        file_card_keys(ChipKeyPlace(token="sam", module=file))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--chip-keys", "a", "--chip-token", "b", "--chip-module", "c"), "name one of them"),
        (("--chip-token", "b"), "a token has a label and a module"),
        (("--chip-module", "c"), "a token has a label and a module"),
        (("--chip-passphrase-file", "a"), "a passphrase goes with a file"),
        (("--chip-pin-file", "a"), "a PIN goes with a token"),
        (("--chip-keys", "a", "--chip-pin-file", "a"), "a PIN goes with a token"),
    ],
)
def test_half_a_place_and_two_places_are_refused(arguments: tuple[str, ...], said: str) -> None:
    done = call(*arguments)
    assert done.exit_code == 2
    assert said in done.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "its first line is to have 1 to 1024 characters"),
        (b"\nsecond", "its first line is to have"),
        (b"x" * 1025, "its first line is to have"),
        (b"\xff\xfe", "is no text"),
        (None, "No such file"),
    ],
)
def test_a_file_that_holds_no_secret_is_told(
    file: Path, tmp_path: Path, content: bytes | None, said: str
) -> None:
    secret = tmp_path / "secret"
    if content is not None:
        secret.write_bytes(content)
    done = call("--chip-keys", file, "--chip-passphrase-file", secret)
    assert done.exit_code == 1
    assert f"{secret}" in done.stderr
    assert said in done.stderr


def test_a_failure_of_a_chip_becomes_one_of_the_command() -> None:
    with pytest.raises(click.ClickException, match="it is away"), chip_failures_told():
        raise KeyStoreFailed("it is away")
