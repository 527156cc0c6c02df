"""What a replay says at its end: one JSON object for programs, tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ops.owing import Owing
from ops.replay import rides_report
from ops.replay.csv_file import BadRow, Reading
from ops.replay.errors import FileDamaged
from ops.replay.rated import Rides
from ops.replay.reconcile import Difference, Reconciliation, Sides
from ops.replay.trips import NOTES

SHOWN_MAX: Final = 10
"""Of a long list, for a person; the JSON has all of it."""


@dataclass(frozen=True, slots=True)
class Course:
    """How the replay went: what was opened and sent, and how long that took."""

    cards: int
    cards_issued: int
    loads_sent: int
    connections: int
    streamed_s: float
    took_s: float


class Replayed(NamedTuple):
    """What a replay came to.

    Attributes:
      result: how file and ledger compare.
      rides: what the ledger holds of the rides that it rated; None if it rated none.
      owing: what the cards of the file are owed.
      course: how it went.
    """

    result: Reconciliation
    rides: Rides | None
    owing: Owing
    course: Course


def as_json(path: Path, reading: Reading, replayed: Replayed) -> dict[str, object]:
    """Return everything as one object."""
    result, rides, owing, course = replayed
    return {
        "file": str(path),
        "rows_read": reading.rows_read,
        "rows_refused": len(reading.refused),
        "refused_rows": [row._asdict() for row in reading.refused],
        "notes": {
            note: {"meaning": NOTES[note], "rows": len(lines), "lines": lines}
            for note, lines in reading.notes.items()
        },
        "cards": course.cards,
        "cards_issued": course.cards_issued,
        "loads_sent": course.loads_sent,
        "loaded_rp": result.loaded_rp,
        "taps_sent": result.taps_sent,
        "posted": result.posted,
        "duplicates": result.duplicates,
        "taps_refused": result.refused,
        "exceptions": result.exceptions,
        "rupiah_in_file": result.total.file_rp,
        "rupiah_in_ledger": result.total.ledger_rp,
        "operators": {name: sides._asdict() for name, sides in result.operators.items()},
        "banks": {name: sides._asdict() for name, sides in result.banks.items()},
        "rides": None if rides is None else rides_report.as_json(rides),
        "owing": None if rides is None else owing.as_json(),
        "differences": [difference._asdict() for difference in result.differences],
        "reconciled": result.reconciled,
        "connections": course.connections,
        "streamed_s": round(course.streamed_s, 3),
        "taps_per_s": round(result.taps_sent / course.streamed_s) if course.streamed_s else 0,
        "took_s": round(course.took_s, 3),
    }


def damage_as_json(path: Path, damaged: FileDamaged) -> dict[str, object]:
    """Return why a file was refused whole; the figures say that nothing was sent."""
    return {
        "file": str(path),
        "rows_read": damaged.rows_read,
        "rows_refused": damaged.rows_read,
        "damage": [
            {
                "sign": finding.sign,
                "text": finding.text,
                "rows": finding.rows,
                "examples": [
                    {"line": line, "field": field, "value": value}
                    for line, field, value in finding.examples
                ],
            }
            for finding in damaged.findings
        ],
        "taps_sent": 0,
        "posted": 0,
        "duplicates": 0,
        "rupiah_in_file": 0,
        "rupiah_in_ledger": 0,
        "differences": [],
        "reconciled": False,
    }


def show_damage(console: Console, path: Path, damaged: FileDamaged) -> None:
    """Say what a spreadsheet did to a file."""
    console.print(f"[bold]{escape(str(path))}[/bold]: {damaged.rows_read:,} rows")
    console.print("This is not the file as it was exported; a spreadsheet, or a program like one:")
    for finding in damaged.findings:
        rows = f" ({finding.rows:,} rows)" if finding.rows else ""
        console.print(f"  [red]{escape(finding.text)}[/red]{rows}")
        for line, field, value in finding.examples:
            console.print(f"    line {line}: {escape(f'{field} {value!r}' if field else 'empty')}")
    console.print("\nWhat is missing cannot be put back: ask for the file as it was exported.")


def show(console: Console, path: Path, reading: Reading, replayed: Replayed) -> None:
    """Say how a replay went, and whether file and ledger agree."""
    result, rides, owing, course = replayed
    console.print(f"\n[bold]{escape(str(path))}[/bold]: {reading.rows_read:,} rows")
    _show_refused(console, reading.refused)
    for note, lines in reading.notes.items():
        console.print(f"  {len(lines):>7,} rows: {NOTES[note]}")
    console.print(
        f"\n{course.cards:,} cards, {course.cards_issued:,} of them issued now; "
        f"{course.loads_sent:,} loads by their banks, Rp{result.loaded_rp:,}"
    )
    console.print(
        f"{result.taps_sent:,} taps sent over {course.connections:,} connections in "
        f"{course.streamed_s:.1f} s: [bold]{result.posted:,} posted[/bold], "
        f"{result.duplicates:,} in the ledger before, {result.refused:,} refused"
    )
    for reason, count in result.exceptions.items():
        console.print(f"  {count:,} posted and filed as an exception: {reason}")
    if rides is not None:
        rides_report.show(console, rides, owing)
    console.print(_table(result, rides))
    _show_differences(console, result.differences)
    style = "bold green" if result.reconciled else "bold red"
    console.print(f"[{style}]{_verdict(result, reading.refused)}[/]")


def _verdict(result: Reconciliation, refused: Sequence[BadRow]) -> str:
    if not result.rows_taken:
        return "No row was taken: there is nothing that could agree."
    if not result.reconciled:
        return "File and ledger do not agree."
    if not refused:
        return "File and ledger agree."
    rows = "1 refused row" if len(refused) == 1 else f"{len(refused):,} refused rows"
    refused_rp = sum(row.amount_rp for row in refused)
    return f"File and ledger agree, but for {rows} (Rp{refused_rp:,})."


def _table(result: Reconciliation, rides: Rides | None) -> Table:
    table = Table(title="rupiah", title_justify="left")
    for column in ("", "in the file", "in the ledger", "difference"):
        table.add_column(column, justify="right" if column else "left")
    _add(table, {"all trips": result.total})
    if rides is not None:
        _add(table, {"owed to cards": Sides(0, rides.owed_rp)})
    _add(table, result.operators)
    _add(table, result.banks)
    return table


def _add(table: Table, figures: Mapping[str, Sides]) -> None:
    for name, (file_rp, ledger_rp) in figures.items():
        table.add_row(escape(name), f"{file_rp:,}", f"{ledger_rp:,}", f"{ledger_rp - file_rp:,}")
    table.add_section()


def _show_refused(console: Console, refused: Sequence[BadRow]) -> None:
    if refused:
        console.print(f"  {len(refused):>7,} rows [red]refused[/red]:")
    for row in refused[:SHOWN_MAX]:
        console.print(f"           {escape(_refusal(row))}")
    _show_rest(console, len(refused))


def _show_differences(console: Console, differences: Sequence[Difference]) -> None:
    for difference in differences[:SHOWN_MAX]:
        text = (
            f"{_place(difference)}: Rp{difference.file_rp:,} in the file, "
            f"Rp{difference.ledger_rp:,} in the ledger: {difference.reason}"
        )
        console.print(escape(text))
    _show_rest(console, len(differences))


def _refusal(row: BadRow) -> str:
    where = f"line {row.line} ({row.trans_id})" if row.trans_id else f"line {row.line}"
    what = " ".join(filter(None, (row.field, repr(row.value) if row.value else "")))
    return ": ".join(filter(None, (where, what, row.reason)))


def _place(difference: Difference) -> str:
    if not difference.line:
        return difference.what
    row = f"line {difference.line} ({difference.trans_id}) {difference.what}"
    return f"{row} at {difference.terminal}/{difference.counter}" if difference.terminal else row


def _show_rest(console: Console, count: int) -> None:
    if count > SHOWN_MAX:
        console.print(f"           and {count - SHOWN_MAX:,} more (all of them with --json)")
