"""`jakarta-one keys`: which terminals may connect."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import click
from msgspec.structs import asdict
from rich.console import Console
from rich.table import Table

from engine.accounts import is_name
from engine.keys import KEY_BYTES, Role, is_of_small_order
from engine.limits import NAME_LENGTH_MAX
from ops.node import now_ms
from ops.output import emit, json_option
from storage.errors import StorageError
from storage.folder import DataFolder
from storage.key_store import KEYS_TABLES, KeyRecord, KeyStore
from storage.lmdb_store import LmdbStore
from terminals.keys import new_key, public_bytes, save_key

data_option = click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), required=True, help="Data folder."
)


class PublicKey(click.ParamType[bytes]):
    """An Ed25519 public key in hex."""

    name = "hex"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> bytes:
        """Read the hex."""
        if isinstance(value, bytes):
            return value
        try:
            key = bytes.fromhex(str(value))
        except ValueError:
            key = b""
        if len(key) != KEY_BYTES:
            self.fail(f"expected {KEY_BYTES} bytes in hex", param, ctx)
        return key


@click.group()
def keys() -> None:
    """Enrol, list and revoke the keys of terminals; a node may be at work meanwhile."""


@keys.command()
@click.argument("terminal")
@data_option
@click.option(
    "--role",
    type=click.Choice(get_args(Role)),
    default="terminal",
    show_default=True,
    help="What it may do; docs/protocol.md has the table.",
)
@click.option(
    "--key-out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Make a new key, write it to this new file, and enrol it.",
)
@click.option("--public-key", type=PublicKey(), help="Enrol this key, made elsewhere.")
@click.option("--note", default="", help="Who enrolled it, or why.")
@json_option
def enroll(
    terminal: str,
    data: Path,
    role: Role,
    key_out: Path | None,
    public_key: bytes | None,
    note: str,
    *,
    as_json: bool,
) -> None:
    """Let a TERMINAL connect with a key. A node that runs knows it at once.

    \b
    Example:
      jakarta-one keys enroll GATE-0142 --data /var/lib/jakarta-one --key-out gate-0142.key
    """
    if not is_name(terminal) or len(terminal) > NAME_LENGTH_MAX:
        raise click.BadParameter("a name is printable ASCII without blanks, / and *")
    if (key_out is None) == (public_key is None):
        raise click.UsageError("give either --key-out or --public-key")
    if public_key is not None and is_of_small_order(public_key):
        message = "a key of small order: anybody can prove it, without a private key"
        raise click.BadParameter(message, param_hint="--public-key")
    with _opened(data, create=True) as store:
        if public_key is None:
            assert key_out is not None
            public_key = _new_key(key_out)
        record = store.enroll(terminal, public_key, role=role, at_ms=now_ms(), note=note)
    if record.revoked_ms is not None:
        raise click.ClickException(f"this key of {terminal} was revoked: enrol a new one")
    if record.role != role:
        raise click.ClickException(f"this key of {terminal} is enrolled as a {record.role}")
    emit(
        {**_told(record), "key_file": None if key_out is None else str(key_out)},
        as_json=as_json,
        render=lambda console: _render(console, [record]),
    )


@keys.command(name="list")
@click.argument("terminal", required=False)
@data_option
@json_option
def list_keys(terminal: str | None, data: Path, *, as_json: bool) -> None:
    """List all keys, or those of one TERMINAL.

    \b
    Example:
      jakarta-one keys list --data /var/lib/jakarta-one
    """
    with _opened(data) as store:
        records = store.records(terminal)
    if terminal and not records:
        raise click.ClickException(f"no key of {terminal} was ever enrolled here")
    emit(
        {"keys": [_told(record) for record in records]},
        as_json=as_json,
        render=lambda console: _render(console, records),
    )


@keys.command()
@click.argument("terminal")
@data_option
@click.option(
    "--public-key", type=PublicKey(), help="Only this key; all of the terminal if not given."
)
@json_option
def revoke(terminal: str, data: Path, public_key: bytes | None, *, as_json: bool) -> None:
    """Let a TERMINAL connect no more. A node that runs closes its open connections in seconds.

    \b
    Example:
      jakarta-one keys revoke GATE-0142 --data /var/lib/jakarta-one
    """
    with _opened(data) as store:
        revoked = store.revoke(terminal, at_ms=now_ms(), public_key=public_key)
    if not revoked:
        raise click.ClickException(f"{terminal} has no such key that is valid")
    emit(
        {"terminal": terminal, "revoked": revoked},
        as_json=as_json,
        render=lambda console: console.print(f"{terminal}: {revoked} revoked"),
    )


@contextmanager
def _opened(data: Path, *, create: bool = False) -> Iterator[KeyStore]:
    try:
        with (
            DataFolder.open(data, create=create, exclusive=False) as folder,
            closing(LmdbStore(folder.keys, tables=KEYS_TABLES)) as store,
        ):
            yield KeyStore(store)
    except StorageError as error:
        raise click.ClickException(str(error)) from error


def _new_key(path: Path) -> bytes:
    key = new_key()
    try:
        save_key(path, key)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from error
    return public_bytes(key)


def _told(record: KeyRecord) -> dict[str, object]:
    return {**asdict(record), "public_key": record.public_key.hex()}


def _render(console: Console, records: list[KeyRecord]) -> None:
    table = Table("terminal", "role", "public key", "enrolled", "revoked", "note")
    for record in records:
        table.add_row(
            record.terminal,
            record.role,
            record.public_key.hex(),
            _day(record.enrolled_ms),
            _day(record.revoked_ms) if record.revoked_ms is not None else "",
            record.note,
        )
    console.print(table)


def _day(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
