"""How terminals are shown."""

from __future__ import annotations

import pytest

from ops.fleet.terminal_table import show_terminals
from terminals.messages import TerminalRow, Terminals
from tests.ops.fleet.screen import seen, words

NOW_MS = 1_795_000_000_000

ROW = TerminalRow(
    terminal="GATE-0142",
    kind="gate",
    place="Blok M",
    operator="mrtj",
    firmware="gate 2.4.1",
    key=b"\x01" * 8,
    connected=True,
    silent=False,
    last_seen_ms=NOW_MS - 3_000,
    backlog=0,
    clock_offset_ms=-1_200,
    battery=71,
    reader="ok",
    counter=12_345,
    missing=0,
    gaps=(),
    lists=(("deny", 7), ("fares", 0)),
)


def shown(*rows: TerminalRow, rest: str = "", known: int = 1) -> str:
    last = Terminals(rows, rest, known, 1, 0)
    return seen(lambda console: show_terminals(console, rows, last, NOW_MS))


def test_a_terminal_takes_two_lines() -> None:
    lines = shown(ROW).splitlines()
    assert lines[1].split() == [
        *("GATE-0142", "gate", "at", "Blok", "M", "3", "s", "0", "+1.2", "s", "71", "%"),
        *("12,345", "deny", "7"),
    ]
    assert lines[2].split() == ["gate", "2.4.1", "mrtj", "reader", "ok"]
    assert lines[3] == "1 known, 1 connected, 0 silent; 1 shown"
    assert len(lines) == 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"last_seen_ms": 0, "connected": False}, "never"),
        ({"connected": False}, "3 s gone"),
        ({"connected": False, "silent": True, "last_seen_ms": NOW_MS - 7_200_000}, "2 h silent"),
        ({"clock_offset_ms": 40_000}, "-40 s"),
        ({"clock_offset_ms": 20}, "-20 ms"),
        ({"reader": "failed", "battery": -1}, "reader failed"),
        ({"missing": 3, "gaps": ((5, 7),)}, "3 missing: 5-7"),
        ({"missing": 9, "gaps": ((5, 5), (7, 8), (10, 15))}, "9 missing: 5, 7-8, ..."),
        ({"firmware": "\x1b[2Jx"}, "\N{REPLACEMENT CHARACTER}[2Jx"),
        ({"firmware": "[red]x[/red]"}, "[red]x[/red]"),
    ],
)
def test_what_is_unusual_is_seen(change: dict[str, object], said: str) -> None:
    lines = shown(ROW._replace(**change)).splitlines()  # type: ignore[arg-type]
    first, second = lines[1], lines[2]
    # What belongs to a column stands below each other.
    columns = (words(f"{first[at : at + 24]} {second[at : at + 24]}") for at in range(len(first)))
    assert said in words(f"{first} {second}") or any(said in column for column in columns)


def test_a_terminal_of_which_nothing_is_known_takes_one_line() -> None:
    never, there = 0, False
    row = TerminalRow("X", "", "", "", "", b"", there, there, never, 0, 0, -1, "", 0, 0, (), ())
    assert shown(row).splitlines()[1].split() == ["X", "-", "never", "0", "0", "s", "-", "0", "-"]


def test_the_longest_names_fit_into_the_page() -> None:
    row = ROW._replace(terminal="T" * 64, place="p" * 64, firmware="f" * 64, operator="o" * 64)
    text = shown(row)
    assert text.count("T") == 64
    assert text.count("f") >= 64


def test_what_is_left_out_is_said() -> None:
    assert "more with --all" in shown(ROW, rest="GATE-0142", known=9)
    assert "more with" not in shown(ROW)


def test_nothing_is_no_table() -> None:
    assert shown(known=0) == "0 known, 1 connected, 0 silent; 0 shown"
