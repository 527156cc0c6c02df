"""`jakarta-one keys`: which terminals may connect."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click
from msgspec.structs import replace

from engine.keys import Role
from ops.keys.bulk import enroll_file
from ops.keys.opened import opened_keys
from ops.keys.options import Described, described_key
from ops.keys.table import as_object, show
from ops.keys.values import PUBLIC_KEY
from ops.keys.wanted import conflict
from ops.node import now_ms
from ops.output import emit, json_option
from ops.values import SPAN
from storage.key_rotation import CannotRotate, rotation
from storage.key_store import KeyRecord, KeyState

NOTHING = Described(None, None, None, None, None)

data_option = click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), required=True, help="Data folder."
)


@click.group()
def keys() -> None:
    """Enrol, rotate, list and revoke the keys of terminals; a node may be at work meanwhile."""


@keys.command()
@click.argument("terminal", required=False)
@data_option
@click.option(
    "--role",
    type=click.Choice(get_args(Role)),
    help="What it may do; docs/protocol.md has the table.  [default: terminal]",
)
@described_key
@click.option(
    "--from",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Enrol all keys of this CSV file: terminal,public_key,role,expires,note.",
)
@json_option
def enroll(
    terminal: str | None,
    data: Path,
    role: Role | None,
    file: Path | None,
    *,
    described: Described,
    as_json: bool,
) -> None:
    """Let a TERMINAL connect with a key. A node that runs knows it at once.

    With --from, many of them: the whole file, or nothing of it.

    \b
    Examples:
      jakarta-one keys enroll GATE-0142 --data /var/lib/jakarta-one --key-out gate-0142.key
      jakarta-one keys enroll --from gates.csv --data /var/lib/jakarta-one
    """
    if file is None:
        if terminal is None:
            raise click.UsageError("name a TERMINAL, or a file with --from")
        _enroll_one(terminal, data, role or "terminal", described, as_json=as_json)
        return
    if terminal or role or described != NOTHING:
        raise click.UsageError("--from goes with --data alone: the file says the rest")
    enrolled = enroll_file(file, data, now_ms())
    told = f"{enrolled.new:,} keys enrolled, {enrolled.known:,} were enrolled before"
    emit(
        {"file": str(file), "enrolled": enrolled.new, "known": enrolled.known},
        as_json=as_json,
        render=lambda console: console.print(told, highlight=False),
    )


def _enroll_one(
    terminal: str, data: Path, role: Role, described: Described, *, as_json: bool
) -> None:
    at_ms = now_ms()
    wanted, private = described.record(terminal, role, at_ms)
    with opened_keys(data, create=True, change=True) as store:
        record = store.find(terminal, wanted.public_key)
        if record is None:
            record = wanted
            described.keep(private)
            store.save([record])
    _check(record, wanted)
    emit(
        {**as_object(record, at_ms), "key_file": _named(described.key_out)},
        as_json=as_json,
        render=lambda console: show(console, [record], at_ms),
    )


@keys.command()
@click.argument("terminal")
@data_option
@described_key
@click.option(
    "--grace",
    type=SPAN,
    default="1h",
    show_default=True,
    help="How long the older keys are good beside the new one; 0s ends them now.",
)
@json_option
def rotate(terminal: str, data: Path, grace: int, *, described: Described, as_json: bool) -> None:
    """Give a TERMINAL a new key; its older ones go on for a grace, and expire.

    The new key has the role of the old ones. To do the same again changes nothing more.

    \b
    Example:
      jakarta-one keys rotate GATE-0142 --data /var/lib/jakarta-one --key-out new.key --grace 1h
    """
    at_ms = now_ms()
    wanted, private = described.record(terminal, "terminal", at_ms)
    with opened_keys(data, change=True) as store:
        found = rotation(store.records(terminal), wanted, until_ms=at_ms + grace)
        if isinstance(found, CannotRotate):
            raise click.ClickException(f"{terminal}: {found}")
        _check(found.key, replace(wanted, role=found.key.role))
        described.keep(private)
        store.save(found.changes)
    emit(
        {
            **as_object(found.key, at_ms),
            "key_file": _named(described.key_out),
            "ending": [as_object(record, at_ms) for record in found.ending],
        },
        as_json=as_json,
        render=lambda console: show(console, [found.key, *found.ending], at_ms),
    )


@keys.command(name="list")
@click.argument("terminal", required=False)
@data_option
@click.option("--expiring", type=SPAN, help="Only valid keys that expire within this time.")
@json_option
def list_keys(terminal: str | None, data: Path, expiring: int | None, *, as_json: bool) -> None:
    """List all keys, or those of one TERMINAL, and what they are good for.

    \b
    Examples:
      jakarta-one keys list --data /var/lib/jakarta-one
      jakarta-one keys list --data /var/lib/jakarta-one --expiring 30d
    """
    at_ms = now_ms()
    with opened_keys(data) as store:
        records = store.records(terminal)
    if terminal and not records:
        raise click.ClickException(f"no key of {terminal} was ever enrolled here")
    if expiring is not None:
        records = [record for record in records if _expires(record, at_ms, at_ms + expiring)]
    emit(
        {"keys": [as_object(record, at_ms) for record in records]},
        as_json=as_json,
        render=lambda console: show(console, records, at_ms),
    )


@keys.command()
@click.argument("terminal")
@data_option
@click.option(
    "--public-key", type=PUBLIC_KEY, help="Only this key; all of the terminal if not given."
)
@json_option
def revoke(terminal: str, data: Path, public_key: bytes | None, *, as_json: bool) -> None:
    """Let a TERMINAL connect no more. A node that runs ends its open sessions within a second.

    \b
    Example:
      jakarta-one keys revoke GATE-0142 --data /var/lib/jakarta-one
    """
    with opened_keys(data, change=True) as store:
        revoked = store.revoke(terminal, at_ms=now_ms(), public_key=public_key)
    if not revoked:
        raise click.ClickException(f"{terminal} has no such key that is valid")
    emit(
        {"terminal": terminal, "revoked": revoked},
        as_json=as_json,
        render=lambda console: console.print(f"{terminal}: {revoked} revoked"),
    )


def _check(known: KeyRecord, wanted: KeyRecord) -> None:
    if found := conflict(known, wanted):
        raise click.ClickException(f"this key of {known.terminal} {found.reason}")


def _named(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _expires(record: KeyRecord, now_ms: int, by_ms: int) -> bool:
    """Tell whether a valid key expires by then."""
    is_valid = record.state(now_ms) is KeyState.VALID
    return is_valid and record.expires_ms is not None and record.expires_ms <= by_ms
