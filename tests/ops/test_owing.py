"""What cards are owed is shown without their names, and written for one reader alone."""

from __future__ import annotations

import io
import stat
from pathlib import Path

import click
import pytest
from rich.console import Console

from ops.owing import Owing, private_file

BALANCES = {"6013000000000001": 1_500, "6013000000000002": -700, "601": 0, "6013": 3_500}


def test_the_largest_come_first_and_those_that_owe_last() -> None:
    owing = Owing(BALANCES)
    assert owing.cards == [("6013", 3_500), ("6013000000000001", 1_500), ("6013000000000002", -700)]
    assert owing.as_json() == {
        "cards_owed": 2,
        "owed_to_cards_rp": 5_000,
        "cards_owing": 1,
        "owed_by_cards_rp": 700,
        "balance_rp": 4_300,
        "largest": [{"card": "...", "owed_rp": 3_500}, {"card": "...0001", "owed_rp": 1_500}],
    }


def test_only_the_ten_largest_are_shown() -> None:
    owing = Owing({f"{number:016}": 500 * number for number in range(1, 30)})
    assert [rp for _, rp in owing.largest()] == [500 * number for number in range(29, 19, -1)]


def test_no_name_of_a_card_is_shown_whole() -> None:
    said = io.StringIO()
    Owing(BALANCES).show(Console(file=said, width=100))
    assert "2 cards are owed Rp5,000; 1 cards owe Rp700" in said.getvalue()
    assert "6013000000000001" not in said.getvalue()
    assert "...0001" in said.getvalue()


def test_where_nothing_is_owed_there_is_no_table() -> None:
    said = io.StringIO()
    Owing({}).show(Console(file=said, width=100))
    assert said.getvalue().splitlines() == ["0 cards are owed Rp0; 0 cards owe Rp0"]


def test_the_file_has_all_of_them_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "owed.csv"
    with private_file(path) as file:
        Owing(BALANCES).write(file)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().splitlines() == [
        "card,owed_rp",
        "6013,3500",
        "6013000000000001,1500",
        "6013000000000002,-700",
    ]
    with pytest.raises(click.ClickException, match="File exists"), private_file(path):
        pass
    assert path.read_text().startswith("card,owed_rp")


def test_a_file_that_was_not_finished_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "owed.csv"
    with pytest.raises(ZeroDivisionError), private_file(path) as file:
        file.write(f"{1 // 0}")
    assert not path.exists()
