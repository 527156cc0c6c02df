"""`jakarta-one verify`: prove that a data folder holds what was acknowledged, and nothing else."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import click
from msgspec.structs import asdict
from rich.console import Console
from rich.markup import escape

from ops.output import emit, json_option
from storage.errors import StorageError
from storage.verify import Report
from storage.verify_apart import verify_apart


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--scratch",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Where to work: twice the room of the views. The system's temporary folder if not given.",
)
@json_option
@click.pass_context
def verify(ctx: click.Context, folder: Path, scratch: Path | None, *, as_json: bool) -> None:
    """Verify a data folder or a backup: the chain of blocks, every entry, and the views.

    The journal is read from its first block and folded again; the views must be that fold. A node
    may be at work in the folder: what it has written when the command begins is verified.
    Exit status 0 says that everything is as it was written.

    \b
    Example:
      jakarta-one verify /var/lib/jakarta-one
    """
    started = time.monotonic()
    console = Console(stderr=True)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="jakarta-one-verify-", dir=scratch) as place,
            console.status("reading the journal") as status,
        ):
            report = verify_apart(
                folder,
                Path(place),
                progress=lambda entries: status.update(f"{entries:,} entries read"),
            )
    except (StorageError, OSError) as error:
        text = str(error)
        if as_json:
            emit(_unreadable(text), as_json=True, render=Console.print)
        raise click.ClickException(text) from error
    took_s = time.monotonic() - started
    emit(
        {**asdict(report), "took_s": round(took_s, 3)},
        as_json=as_json,
        render=lambda console: _render(console, report, took_s),
    )
    ctx.exit(0 if report.ok else 1)


def _unreadable(text: str) -> dict[str, object]:
    """Return the report on a folder that cannot be read at all."""
    return {
        "ok": False,
        "blocks": 0,
        "entries": 0,
        "sum_of_accounts_rp": None,
        "first_bad_block": None,
        "problems": [text],
        "problems_found": 1,
    }


def _render(console: Console, report: Report, took_s: float) -> None:
    console.print(
        f"{report.blocks:,} blocks, {report.entries:,} entries, {report.cards:,} cards, "
        f"{report.exceptions:,} exceptions: {took_s:.1f} s"
    )
    console.print(f"sum over all accounts: Rp{report.sum_of_accounts_rp:,}")
    if report.views_position is None:
        console.print("there are no views: the node builds them when it starts")
    else:
        console.print(f"the views stand at position {report.views_position:,}")
    if report.ok:
        console.print("[bold green]everything is as it was written[/]")
        return
    for problem in report.problems:
        console.print(f"[red]{escape(problem)}[/]")
    if report.problems_found > len(report.problems):
        console.print(f"... and {report.problems_found - len(report.problems):,} more")
    where = "" if report.first_bad_block is None else f", first in block {report.first_bad_block}"
    console.print(f"[bold red]{report.problems_found:,} problems{where}[/]")
