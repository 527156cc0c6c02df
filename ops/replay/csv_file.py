"""Reading a file of trips: strictly, row by row, with a reason for each row that is refused.

The form is that of the public data set dfTransjakarta. Only the columns named here are read: the
names, sex and years of birth that stand beside them are personal data, and go nowhere.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

from engine.calendar import DAY_MS, WIB_OFFSET_MS
from engine.limits import AMOUNT_RP_MAX, NAME_LENGTH_MAX
from ops.replay import trips
from ops.replay.damage import DamageWatch
from ops.replay.errors import FileDamaged, FileUnreadable
from ops.replay.trips import Touch, Trip, is_short_name, terminal_of

COLUMNS: Final = (
    "transID",
    "payCardID",
    "payCardBank",
    "corridorID",
    "tapInStops",
    "tapInStopsName",
    "tapInTime",
    "tapOutStops",
    "tapOutStopsName",
    "tapOutTime",
    "payAmount",
)
ROWS_MAX: Final = 2_000_000
"""All trips are in memory at once, about a kilobyte each: one day of the city fits."""
VALUE_LENGTH_MAX: Final = 60
"""Of a refused value that is shown."""

WIB: Final = timezone(timedelta(hours=7))
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
_AMOUNT: Final = re.compile(r"(\d{1,15})(\.0+)?")
_FIRST_MS: Final = 946_684_800_000 - WIB_OFFSET_MS
"""Counters of terminals count days from 2000-01-01."""
_EARLY_HOURS_MS: Final = (5 * 3_600_000, 7 * 3_600_000)
_NOTHING: Final[Mapping[str, str]] = dict.fromkeys(COLUMNS, "")
"""What is shown of a row with too many or too few fields: which value belongs where is unknown."""


_CSV_ERRORS: Final = {
    "unexpected end of data": "a quoted field that begins here does not end",
    "line contains NUL": "a zero byte; this is no text",
}
"""What the csv module says, for people."""


class BadRow(NamedTuple):
    """A row that is refused: where, what stands there, why, and the rupiah it names."""

    line: int
    trans_id: str
    field: str
    value: str
    reason: str
    amount_rp: int


class Reading(NamedTuple):
    """What a file holds. `notes` has the lines of each oddity, by its name in trips.NOTES."""

    rows_read: int
    trips: list[Trip]
    refused: list[BadRow]
    notes: dict[str, list[int]]


class _Refusal(Exception):  # never leaves this module
    def __init__(self, field: str, value: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field
        self.value = value[:VALUE_LENGTH_MAX]
        self.reason = reason


def read_trips(path: Path) -> Reading:
    """Read a file.

    Raises:
      FileUnreadable: it is no text in rows and columns, or has more rows than `ROWS_MAX`.
      FileDamaged: a spreadsheet had it; nothing of it can be relied on.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _read(csv.reader(file, strict=True))
    except FileUnreadable as error:
        raise FileUnreadable(f"{path}: {error}") from error
    except OSError as error:
        raise FileUnreadable(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise FileUnreadable(f"{path}: no UTF-8 text ({error.reason})") from error


def _read(lines: Iterator[list[str]]) -> Reading:
    rows = _numbered(lines)
    _, columns = next(rows, (0, []))
    if not any(columns):
        raise FileUnreadable("the file is empty; its first line must name the columns")
    watch, reader = DamageWatch(), _Rows()
    readable = watch.header(columns, COLUMNS)
    rows_read = 0
    for line, values in rows:
        rows_read += 1
        if rows_read > ROWS_MAX:
            raise FileUnreadable(f"more than {ROWS_MAX:,} rows: split the file by days")
        row = dict(zip(columns, values, strict=False))
        watch.row(line, row)
        if readable:
            reader.take(line, row, len(values), len(columns))
    if findings := watch.findings():
        raise FileDamaged(rows_read, findings)
    if not rows_read:
        raise FileUnreadable("there is no row below the names of the columns")
    return Reading(rows_read, reader.trips, reader.refused, reader.notes)


def _numbered(reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Yield each row with the number of its first line: a quoted field may go over several."""
    line = 1
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise FileUnreadable(f"line {line}: {_CSV_ERRORS.get(str(error), error)}") from error
        if row is None:
            return
        if any("\0" in value for value in row):
            raise FileUnreadable(f"line {line}: a zero byte; this is no text")
        yield line, row
        line = reader.line_num + 1  # type: ignore[attr-defined]


class _Rows:
    """Turns rows into trips, and remembers what must not stand in two of them."""

    def __init__(self) -> None:
        self.trips: list[Trip] = []
        self.refused: list[BadRow] = []
        self.notes: dict[str, list[int]] = {}
        self._lines: dict[str, int] = {}
        self._banks: dict[str, tuple[str, int]] = {}

    def take(self, line: int, row: Mapping[str, str], fields: int, expected: int) -> None:
        try:
            _check_shape(row, fields, expected)
            trip = self._trip(line, row)
        except _Refusal as refusal:
            known = row if fields == expected else _NOTHING
            trans_id = known["transID"][:VALUE_LENGTH_MAX]
            self.refused.append(
                BadRow(
                    line, trans_id, refusal.field, refusal.value, refusal.reason, _named_rp(known)
                )
            )
            return
        # Only a row that is taken can make another one the second.
        self.trips.append(trip)
        self._lines[trip.trans_id] = line
        self._banks.setdefault(trip.card, (trip.bank, line))
        for note in _oddities(trip, row):
            self.notes.setdefault(note, []).append(line)

    def _trip(self, line: int, row: Mapping[str, str]) -> Trip:
        trans_id = _name(row, "transID")
        if trans_id in self._lines:
            raise _Refusal("transID", trans_id, f"stands in line {self._lines[trans_id]} already")
        card, bank = _name(row, "payCardID"), _name(row, "payCardBank")
        amount_rp = _amount(row)
        tap_in = _touch(row, "tapIn")
        tap_out = _touch(row, "tapOut") if row["tapOutTime"] else None
        if tap_out and tap_out.at_ms < tap_in.at_ms:
            raise _Refusal("tapOutTime", row["tapOutTime"], "before the tap-in")
        corridor = row["corridorID"]
        if len(corridor) > NAME_LENGTH_MAX or not corridor.isprintable():
            raise _Refusal("corridorID", corridor, "no name of a corridor")
        known, since = self._banks.get(card, (bank, line))
        if known != bank:
            raise _Refusal("payCardBank", bank, f"the card is of {known} in line {since}")
        return Trip(line, trans_id, card, bank, corridor, amount_rp, tap_in, tap_out)


def _check_shape(row: Mapping[str, str], fields: int, expected: int) -> None:
    if not any(row.values()):
        raise _Refusal("", "", "the row is blank")
    if fields != expected:
        raise _Refusal("", "", f"{fields} fields instead of {expected}")


def _name(row: Mapping[str, str], field: str) -> str:
    value = row[field]
    if not value:
        raise _Refusal(field, value, "empty")
    if not is_short_name(value):
        raise _Refusal(
            field,
            value,
            "must be printable ASCII without blanks, / and *, of at most 64 characters",
        )
    return value


def _amount(row: Mapping[str, str]) -> int:
    value = row["payAmount"]
    if not value:
        raise _Refusal("payAmount", value, "no amount")
    # Whole numbers are written as floats wherever the tool that wrote them knew an empty value.
    whole = _AMOUNT.fullmatch(value)
    if whole is None:
        raise _Refusal("payAmount", value, "not an amount of whole rupiah")
    amount_rp = int(whole[1])
    if amount_rp > AMOUNT_RP_MAX:
        raise _Refusal("payAmount", value, f"more than Rp{AMOUNT_RP_MAX:,}")
    return amount_rp


def _named_rp(row: Mapping[str, str]) -> int:
    try:
        return _amount(row)
    except _Refusal:
        return 0


def _touch(row: Mapping[str, str], which: str) -> Touch:
    time_field, id_field, name_field = f"{which}Time", f"{which}Stops", f"{which}StopsName"
    at_ms = _time_ms(row, time_field)
    terminal = terminal_of(row[id_field], row[name_field])
    if not terminal:
        field = id_field if row[id_field] else name_field
        value = row[field]
        raise _Refusal(field, value, "cannot name a terminal" if value else "no stop")
    return Touch(at_ms, terminal)


def _time_ms(row: Mapping[str, str], field: str) -> int:
    value = row[field]
    if not value:
        raise _Refusal(field, value, "no time")
    if not _TIME.fullmatch(value):
        _refuse_time(field, value)
    try:
        moment = datetime.fromisoformat(value).replace(tzinfo=WIB)
    except ValueError:
        _refuse_time(field, value)
    at_ms = int(moment.timestamp()) * 1000
    if at_ms < _FIRST_MS:
        raise _Refusal(field, value, "before the year 2000")
    return at_ms


def _refuse_time(field: str, value: str) -> NoReturn:
    raise _Refusal(field, value, "not a time as 2023-04-03 05:21:44 (WIB)")


def _oddities(trip: Trip, row: Mapping[str, str]) -> Iterator[str]:
    if trip.tap_out is None:
        yield trips.NO_TAP_OUT
    elif not row["tapOutStops"]:
        yield trips.NO_STOP_OUT
    if not row["tapInStops"]:
        yield trips.NO_STOP_IN
    if not trip.corridor:
        yield trips.NO_CORRIDOR
    if trip.bank not in trips.BANKS:
        yield trips.BANK_UNKNOWN
    begin_ms, end_ms = _EARLY_HOURS_MS
    time_of_day_ms = (trip.tap_in.at_ms + WIB_OFFSET_MS) % DAY_MS
    if trip.amount_rp == trips.FULL_FARE_RP and begin_ms <= time_of_day_ms < end_ms:
        yield trips.EARLY_FARE
