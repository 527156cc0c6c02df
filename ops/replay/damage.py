"""What a spreadsheet does to a file of trips, and how it shows.

A spreadsheet that opens and saves such a file keeps what it displays: times lose their seconds,
dates take the form of the country, long numbers become powers of ten, unused lines become rows.
Such a file cannot be repaired row by row, for what is missing stands in every row.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

EXAMPLES_MAX: Final = 3
ROWS_MIN: Final = 3
SHARE_MIN: Final = 0.1
"""A sign in so many rows, and in this share of all, was not made by hand. Or it is in all rows."""

MISSING: Final = "missing_column"
CASE: Final = "column_case"
TWICE: Final = "column_twice"
SEPARATOR: Final = "separator"
BLANK: Final = "blank_rows"
DATES: Final = "dates"
SECONDS: Final = "seconds"
NUMBERS: Final = "numbers"

MEANINGS: Final = {
    MISSING: "the column {} is missing",
    CASE: "the column {} is written {}",
    TWICE: "the column {} stands twice",
    SEPARATOR: "the fields are separated by {}, not by commas",
    BLANK: "rows without anything in them",
    DATES: "dates in another form than year-month-day",
    SECONDS: "times cut to minutes",
    NUMBERS: "long numbers rounded to powers of ten",
}

_DATE: Final = re.compile(r"\d{1,4}[/.]\d{1,2}[/.]\d{1,4}\b.*")
_NO_SECONDS: Final = re.compile(r"[^:]*\d:\d\d(\s*[AaPp]\.?[Mm]\.?)?")
_POWER_OF_TEN: Final = re.compile(r"\d([.,]\d+)?[Ee]\+?\d+")

TIME_COLUMNS: Final = ("tapInTime", "tapOutTime")
NUMBER_COLUMNS: Final = ("payCardID",)


@dataclass(slots=True)
class Finding:
    """One sign of damage: in how many rows, and where for example (line, column, value)."""

    sign: str
    text: str
    rows: int = 0
    examples: list[tuple[int, str, str]] = field(default_factory=list)
    last_line: int = 0


class DamageWatch:
    """Looks at every row for what a spreadsheet leaves behind."""

    def __init__(self) -> None:
        self._findings: dict[str, Finding] = {}
        self._whole: list[Finding] = []
        self._rows = 0

    def header(self, columns: Sequence[str], required: Sequence[str]) -> bool:
        """Look at the names of the columns; return whether trips can be read by them."""
        if len(columns) == 1 and (separator := _separator(columns[0])):
            # Then no column can be found, and that is no news.
            self._whole.append(Finding(SEPARATOR, MEANINGS[SEPARATOR].format(separator)))
            return False
        missing = [name for name in required if name not in columns]
        written = {column.strip().lower(): column for column in columns}
        others = {name: written[name.lower()] for name in missing if name.lower() in written}
        for name, other in others.items():
            self._whole.append(Finding(CASE, MEANINGS[CASE].format(name, repr(other))))
        for sign, names in (
            (MISSING, [name for name in missing if name not in others]),
            (TWICE, [name for name in required if columns.count(name) > 1]),
        ):
            self._whole += [Finding(sign, MEANINGS[sign].format(name)) for name in names]
        return not self._whole

    def row(self, line: int, row: Mapping[str, str]) -> None:
        """Look at one row, given by column."""
        self._rows += 1
        if not any(row.values()):
            self._note(BLANK, line, "", "")
            return
        for column in TIME_COLUMNS:
            value = row.get(column, "")
            if _DATE.fullmatch(value):
                self._note(DATES, line, column, value)
            if _NO_SECONDS.fullmatch(value):
                self._note(SECONDS, line, column, value)
        for column in NUMBER_COLUMNS:
            if _POWER_OF_TEN.fullmatch(row.get(column, "")):
                self._note(NUMBERS, line, column, row[column])

    def findings(self) -> list[Finding]:
        """Return what makes the file unusable as a whole, with all that goes with it."""
        damaged = self._whole or any(
            finding.rows == self._rows or finding.rows >= max(ROWS_MIN, SHARE_MIN * self._rows)
            for finding in self._findings.values()
        )
        return [*self._whole, *self._findings.values()] if damaged else []

    def _note(self, sign: str, line: int, column: str, value: str) -> None:
        finding = self._findings.get(sign)
        if finding is None:
            finding = self._findings[sign] = Finding(sign, MEANINGS[sign])
        # A row counts once, though both of its times may show the same.
        finding.rows += finding.last_line != line
        finding.last_line = line
        if len(finding.examples) < EXAMPLES_MAX:
            finding.examples.append((line, column, value))


def _separator(header: str) -> str:
    for mark, name in ((";", "semicolons"), ("\t", "tabs")):
        if mark in header:
            return name
    return ""
