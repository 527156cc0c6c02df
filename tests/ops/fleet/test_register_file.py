"""Files of terminals to register."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from ops.fleet.register_file import Registration, read_registrations


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "gates.csv"
    path.write_text(text)
    return path


def test_terminals_are_read_with_their_lines(tmp_path: Path) -> None:
    path = written(tmp_path, "kind,terminal,place\ngate, GATE-1 ,Blok M\nbus,BUS-7,\n")
    assert read_registrations(path) == [
        Registration(2, "GATE-1", "gate", "Blok M", ""),
        Registration(3, "BUS-7", "bus", "", ""),
    ]


def test_all_that_is_wrong_is_told_with_line_and_column(tmp_path: Path) -> None:
    rows = [
        "GATE 1,gate,Blok M,mrtj",
        "GATE-2,gat,Blok M,mrtj",
        f"GATE-3,gate,{'x' * 65},mrtj",
        "GATE-4,gate,Blok M,m/r",
        "GATE-2,,Blok M,mrtj",
        "GATE-5,gate",
    ]
    path = written(tmp_path, "\n".join(["terminal,kind,place,operator", *rows]))
    with pytest.raises(click.ClickException) as caught:
        read_registrations(path)
    told = [line.partition(": ")[0] for line in caught.value.message.splitlines()[1:]]
    assert told == [
        "line 2, column terminal",
        "line 3, column kind",
        "line 4, column place",
        "line 5, column operator",
        "line 6, column kind",
        "line 6, column terminal",
        "line 7",
    ]
    assert "GATE-2 stands in line 3 too" in caught.value.message


def test_reading_ends_with_the_twentieth_fault(tmp_path: Path) -> None:
    path = written(tmp_path, "terminal,kind\n" + "a b,gate\n" * 30)
    with pytest.raises(click.ClickException) as caught:
        read_registrations(path)
    assert caught.value.message.endswith("there may be more")
