"""Files of entries of a list."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from ops.fleet.list_rows import Wanted, read_entries


def read(tmp_path: Path, text: str, *, name: str = "deny", whole: bool = False) -> Wanted:
    path = tmp_path / "list.csv"
    path.write_text(text)
    return read_entries(path, name, whole=whole)


def faults(tmp_path: Path, text: str, *, name: str = "deny", whole: bool = False) -> list[str]:
    with pytest.raises(click.ClickException) as caught:
        read(tmp_path, text, name=name, whole=whole)
    return caught.value.message.splitlines()[1:]


def test_a_change_puts_keys_and_removes_others(tmp_path: Path) -> None:
    wanted = read(tmp_path, "key,value,remove\na,lost,\nb,,yes\nc,,no\n")
    assert wanted.entries == {"a": "lost", "b": None, "c": ""}
    assert (wanted.puts, wanted.removes) == (2, 1)


def test_a_value_is_taken_as_it_stands(tmp_path: Path) -> None:
    assert read(tmp_path, 'key,value\na," x "\n', name="settings").entries == {"a": " x "}


def test_a_whole_list_removes_nothing_by_name(tmp_path: Path) -> None:
    assert read(tmp_path, "key,value\na,b\n", whole=True) == Wanted({"a": "b"})
    (told,) = faults(tmp_path, "key,value,remove\na,b,\n", whole=True)
    assert told == "line 1, column remove: is none of key, value"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (",x,", "column key: a text of 1 to 128 characters"),
        (f"{'k' * 129},x,", "column key: a text of 1 to 128 characters"),
        ("a b,x,", "column key: 'a b' is not printable ASCII"),
        ("\u00e9,x,", "column key: '\u00e9' is not printable ASCII"),
        (f"a,{'v' * 1001},", "column value: longer than 1,000 characters"),
        ("a,x,yes", "column value: a key that is removed has no value"),
        ("a,,true", "column remove: 'true' is neither yes nor no"),
    ],
)
def test_what_no_list_may_hold_is_told_with_its_place(tmp_path: Path, row: str, said: str) -> None:
    (told,) = faults(tmp_path, f"key,value,remove\n{row}\n", name="rules")
    assert told.startswith(f"line 2, {said}")


def test_only_cards_are_denied(tmp_path: Path) -> None:
    assert read(tmp_path, "key,value\nride/2,x\n", name="fares").puts == 1
    (told,) = faults(tmp_path, "key,value\nride/2,x\n")
    assert told == "line 2, column key: 'ride/2' cannot be the name of a card"


def test_a_key_stands_once(tmp_path: Path) -> None:
    assert faults(tmp_path, "key,value\na,x\nb,x\na,y\n") == [
        "line 4, column key: 'a' stands in line 2 too"
    ]


def test_reading_ends_with_the_twentieth_fault(tmp_path: Path) -> None:
    told = faults(tmp_path, "key,value\n" + "a b,x\n" * 30)
    assert told[-1] == "there may be more"
    assert len(told) <= 22
