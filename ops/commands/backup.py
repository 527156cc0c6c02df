"""`jakarta-one backup` and `jakarta-one restore`."""

from __future__ import annotations

from pathlib import Path

import click
from msgspec.structs import asdict
from rich.console import Console

from ops.output import emit, json_option
from storage.backup import Backup, Restoration, back_up
from storage.backup import restore as restore_folder
from storage.errors import StorageError


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@json_option
def backup(folder: Path, target: Path, *, as_json: bool) -> None:
    """Copy a data folder into an empty TARGET; a node may be at work in it.

    The copy holds every transaction that was acknowledged before the command began. It is a data
    folder itself: verify it.

    \b
    Example:
      jakarta-one backup /var/lib/jakarta-one /mnt/backup/monday
      jakarta-one verify /mnt/backup/monday
    """
    try:
        result = back_up(folder, target)
    except StorageError as error:
        raise click.ClickException(str(error)) from error
    emit(
        asdict(result),
        as_json=as_json,
        render=lambda console: _render_backup(console, result, target),
    )


@click.command()
@click.argument("backup", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--position",
    type=click.IntRange(min=0),
    help="Leave out the entries from this position on.",
)
@json_option
def restore(backup: Path, folder: Path, position: int | None, *, as_json: bool) -> None:
    """Make a data folder from a BACKUP in an empty FOLDER, to a position if asked.

    \b
    Example:
      jakarta-one restore /mnt/backup/monday /var/lib/jakarta-one --position 120000
      jakarta-one verify /var/lib/jakarta-one
    """
    try:
        result = restore_folder(backup, folder, position=position)
    except StorageError as error:
        raise click.ClickException(str(error)) from error
    emit(
        asdict(result),
        as_json=as_json,
        render=lambda console: _render_restoration(console, result, folder),
    )


def _render_backup(console: Console, result: Backup, target: Path) -> None:
    console.print(f"{result.blocks:,} blocks up to position {result.position:,} are in {target}")
    _render_views(console, result.views_position)


def _render_restoration(console: Console, result: Restoration, folder: Path) -> None:
    console.print(f"{folder} ends at position {result.position:,}, with {result.blocks:,} blocks")
    if result.shortened_block is not None:
        console.print(f"block {result.shortened_block} was cut in two and sealed anew")
    _render_views(console, result.views_position)


def _render_views(console: Console, position: int | None) -> None:
    if position is None:
        console.print("there are no views: the node builds them when it starts")
    else:
        console.print(f"the views stand at position {position:,}")
