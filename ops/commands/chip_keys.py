"""`jakarta-one chip-keys`: the master keys of cards, and who gets which of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import click

from ops.chip_key_stores import file_store
from ops.chip_key_stores.pkcs11_store import Pkcs11CardKeys
from ops.chip_keys import (
    PIN_VARIABLE,
    VARIABLE_OF_FILE,
    ChipKeyPlace,
    chip_failures_told,
    chip_key_place,
    file_card_keys,
    opened_card_keys,
    passphrase_of,
    secret,
)
from ops.output import emit, json_option
from protocol.chip.aes import KEY_BYTES
from protocol.chip.keys import KEY_VERSION_MAX, Role

_FILE: Final = click.Path(path_type=Path, dir_okay=False)

passphrase_option = click.option(
    "--passphrase-file",
    type=_FILE,
    help=f"Holds the passphrase of FILE.  [else: {VARIABLE_OF_FILE}, or a prompt]",
)
pin_option = click.option(
    "--pin-file",
    type=_FILE,
    help=f"Holds the PIN of the token.  [else: {PIN_VARIABLE}, or a prompt]",
)
version_option = click.option(
    "--key-version",
    type=click.IntRange(0, KEY_VERSION_MAX),
    default=1,
    show_default=True,
    help="Version of the new keys; a card says which version its keys have.",
)


def _role_option(text: str, *, required: bool = False) -> Callable[..., Callable[..., None]]:
    kinds = click.Choice([role.value for role in Role])
    return click.option("--role", "roles", type=kinds, multiple=True, required=required, help=text)


@click.group(name="chip-keys")
def chip_keys() -> None:
    """Make, list and hand on the master keys of cards.

    Every card has keys of its own, made of these and its number. Keep the file off the machines
    that work with cards: they get only the keys that their work needs.
    """


@chip_keys.command()
@click.argument("file", type=_FILE)
@version_option
@passphrase_option
@json_option
def create(file: Path, key_version: int, passphrase_file: Path | None, *, as_json: bool) -> None:
    """Make new master keys for all roles, in a new FILE under a passphrase.

    \b
    Example:
      jakarta-one chip-keys create /media/safe/chip.keys
    """
    masters = _fresh(key_version)
    passphrase = passphrase_of(file, passphrase_file, is_new=True)
    with chip_failures_told():
        file_store.create(file, passphrase, masters, chance=os.urandom)
    _tell("written", str(file), sorted(masters), as_json=as_json)


@chip_keys.command()
@click.argument("file", type=_FILE)
@click.option(
    "--key-version",
    type=click.IntRange(0, KEY_VERSION_MAX),
    required=True,
    help="Version of the new keys, which FILE does not have yet.",
)
@passphrase_option
@json_option
def add(file: Path, key_version: int, passphrase_file: Path | None, *, as_json: bool) -> None:
    """Make new master keys of another version, for all roles, in a FILE that there is.

    The old ones stay, as cards with their keys do.

    \b
    Example:
      jakarta-one chip-keys add /media/safe/chip.keys --key-version 2
    """
    masters = _fresh(key_version)
    passphrase = passphrase_of(file, passphrase_file)
    with chip_failures_told():
        file_store.add(file, passphrase, masters, chance=os.urandom)
    _tell("added", str(file), sorted(masters), as_json=as_json)


@chip_keys.command(name="list")
@click.argument("file", type=_FILE, required=False)
@click.option("--token", help="Label of a token, instead of FILE.")
@click.option("--module", type=_FILE, help="Library of PKCS#11 for this token.")
@passphrase_option
@pin_option
@json_option
def list_keys(
    file: Path | None,
    token: str | None,
    module: Path | None,
    passphrase_file: Path | None,
    pin_file: Path | None,
    *,
    as_json: bool,
) -> None:
    """List which master keys are in a FILE or a token; no key is shown.

    \b
    Examples:
      jakarta-one chip-keys list gate.keys
      jakarta-one chip-keys list --token gate --module /usr/lib/softhsm/libsofthsm2.so
    """
    place = chip_key_place(file, passphrase_file, token, module, pin_file)
    if place is None:
        raise click.UsageError("name a FILE, or a token with --token and --module")
    with opened_card_keys(place) as keys, chip_failures_told():
        found = keys.listed()
    _tell("there", place.name, found, as_json=as_json)


@chip_keys.command()
@click.argument("file", type=_FILE)
@click.argument("out", type=_FILE)
@_role_option("Roles whose keys OUT gets; give it again for each.", required=True)
@passphrase_option
@click.option(
    "--out-passphrase-file", type=_FILE, help="Holds the passphrase of OUT.  [else: a prompt]"
)
@json_option
def export(
    file: Path,
    out: Path,
    roles: Sequence[str],
    passphrase_file: Path | None,
    out_passphrase_file: Path | None,
    *,
    as_json: bool,
) -> None:
    """Write the keys of some roles, in all versions, from FILE to a new file OUT.

    OUT has a passphrase of its own: a machine gets no more than its work needs, and its passphrase
    opens no more than that.

    \b
    Example, for a gate:
      jakarta-one chip-keys export chip.keys gate.keys --role debit --role seal
    """
    masters = _chosen(file, passphrase_file, roles)
    passphrase = secret(f"Passphrase of {out}", out_passphrase_file, None, is_new=True)
    with chip_failures_told():
        file_store.create(out, passphrase, masters, chance=os.urandom)
    _tell("written", str(out), sorted(masters), as_json=as_json)


@chip_keys.command(name="bring-in")
@click.argument("file", type=_FILE)
@click.option("--token", required=True, help="Label of the token.")
@click.option("--module", type=_FILE, required=True, help="Library of PKCS#11 for this token.")
@_role_option("Roles whose keys the token gets; give it again for each.  [default: all]")
@passphrase_option
@pin_option
@json_option
def bring_in(
    file: Path,
    token: str,
    module: Path,
    roles: Sequence[str],
    passphrase_file: Path | None,
    pin_file: Path | None,
    *,
    as_json: bool,
) -> None:
    """Bring the keys of FILE into a token (SAM, HSM), which never gives them away again.

    To do so again changes nothing: a key that the token has already is left as it is.

    \b
    Example, for a gate:
      jakarta-one chip-keys bring-in chip.keys --role debit --role seal \\
        --token gate --module /usr/lib/softhsm/libsofthsm2.so
    """
    masters = _chosen(file, passphrase_file, roles)
    place = ChipKeyPlace(token=token, module=module, pin_file=pin_file)
    with opened_card_keys(place) as keys, chip_failures_told():
        assert isinstance(keys, Pkcs11CardKeys)
        new = [where for where, raw in masters.items() if keys.bring_in(*where, raw)]
    _tell("brought in", place.name, new, as_json=as_json)


def _fresh(version: int) -> dict[tuple[Role, int], bytes]:
    return {(role, version): os.urandom(KEY_BYTES) for role in Role}


def _chosen(
    file: Path, passphrase_file: Path | None, roles: Sequence[str]
) -> dict[tuple[Role, int], bytes]:
    """Return the keys of some roles, each of which is there, or of all that are."""
    wanted = [Role(role) for role in roles] or list(Role)
    masters = file_card_keys(ChipKeyPlace(file, passphrase_file)).masters(wanted)
    absent = set(wanted) - {role for role, _ in masters} if roles or not masters else set()
    if absent:
        raise click.ClickException(f"{file} has no key {' or '.join(sorted(absent))}")
    return masters


def _tell(done: str, place: str, keys: Sequence[tuple[Role, int]], *, as_json: bool) -> None:
    named = [f"{role} {version}" for role, version in keys]
    text = f"{place}: {done}: {', '.join(named) or 'nothing'}"
    emit(
        {"place": place, "keys": [{"role": role, "version": version} for role, version in keys]},
        as_json=as_json,
        render=lambda console: console.print(text, highlight=False, markup=False),
    )
