"""CSV files, with line and column of what is wrong with their form."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from ops.csv_table import FAULTS_MAX, LINE_BYTES_MAX, Fault, Row, read_table, refuse


def read(tmp_path: Path, content: str | bytes, *, rows_max: int = 100) -> list[Row | Fault]:
    path = tmp_path / "file.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_table(path, required=("key",), optional=("value",), rows_max=rows_max))


def test_rows_carry_the_line_that_they_begin_in(tmp_path: Path) -> None:
    text = '\N{BYTE ORDER MARK}value,key\r\n"two\r\nlines",a\r\n\r\n,b\r\n'
    assert read(tmp_path, text) == [
        Row(2, {"key": "a", "value": "two\r\nlines"}),
        Row(5, {"key": "b", "value": ""}),
    ]


def test_a_column_that_need_not_be_there_is_empty(tmp_path: Path) -> None:
    assert read(tmp_path, "key\na\n") == [Row(2, {"key": "a", "value": ""})]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "line 1, column key: is missing"),
        ("value\nx\n", "line 1, column key: is missing"),
        ("key,Value\na,b\n", "line 1, column Value: is none of key, value"),
        ("key,\na,b\n", "line 1, column (empty): is none of"),
        ("key,key\na,b\n", "line 1, column key: stands twice"),
        ("key\n", "line 2: there is no row"),
        ("key,value\na,b\nc\n", "line 3: 1 fields, where 2 are named"),
        ('key,value\na,"b\n', "line 2: unexpected end of data"),
        ('key,value\na,"b"c\n', "line 2: "),
        ("key\na\n" + "b" * LINE_BYTES_MAX, f"line 3: longer than {LINE_BYTES_MAX:,} bytes"),
        (b"key\na\n\xff\n", "line 3: no UTF-8 text"),
        (b"key\na\0\n", "line 2: a zero byte"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    tmp_path: Path, content: str | bytes, said: str
) -> None:
    faults = [each for each in read(tmp_path, content) if isinstance(each, Fault)]
    assert said in str(faults[0])


def test_a_file_with_too_many_rows_is_read_no_further(tmp_path: Path) -> None:
    found = read(tmp_path, "key\na\nb\nc\nd\n", rows_max=2)
    assert [each.line for each in found] == [2, 3, 4]
    assert found[-1] == Fault(4, "", "more than 2 rows")


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match="No such file"):
        list(read_table(tmp_path / "none.csv", required=("key",), rows_max=1))


def test_a_file_without_faults_is_not_refused(tmp_path: Path) -> None:
    refuse(tmp_path, [])


@pytest.mark.parametrize(("count", "more"), [(2, False), (FAULTS_MAX, True)])
def test_the_first_faults_are_told(tmp_path: Path, count: int, more: bool) -> None:  # noqa: FBT001
    with pytest.raises(click.ClickException) as caught:
        refuse(tmp_path / "file.csv", [Fault(n, "key", "bad") for n in range(1, count + 1)])
    lines = caught.value.message.splitlines()
    assert lines[0].startswith("nothing of ")
    assert lines[1 : count + 1] == [f"line {n}, column key: bad" for n in range(1, count + 1)]
    assert ("there may be more" in lines) is more
