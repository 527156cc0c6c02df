"""A file of keys is read whole, or each fault is named by line and column."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.keys import csv_file
from ops.keys.csv_file import FAULTS_MAX, read_keys
from ops.values import moment_ms
from storage.key_store import KeyRecord

AT_MS = moment_ms("2026-07-01")
ONE, OTHER = "11" * 32, "22" * 32


def read(tmp_path: Path, text: str | bytes) -> tuple[list[tuple[int, KeyRecord]], list[str]]:
    """Read a text as a file; return keys with their lines, and faults as they are told."""
    file = tmp_path / "keys.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    reading = read_keys(file, at_ms=AT_MS)
    return reading.keys, [str(fault) for fault in reading.faults]


def test_all_columns_are_read(tmp_path: Path) -> None:
    keys, faults = read(
        tmp_path,
        "terminal,public_key,role,expires,note\n"
        f"GATE-1,{ONE},,,\n"
        f"AUDIT-1,{OTHER},observer,2027-01-31,BPK\n",
    )
    assert faults == []
    gate = KeyRecord("GATE-1", bytes.fromhex(ONE), "terminal", AT_MS)
    audit = KeyRecord(
        *("AUDIT-1", bytes.fromhex(OTHER), "observer", AT_MS, None, "BPK"),
        expires_ms=moment_ms("2027-01-31"),
    )
    assert keys == [(2, gate), (3, audit)]


def test_columns_come_in_any_order_as_a_spreadsheet_writes_them(tmp_path: Path) -> None:
    text = f'\ufeffpublic_key , terminal\r\n{ONE}, GATE-1\r\n\r\n"{OTHER}","GATE-2"\r\n'
    keys, faults = read(tmp_path, text)
    assert faults == []
    assert [(line, key.terminal) for line, key in keys] == [(2, "GATE-1"), (4, "GATE-2")]


def test_a_row_is_called_by_its_first_line(tmp_path: Path) -> None:
    text = f'terminal,public_key,note\nGATE-1,{ONE},"two\nlines"\nGATE-2,xx,\n'
    keys, faults = read(tmp_path, text)
    assert [line for line, _ in keys] == [2]
    assert faults == ["line 4, column public_key: expected 32 bytes in hex"]


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (f"two words,{ONE},,,", "column terminal: a name is printable ASCII"),
        (f",{ONE},,,", "column terminal: a name is printable ASCII"),
        (f"{'x' * 65},{ONE},,,", "column terminal: a name is printable ASCII"),
        ("GATE-1,11,,,", "column public_key: expected 32 bytes in hex"),
        (f"GATE-1,{'00' * 32},,,", "column public_key: a key of small order"),
        (f"GATE-1,{ONE},admin,,", "column role: 'admin' is none of terminal, service, operator"),
        (f"GATE-1,{ONE},,soon,", "column expires: 'soon' is no date"),
        (f"GATE-1,{ONE},,2026-07-01,", "column expires: 2026-07-01 is over"),
        (f"GATE-1,{ONE},,,{'x' * 201}", "column note: longer than 200 characters"),
        (f"GATE-1,{ONE},,", "4 fields, where 5 are named"),
        (f"GATE-1,{ONE},,,,", "6 fields, where 5 are named"),
        (f'GATE-1,"{ONE}', "no row of a CSV file"),
    ],
)
def test_a_fault_is_named_by_line_and_column(tmp_path: Path, row: str, fault: str) -> None:
    text = f"terminal,public_key,role,expires,note\nGATE-0,{OTHER},,,\n{row}\n"
    _, faults = read(tmp_path, text)
    (told,) = faults
    separator = ", " if fault.startswith("column") else ": "
    assert told.startswith(f"line 3{separator}{fault}")


def test_all_faults_of_a_row_are_told(tmp_path: Path) -> None:
    _, faults = read(tmp_path, "terminal,public_key,role\na/b,xx,boss\n")
    assert [fault.split(":")[0] for fault in faults] == [
        "line 2, column public_key",
        "line 2, column role",
        "line 2, column terminal",
    ]


def test_a_key_that_stands_twice_names_the_first_line(tmp_path: Path) -> None:
    rows = f"GATE-1,{ONE}\nGATE-2,{ONE}\nGATE-1,{OTHER}\nGATE-1,{ONE}\n"
    keys, faults = read(tmp_path, f"terminal,public_key\n{rows}")
    assert faults == ["line 5, column public_key: this key of GATE-1 stands in line 2 too"]
    assert len(keys) == 3


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("", ["column terminal: is missing", "column public_key: is missing"]),
        ("terminal,key\n", ["column key: none of terminal, public_key", "column public_key: is"]),
        ("terminal,public_key,\n", ["column (empty): none of terminal"]),
        ("terminal,public_key,note,note\n", ["column note: stands twice"] * 2),
    ],
)
def test_columns_that_are_missing_or_unknown_are_named(
    tmp_path: Path, text: str, faults: list[str]
) -> None:
    keys, told = read(tmp_path, text)
    assert keys == []
    assert len(told) == len(faults)
    for fault, start in zip(told, faults, strict=True):
        assert fault.startswith(f"line 1, {start}")


def test_a_file_without_a_key_is_a_mistake(tmp_path: Path) -> None:
    _, faults = read(tmp_path, "terminal,public_key\n")
    assert faults == ["line 2: there is no key below the names of the columns"]


def test_bytes_that_are_no_text_are_named_by_their_line(tmp_path: Path) -> None:
    text = f"terminal,public_key\nGATE-1,{ONE}\n".encode() + b"GATE-\xff,11\n"
    _, faults = read(tmp_path, text)
    assert faults == ["line 3: no UTF-8 text (invalid start byte)"]


def test_reading_ends_after_as_many_faults_as_a_person_mends(tmp_path: Path) -> None:
    _, faults = read(tmp_path, "terminal,public_key\n" + "GATE-1,xx\n" * (3 * FAULTS_MAX))
    assert len(faults) == FAULTS_MAX


@pytest.mark.parametrize(
    ("bound", "value", "fault"),
    [
        ("ROWS_MAX", 1, "line 3: more than 1 keys: split the file"),
        ("BYTES_MAX", 99, "line 1: more than 99 bytes: split the file"),
    ],
)
def test_a_file_that_is_too_long_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, value: int, fault: str
) -> None:
    monkeypatch.setattr(csv_file, bound, value)
    text = f"terminal,public_key\nGATE-1,{ONE}\nGATE-2,{OTHER}\n"
    assert read(tmp_path, text)[1] == [fault]
