"""`jakarta-one export`: what happened, as open data."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click
import trio
from rich.console import Console

from ops.feed.run import Source, until_told
from ops.output import emit, json_option
from ops.remote import Remote, remote_options
from ops.tides.folder import FolderDamaged, opened
from ops.tides.run import Export
from terminals.errors import TerminalError


@click.group()
def export() -> None:
    """Write what happened to files of an open form, and go on where the last run ended."""


@export.command()
@remote_options
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder of the files; made if there is none.",
)
@click.option(
    "--from",
    "start",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Position where the first file begins; of no account once there are files.",
)
@click.option(
    "--follow/--no-follow",
    default=False,
    show_default=True,
    help="Go on as the journal grows, or stop where it ends now.",
)
@click.option(
    "--rows",
    type=click.IntRange(1, 10_000_000),
    default=200_000,
    show_default=True,
    help="Rows of a file, about.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    default=300,
    show_default=True,
    help="With --follow: how long rows may wait for their file.",
)
@json_option
def tides(
    remote: Remote,
    out: Path,
    start: int,
    *,
    follow: bool,
    rows: int,
    seconds: float,
    as_json: bool,
) -> None:
    """Write fare transactions as Parquet files, with the columns of TIDES v1.0.

    Each line on an account of an operator is a row, so the amounts of an operator add up to its
    account. The role of the key decides whether cards are shown or pseudonyms. A file is named by
    the range of the journal that it covers and appears when it is whole; the next run goes on
    behind the last file.

    \b
    Example:
      jakarta-one export tides --url URL --key reports.key --name REPORTS --out FARES
    """
    try:
        source = Source.at(remote)
        with opened(out, start) as folder:
            began = folder.next, folder.files
            say = partial(click.echo, err=True)
            run = Export(source, folder, rows_max=rows, age_s_max=seconds, say=say)
            trio.run(until_told, partial(run.run, for_ever=follow))
            told: dict[str, object] = {
                "from": began[0],
                "next": folder.next,
                "files": folder.files - began[1],
                "rows": run.rows,
            }
    except (TerminalError, FolderDamaged) as error:
        raise click.ClickException(str(error)) from error
    emit(told, as_json=as_json, render=partial(_render, out=out, told=told))


def _render(console: Console, out: Path, told: dict[str, object]) -> None:
    console.print(
        f"{told['rows']:,} rows in {told['files']:,} files, up to position {told['next']:,}, "
        f"are new in {out}"
    )
