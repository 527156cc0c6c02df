"""Where a command finds the keys of cards: a file under a passphrase, or a token of PKCS#11."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import click

from ops.chip_key_stores.file_store import FileCardKeys, open_file
from ops.options import bundled
from protocol.chip.errors import ChipError
from protocol.chip.keys import CardKeys, Role

VARIABLE_OF_FILE: Final = "JAKARTA_ONE_CHIP_PASSPHRASE"
PIN_VARIABLE: Final = "JAKARTA_ONE_CHIP_PIN"
SECRET_CHARACTERS_MAX: Final = 1024


class ListedCardKeys(CardKeys, Protocol):
    """A store that tells which master keys it has."""

    def listed(self) -> list[tuple[Role, int]]:
        """Return roles and versions."""
        ...


class ChipKeyPlace(NamedTuple):
    """Where keys lie: either `file` is given, or `token` and `module`.

    Attributes:
      file: of master keys.
      passphrase_file: holds the passphrase; without it, it is looked for elsewhere.
      token: the label of a token.
      module: the library that speaks with it.
      pin_file: holds its PIN; without it, it is looked for elsewhere.
    """

    file: Path | None = None
    passphrase_file: Path | None = None
    token: str | None = None
    module: Path | None = None
    pin_file: Path | None = None

    @property
    def name(self) -> str:
        """Names the place for a person."""
        return f"token {self.token}" if self.file is None else str(self.file)


def chip_key_place(
    chip_keys: Path | None,
    chip_passphrase_file: Path | None,
    chip_token: str | None,
    chip_module: Path | None,
    chip_pin_file: Path | None,
) -> ChipKeyPlace | None:
    """Return the place that options name, or None where they name none.

    Raises:
      click.UsageError: they name half a place, or two.
    """
    if chip_keys is not None and chip_token is not None:
        raise click.UsageError("keys of chips are in a file or in a token: name one of them")
    if (chip_token is None) != (chip_module is None):
        raise click.UsageError("a token has a label and a module: give both")
    if chip_keys is None and chip_passphrase_file is not None:
        raise click.UsageError("a passphrase goes with a file of chip keys")
    if chip_token is None and chip_pin_file is not None:
        raise click.UsageError("a PIN goes with a token")
    if chip_keys is None and chip_token is None:
        return None
    return ChipKeyPlace(chip_keys, chip_passphrase_file, chip_token, chip_module, chip_pin_file)


_FILE: Final = click.Path(path_type=Path, dir_okay=False)

chip_key_options = bundled(
    "chip_keys",
    chip_key_place,
    click.option("--chip-keys", type=_FILE, help="File of the keys of chips."),
    click.option(
        "--chip-passphrase-file",
        type=_FILE,
        help=f"Holds its passphrase.  [else: {VARIABLE_OF_FILE}, or a prompt]",
    ),
    click.option("--chip-token", help="Label of the token (SAM, HSM) that has the keys of chips."),
    click.option("--chip-module", type=_FILE, help="Library of PKCS#11 for this token."),
    click.option(
        "--chip-pin-file",
        type=_FILE,
        help=f"Holds its PIN.  [else: {PIN_VARIABLE}, or a prompt]",
    ),
)
"""Adds `--chip-keys`, `--chip-token` and theirs to a command; it gets them as one: `chip_keys`,
a `ChipKeyPlace`, or None where none of them was given."""


@contextmanager
def opened_card_keys(place: ChipKeyPlace) -> Iterator[ListedCardKeys]:
    """Open a store of chip keys, and close it behind the body.

    What goes wrong in the body is the body's: a `ChipError` is told by `chip_failures_told`.

    Raises:
      click.ClickException: it cannot be opened; it says why.
    """
    if place.file is not None:
        yield file_card_keys(place)
        return
    assert place.token is not None
    assert place.module is not None
    # Its library takes as long to import as all else here: who has no token does without.
    from ops.chip_key_stores.pkcs11_store import Pkcs11CardKeys  # noqa: PLC0415

    pin = secret(f"PIN of {place.name}", place.pin_file, PIN_VARIABLE)
    with chip_failures_told():
        keys = Pkcs11CardKeys.open(place.module, place.token, pin)
    try:
        yield keys
    finally:
        with chip_failures_told():
            keys.close()


def file_card_keys(place: ChipKeyPlace) -> FileCardKeys:
    """Return the keys of a file, which gives their bytes too: whoever writes cards needs them.

    Raises:
      click.UsageError: the place is a token, from which no bytes come.
      click.ClickException: the file cannot be opened; it says why.
    """
    if place.file is None:
        raise click.UsageError(f"keys do not leave {place.name}: this takes a file of chip keys")
    passphrase = passphrase_of(place.file, place.passphrase_file)
    with chip_failures_told():
        return open_file(place.file, passphrase)


def passphrase_of(file: Path, passphrase_file: Path | None, *, is_new: bool = False) -> str:
    """Return the passphrase of a file of chip keys; a new one is asked for twice."""
    return secret(f"Passphrase of {file}", passphrase_file, VARIABLE_OF_FILE, is_new=is_new)


def secret(what: str, file: Path | None, variable: str | None, *, is_new: bool = False) -> str:
    """Return a secret: out of its file, else out of the environment, else by a prompt.

    Args:
      what: it is, for whoever is asked.
      file: its first line is the secret.
      variable: of the environment; None where it has none.
      is_new: it is asked for twice.

    Raises:
      click.ClickException: the file cannot be read, or holds none.
    """
    if file is not None:
        return _first_line(file)
    if variable is not None and (known := os.environ.get(variable)):
        return known
    asked: str = click.prompt(what, hide_input=True, confirmation_prompt=is_new, err=True)
    return asked


@contextmanager
def chip_failures_told() -> Iterator[None]:
    """Tell a person what goes wrong with a chip or its keys, in one line."""
    try:
        yield
    except ChipError as error:
        raise click.ClickException(str(error)) from error


def _first_line(file: Path) -> str:
    try:
        with file.open(encoding="utf-8") as lines:
            line = lines.readline(SECRET_CHARACTERS_MAX + 1).rstrip("\r\n")
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{file} is no text") from error
    if not 1 <= len(line) <= SECRET_CHARACTERS_MAX:
        raise click.ClickException(
            f"{file}: its first line is to have 1 to {SECRET_CHARACTERS_MAX} characters"
        )
    return line
