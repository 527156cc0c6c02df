"""`owed`: who is owed something for fares."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from engine.transaction import Issue, Tap
from ops.commands.owed import owed
from tests.ops.commands.live import appending, run
from tests.storage.city import CARDS, PROOF, City, write_folder


def advice(card: str = CARDS[0], amount_rp: int = 5_000) -> Tap:
    service = "transjakarta_brt"
    return Tap(card, amount_rp, "transjakarta", "in", proof=PROOF, service=service)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    city = City()
    city.run(*(Issue(card, "stored", "dki") for card in CARDS[:3]))
    city.run(advice(), advice(CARDS[1], 7_000))
    city.shard.checkpoint()
    city.run(Tap(CARDS[2], 0, "mrtj", "out", proof=PROOF, service="transjakarta_brt"))
    return write_folder(city, tmp_path / "data")


def call(*arguments: object) -> Result:
    return CliRunner().invoke(owed, [str(each) for each in arguments])


def test_cards_and_sums_are_told_and_the_largest_by_their_last_digits(folder: Path) -> None:
    told: dict[str, Any] = json.loads(call("--data", folder, "--json").stdout)
    assert told == {
        "position": 6,
        "cards_owed": 2,
        "owed_to_cards_rp": 12_000,
        "cards_owing": 1,
        "owed_by_cards_rp": 3_500,
        "balance_rp": 8_500,
        "largest": [{"card": "...0002", "owed_rp": 7_000}, {"card": "...0001", "owed_rp": 5_000}],
    }


def test_a_person_gets_a_table_and_the_file_all_of_them(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "owed.csv"
    done = call("--data", folder, "--csv", path)
    assert done.exit_code == 0
    assert "2 cards are owed Rp12,000; 1 cards owe Rp3,500" in done.stdout
    assert CARDS[0] not in done.stdout
    lines = path.read_text().splitlines()
    assert lines == ["card,owed_rp", f"{CARDS[1]},7000", f"{CARDS[0]},5000", f"{CARDS[2]},-3500"]
    again = call("--data", folder, "--csv", path)
    assert again.exit_code == 1
    assert "File exists" in again.stderr


def test_a_folder_that_has_no_views_yet_is_read_from_its_journal(folder: Path) -> None:
    before = call("--data", folder, "--json").stdout
    for file in (folder / "views").iterdir():
        file.unlink()
    (folder / "views").rmdir()
    assert call("--data", folder, "--json").stdout == before


def test_what_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    done = call("--data", tmp_path / "nothing")
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: there is no data folder at")


def test_a_node_may_be_at_work_meanwhile(tmp_path: Path) -> None:
    city = City()
    for _ in range(1_000):
        city.send(Tap(CARDS[0], 3_500, "mrtj", "out", proof=PROOF, service="royaltrans"))
        city.now_ms += 60_000
    path = write_folder(City(), tmp_path / "data")
    with appending(path, city.entries) as durable:
        before = durable[0]
        told = run("owed", "--data", path)
    assert told["position"] >= before
    # Each of these tap-outs without a tap-in was due Rp20,000.
    assert told["balance_rp"] == -16_500 * told["position"]
