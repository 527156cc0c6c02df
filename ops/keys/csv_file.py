"""Reading a file of keys to enrol: whole, or not at all, with line and column of each fault."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, get_args

from engine.accounts import is_name
from engine.keys import Role
from engine.limits import NAME_LENGTH_MAX
from ops.keys.values import public_key
from ops.values import moment_ms
from storage.key_store import KeyRecord

REQUIRED: Final = ("terminal", "public_key")
COLUMNS: Final = (*REQUIRED, "role", "expires", "note")
ROWS_MAX: Final = 100_000
"""The terminals of the city, six times over; all are in memory and in one write at once."""
BYTES_MAX: Final = 64 * 1024 * 1024
"""So many rows with the longest names and notes."""
NOTE_LENGTH_MAX: Final = 200
"""A sentence; all notes are shown in one table."""
FAULTS_MAX: Final = 20
"""A person mends so many and tries again; then reading ends."""
ROLES: Final[tuple[Role, ...]] = get_args(Role)


class Fault(NamedTuple):
    """What is wrong with a file, and where; the column is empty where no one is to blame."""

    line: int
    column: str
    reason: str

    def __str__(self) -> str:
        """Return one line for a person."""
        where = f"line {self.line}" + (f", column {self.column}" if self.column else "")
        return f"{where}: {self.reason}"


class Reading(NamedTuple):
    """What a file holds: keys with the lines that they stand in, and what is wrong with it."""

    keys: list[tuple[int, KeyRecord]]
    faults: list[Fault]


def read_keys(path: Path, *, at_ms: int) -> Reading:
    """Read a file of keys, to be enrolled at this time.

    Reading ends with the `FAULTS_MAX`th fault.

    Raises:
      OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(BYTES_MAX + 1)
    if len(data) > BYTES_MAX:
        return Reading([], [Fault(1, "", f"more than {BYTES_MAX:,} bytes: split the file")])
    reader = _Reader(at_ms)
    try:
        reader.read(io.StringIO(data.decode("utf-8-sig"), newline=""))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        reader.faults.append(Fault(line, "", f"no UTF-8 text ({error.reason})"))
    except csv.Error as error:
        reader.blame("", f"no row of a CSV file ({error})")
    return Reading(reader.keys, reader.faults)


class _Reader:
    def __init__(self, at_ms: int) -> None:
        self.keys: list[tuple[int, KeyRecord]] = []
        self.faults: list[Fault] = []
        self._line = 1
        self._at_ms = at_ms
        self._seen: dict[tuple[str, bytes], int] = {}

    def blame(self, column: str, reason: str) -> None:
        self.faults.append(Fault(self._line, column, reason))

    def read(self, file: Iterable[str]) -> None:
        lines_read = 0

        def counted() -> Iterator[str]:
            nonlocal lines_read
            for line in file:
                lines_read += 1
                yield line

        rows = csv.reader(counted(), strict=True)
        columns = [name.strip() for name in next(rows, [])]
        if not self._has_columns(columns):
            return
        while len(self.faults) < FAULTS_MAX:
            # A field in quotes may go over several lines: a row is called by its first.
            self._line = lines_read + 1
            values = next(rows, None)
            if values is None:
                break
            if len(self.keys) >= ROWS_MAX:
                self.blame("", f"more than {ROWS_MAX:,} keys: split the file")
                return
            if values:
                self._take(columns, [value.strip() for value in values])
        if not self.keys and not self.faults:
            self.blame("", "there is no key below the names of the columns")

    def _has_columns(self, columns: list[str]) -> bool:
        for name in columns:
            if name not in COLUMNS or columns.count(name) > 1:
                why = "stands twice" if name in COLUMNS else f"none of {', '.join(COLUMNS)}"
                self.blame(name or "(empty)", why)
        for name in REQUIRED:
            if name not in columns:
                self.blame(name, "is missing: the first line names the columns")
        return not self.faults

    def _take(self, columns: list[str], values: list[str]) -> None:
        if len(values) != len(columns):
            self.blame("", f"{len(values)} fields, where {len(columns)} are named")
            return
        row = dict(zip(columns, values, strict=True))
        before = len(self.faults)
        terminal, note = row["terminal"], row.get("note", "")
        key = self._key(row["public_key"])
        role = self._role(row.get("role", ""))
        expires_ms = self._expiry(row.get("expires", ""))
        if not is_name(terminal) or len(terminal) > NAME_LENGTH_MAX:
            why = "a name is printable ASCII without blanks, / and *, up to 64 characters"
            self.blame("terminal", why)
        if len(note) > NOTE_LENGTH_MAX:
            self.blame("note", f"longer than {NOTE_LENGTH_MAX} characters")
        first = self._seen.setdefault((terminal, key), self._line)
        if key and first != self._line:
            self.blame("public_key", f"this key of {terminal} stands in line {first} too")
        if len(self.faults) == before:
            record = KeyRecord(terminal, key, role, self._at_ms, None, note, expires_ms)
            self.keys.append((self._line, record))

    def _key(self, text: str) -> bytes:
        try:
            return public_key(text)
        except ValueError as error:
            self.blame("public_key", str(error))
            return b""

    def _role(self, text: str) -> Role:
        for role in ROLES:
            if text == role:
                return role
        if text:
            self.blame("role", f"{text!r} is none of {', '.join(ROLES)}")
        return "terminal"

    def _expiry(self, text: str) -> int | None:
        if not text:
            return None
        try:
            expires_ms = moment_ms(text)
        except ValueError as error:
            self.blame("expires", str(error))
            return None
        if expires_ms <= self._at_ms:
            self.blame("expires", f"{text} is over")
        return expires_ms
