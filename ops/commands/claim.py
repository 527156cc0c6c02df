"""`jakarta-one claim`: what the fund of a programme has paid, to whom, and for how many rides."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from engine.calendar import date_of_day
from ops.claim.sums import PARTS, Claim, read_claim
from ops.output import emit, json_option
from ops.past.journal import Period, journal_option, past_of, period_options
from ops.values import Written, printable
from storage.errors import StorageError

_RIDES: Final = "rides"
_AMOUNT: Final = "amount_rp"


def _parts(text: str) -> tuple[str, ...]:
    """Read what a claim is to be told by.

    Raises:
      ValueError: one of them is none, or stands there twice.
    """
    parts = tuple(part.strip() for part in text.split(","))
    if not set(parts) <= set(PARTS) or len(set(parts)) < len(parts):
        raise ValueError(f"{text!r} is no list of some of {','.join(PARTS)}")
    return parts


@click.command()
@click.argument("programme")
@journal_option
@period_options
@click.option(
    "--by",
    type=Written("parts", _parts),
    default="operator,service,group",
    show_default=True,
    help=f"What to tell it by: some of {','.join(PARTS)}.",
)
@click.option(
    "--csv",
    "csv_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the rows to this file too.",
)
@json_option
def claim(
    programme: str,
    folder: Path,
    period: Period,
    by: Sequence[str],
    csv_file: Path | None,
    *,
    as_json: bool,
) -> None:
    """Sum up what the fund of PROGRAMME has paid by what was decided in a period.

    Rides, subsidies, reversals and others are told apart; what came back has a minus. The total is
    what the balance of the fund changed by. Nothing in the folder is changed.

    \b
    Example:
      jakarta-one claim free_ride --journal DIR --from 2026-07-01 --to 2026-09-30 --csv CLAIM.csv
    """
    console = Console(stderr=True)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="jakarta-one-claim-") as scratch,
            past_of(folder, with_views=True) as past,
            console.status("reading the journal") as status,
        ):
            told = read_claim(
                past,
                period,
                programme,
                by,
                Path(scratch),
                progress=lambda entries: status.update(f"{entries:,} entries read"),
            )
        if csv_file is not None:
            _write(told, csv_file)
    except (StorageError, OSError) as error:
        raise click.ClickException(str(error)) from error
    emit(_as_json(told), as_json=as_json, render=partial(_render, told=told))


def _headings(told: Claim) -> list[str]:
    return ["kind", *told.by, _RIDES, _AMOUNT]


def _rows(told: Claim) -> Iterator[list[str | int]]:
    for key, found in told.sums.items():
        yield [*map(printable, key), found.rides, found.amount_rp]


def _as_json(told: Claim) -> dict[str, object]:
    first, last = told.period
    return {
        "programme": told.programme,
        "from": None if first is None else date_of_day(first).isoformat(),
        "to": None if last is None else date_of_day(last).isoformat(),
        "by": list(told.by),
        _RIDES: told.total.rides,
        _AMOUNT: told.total.amount_rp,
        "rows": [dict(zip(_headings(told), row, strict=True)) for row in _rows(told)],
    }


def _write(told: Claim, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_headings(told))
        writer.writerows(_rows(told))


def _render(console: Console, told: Claim) -> None:
    if not told.sums:
        name = printable(told.programme)
        text = f"the fund of {name} has paid nothing {told.period}"
        console.print(text, highlight=False, markup=False, soft_wrap=True)
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("kind", *told.by):
        table.add_column(heading, overflow="fold")
    for heading in (_RIDES, "rupiah"):
        table.add_column(heading, justify="right", no_wrap=True)
    for *names, rides, amount_rp in _rows(told):
        cells = [escape(str(name)) for name in names]
        table.add_row(*cells, f"{rides:,}", f"{amount_rp:,}")
    total = told.total
    table.add_section()
    table.add_row("total", *("" for _ in told.by), f"{total.rides:,}", f"{total.amount_rp:,}")
    console.print(table)
