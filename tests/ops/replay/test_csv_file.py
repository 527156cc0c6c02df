"""A file is read strictly: each bad row has its line and reason, and no good row goes with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.replay import csv_file
from ops.replay.csv_file import Reading, read_trips
from ops.replay.damage import BLANK, CASE, MISSING, SEPARATOR, TWICE
from ops.replay.errors import FileDamaged, FileUnreadable
from ops.replay.trips import (
    BANK_UNKNOWN,
    EARLY_FARE,
    NO_CORRIDOR,
    NO_STOP_IN,
    NO_STOP_OUT,
    NO_TAP_OUT,
)
from tests.e2e.trip_files import HEADER, row, write

GOOD = row("A1", "180062659848800", "emoney")
FILLER = [row(f"F{number}", f"60{number}") for number in range(40)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "taps.csv"


def reasons(reading: Reading) -> list[tuple[int, str, str]]:
    return [(bad.line, bad.field, bad.reason) for bad in reading.refused]


def test_a_good_row_is_a_trip_without_anybody_s_name(file: Path) -> None:
    reading = read_trips(write(file, [GOOD]))
    (trip,) = reading.trips
    assert (trip.line, trip.trans_id, trip.card, trip.bank) == (
        2,
        "A1",
        "180062659848800",
        "emoney",
    )
    assert (trip.amount_rp, trip.tap_in.terminal, trip.operator) == (
        3_500,
        "P00142",
        "transjakarta",
    )
    assert trip.tap_out is not None
    assert trip.tap_out.at_ms - trip.tap_in.at_ms == (39 * 60 + 9) * 1000
    assert "Someone" not in repr(reading)


@pytest.mark.parametrize(
    ("bad", "field", "reason"),
    [
        (row("", "1"), "transID", "empty"),
        (row("a/b", "1"), "transID", "must be printable ASCII without blanks, / and *, of at most"),
        (row("X1", "1", amount=""), "payAmount", "no amount"),
        (row("X1", "1", amount="3500.5"), "payAmount", "not an amount of whole rupiah"),
        (row("X1", "1", amount="9" * 15), "payAmount", "more than Rp"),
        (row("X1", "1", at=""), "tapInTime", "no time"),
        (row("X1", "1", at="yesterday"), "tapInTime", "not a time as"),
        (row("X1", "1", at="2023-02-30 07:00:00"), "tapInTime", "not a time as"),
        (row("X1", "1", at="1999-12-31 23:59:59"), "tapInTime", "before the year 2000"),
        (row("X1", "1", out_at="2023-04-03 07:00:00"), "tapOutTime", "before the tap-in"),
        (row("X1", "1", corridor="x" * 65), "corridorID", "no name of a corridor"),
        (row("X1", "1", stop="name-x"), "tapInStops", "cannot name a terminal"),
        (row("X1", "1", out=",,,,"), "tapOutStopsName", "no stop"),
        (row("X1", "1") + ",more", "", "23 fields instead of 22"),
        ("", "", "the row is blank"),
        ("," * 21, "", "the row is blank"),
    ],
)
def test_a_bad_row_has_its_line_and_reason(file: Path, bad: str, field: str, reason: str) -> None:
    reading = read_trips(write(file, [*FILLER, bad, GOOD]))
    assert len(reading.trips) == len(FILLER) + 1
    (refused,) = reading.refused
    assert (refused.line, refused.field) == (len(FILLER) + 2, field)
    assert refused.reason.startswith(reason)


def test_a_row_that_was_refused_does_not_make_a_good_one_the_second(file: Path) -> None:
    torn = row("A1", "180062659848800", "dki", amount="")
    reading = read_trips(write(file, [torn, GOOD, GOOD]))
    assert [trip.line for trip in reading.trips] == [3]
    assert reasons(reading) == [
        (2, "payAmount", "no amount"),
        (4, "transID", "stands in line 3 already"),
    ]


def test_a_card_is_of_one_bank(file: Path) -> None:
    reading = read_trips(write(file, [GOOD, row("A2", "180062659848800", "dki")]))
    assert reasons(reading) == [(3, "payCardBank", "the card is of emoney in line 2")]


def test_oddities_are_noted_and_taken(file: Path) -> None:
    rows = [
        row("A1", "1", out=",,,,", out_at=""),
        row("A2", "2", stop=""),
        row("A3", "3", out=",Tegalan,,,"),
        row("A4", "4", corridor=""),
        row("A5", "5", "newbank"),
        row("A6", "6", at="2023-04-03 05:30:00"),
    ]
    reading = read_trips(write(file, rows))
    assert reading.notes == {
        NO_TAP_OUT: [2],
        NO_STOP_IN: [3],
        NO_STOP_OUT: [4],
        NO_CORRIDOR: [5],
        BANK_UNKNOWN: [6],
        EARLY_FARE: [7],
    }
    assert reading.trips[1].tap_in.terminal == "name-pal-putih"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty; its first line must name the columns"),
        (b"\n", "the file is empty"),
        (HEADER.encode(), "there is no row below the names of the columns"),
        (HEADER.encode() + b'\n"x', "line 2: a quoted field that begins here does not end"),
        (HEADER.encode() + b"\n" + b"x" * 200_000, "line 2: field larger than field limit"),
        (HEADER.encode() + b"\nA\0B,1", "line 2: a zero byte; this is no text"),
        (b"\xff\xfe\x00", "no UTF-8 text"),
    ],
)
def test_what_is_no_table_names_the_file_and_why(file: Path, content: bytes, reason: str) -> None:
    file.write_bytes(content)
    with pytest.raises(FileUnreadable) as caught:
        read_trips(file)
    assert str(caught.value).startswith(f"{file}: {reason}")


def test_a_file_that_is_not_there_says_so(file: Path) -> None:
    with pytest.raises(FileUnreadable, match="No such file"):
        read_trips(file)


def test_a_file_that_is_too_long_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_file, "ROWS_MAX", 3)
    with pytest.raises(FileUnreadable, match="more than 3 rows: split the file by days"):
        read_trips(write(file, FILLER))


def damage(file: Path, lines: list[str]) -> dict[str, list[str]]:
    file.write_text("\n".join(lines) + "\n")
    with pytest.raises(FileDamaged) as caught:
        read_trips(file)
    found: dict[str, list[str]] = {}
    for finding in caught.value.findings:
        found.setdefault(finding.sign, []).append(finding.text)
    return found


def test_semicolons_are_named_and_not_eleven_missing_columns(file: Path) -> None:
    found = damage(file, [line.replace(",", ";") for line in (HEADER, GOOD)])
    assert found == {SEPARATOR: ["the fields are separated by semicolons, not by commas"]}


def test_columns_in_other_letters_are_told_from_missing_ones(file: Path) -> None:
    found = damage(file, [HEADER.lower().replace("paycardbank", "bank"), GOOD])
    assert found[MISSING] == ["the column payCardBank is missing"]
    assert "the column transID is written 'transid'" in found[CASE]


def test_a_column_that_stands_twice_is_damage(file: Path) -> None:
    found = damage(file, [HEADER + ",transID", GOOD + ",A1"])
    assert found == {TWICE: ["the column transID stands twice"]}


def test_rows_without_anything_are_damage_if_there_are_many(file: Path) -> None:
    assert BLANK in damage(file, [HEADER, GOOD, *[","] * 5])
