"""Reading a CSV file row by row, with line and column of what is wrong with it.

The first line names the columns. A file is used whole or not at all: whoever reads one collects
the faults, and `refuse` tells the first of them.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import click

FAULTS_MAX: Final = 20
"""A person mends so many and tries again; then reading ends."""
LINE_BYTES_MAX: Final = 64 * 1024
"""Key and value of the longest list take a tenth."""


class Fault(NamedTuple):
    """What is wrong with a file, and where; the column is empty where no one is to blame."""

    line: int
    column: str
    reason: str

    def __str__(self) -> str:
        """Return one line for a person."""
        where = f"line {self.line}" + (f", column {self.column}" if self.column else "")
        return f"{where}: {self.reason}"


class Row(NamedTuple):
    """A row, and the number of the line that it begins in."""

    line: int
    values: dict[str, str]


class _Broken(Exception):  # never leaves this module
    pass


def read_table(
    path: Path,
    *,
    required: Sequence[str],
    optional: Sequence[str] = (),
    rows_max: int,
    others: bool = False,
    rows_min: int = 1,
) -> Iterator[Row | Fault]:
    """Yield the rows of a file, and what is wrong with its form.

    A column that the file does not have is an empty value of every row. Blank lines are passed
    over. `others` allows columns that are not named here, and leaves them out.

    Raises:
      click.ClickException: the file cannot be opened or read.
    """
    try:
        with path.open("rb") as file:
            yield from _Table(file, required, optional, (rows_min, rows_max), others=others).read()
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from error


class _Table:
    def __init__(
        self,
        file: BinaryIO,
        required: Sequence[str],
        optional: Sequence[str],
        rows: tuple[int, int],
        *,
        others: bool,
    ) -> None:
        self._file = file
        self._required = required
        self._known = (*required, *optional)
        self._rows_min, self._rows_max = rows
        self._others = others
        self._lines_read = 0

    def read(self) -> Iterator[Row | Fault]:
        line = 1
        try:
            rows = csv.reader(self._decoded(), strict=True)
            columns = [name.strip() for name in next(rows, [])]
            faults = list(self._wrong_columns(columns))
            yield from faults
            count = 0
            while not faults:
                # A field in quotes may go over several lines: a row is called by its first.
                line = self._lines_read + 1
                values = next(rows, None)
                if values is None:
                    break
                count += bool(values)
                if count > self._rows_max:
                    yield Fault(line, "", f"more than {self._rows_max:,} rows")
                    return
                if values:
                    yield self._row(line, columns, values)
            if count < self._rows_min and not faults:
                yield Fault(line, "", "there is no row below the names of the columns")
        except _Broken as error:
            yield Fault(self._lines_read, "", str(error))
        except csv.Error as error:
            yield Fault(line, "", str(error))

    def _decoded(self) -> Iterator[str]:
        while data := self._file.readline(LINE_BYTES_MAX):
            self._lines_read += 1
            if len(data) == LINE_BYTES_MAX:
                raise _Broken(f"longer than {LINE_BYTES_MAX:,} bytes")
            encoding = "utf-8-sig" if self._lines_read == 1 else "utf-8"
            try:
                text = data.decode(encoding)
            except UnicodeDecodeError as error:
                raise _Broken(f"no UTF-8 text ({error.reason})") from error
            if "\0" in text:
                raise _Broken("a zero byte; this is no text")
            yield text

    def _wrong_columns(self, columns: list[str]) -> Iterator[Fault]:
        for name in self._required:
            if name not in columns:
                yield Fault(1, name, "is missing: the first line names the columns")
        for name in dict.fromkeys(columns):
            if name not in self._known and not self._others:
                yield Fault(1, name or "(empty)", f"is none of {', '.join(self._known)}")
            elif columns.count(name) > 1:
                yield Fault(1, name, "stands twice")

    def _row(self, line: int, columns: list[str], values: list[str]) -> Row | Fault:
        if len(values) != len(columns):
            return Fault(line, "", f"{len(values)} fields, where {len(columns)} are named")
        found = dict(zip(columns, values, strict=True))
        return Row(line, {name: found.get(name, "") for name in self._known})


def refuse(path: Path, faults: Sequence[Fault]) -> None:
    """End a command that was given a file with faults.

    Raises:
      click.ClickException: there are some; it tells them.
    """
    if not faults:
        return
    told = [f"nothing of {path} was sent:", *map(str, faults[:FAULTS_MAX])]
    if len(faults) >= FAULTS_MAX:
        told.append("there may be more")
    raise click.ClickException("\n".join(told))
