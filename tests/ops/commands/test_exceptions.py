"""`exceptions`: what was posted although the ledger dislikes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from engine.transaction import Issue, Tap, TopUp
from ops.commands.exceptions import exceptions
from tests.ops.commands.live import appending, run
from tests.storage.city import CARDS, PROOF, City, write_folder


def advice(card: str = CARDS[0]) -> Tap:
    return Tap(card, 3500, "transjakarta", "in", proof=PROOF)


@pytest.fixture
def city() -> City:
    city = City()
    city.run(Issue(CARDS[0], "account", "dki"), TopUp(CARDS[0], 50_000, "dki"))
    city.run(advice(), advice(CARDS[1]))
    city.shard.checkpoint()
    city.run(advice())
    return city


@pytest.fixture
def folder(city: City, tmp_path: Path) -> Path:
    return write_folder(city, tmp_path / "data")


def call(*arguments: object) -> Result:
    return CliRunner().invoke(exceptions, [str(each) for each in arguments])


def told(*arguments: object) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(call(*arguments, "--json").stdout)
    return result


def test_exceptions_are_listed_newest_first_with_card_and_reasons(folder: Path, city: City) -> None:
    result = told(folder)
    assert result["next"] == -1
    assert [each["position"] for each in result["exceptions"]] == [4, 3, 2]
    assert result["exceptions"][1] == {
        "position": 3,
        "card": CARDS[1],
        "reasons": ["card_unknown", "below_floor"],
        "rule": "card.status",
        "article": "",
        "field": "card",
        "terminal": "GATE-1",
        "counter": 4,
        "decided_ms": city.entries[3].decided_ms,
        "amount_rp": 3500,
    }


def test_the_article_behind_a_reason_is_told(folder: Path) -> None:
    city = City()
    city.run(Issue(CARDS[0], "stored", "dki"), advice())
    found = told(write_folder(city, folder.parent / "poor"))["exceptions"][0]
    assert found["rule"].startswith("purse.unregistered@")
    assert found["article"].startswith("Peraturan Bank Indonesia")
    assert found["field"] == "amount_rp"


def test_what_no_chip_has_proved_is_listed_with_what_is_claimed(folder: Path) -> None:
    city = City()
    forged = Tap(CARDS[0], 3500, "transjakarta", "in", proof=b"of no chip")
    city.run(Issue(CARDS[0], "stored", "dki"), forged)
    found = told(write_folder(city, folder.parent / "forged"))["exceptions"][0]
    assert (found["reasons"], found["rule"]) == (["proof_forged"], "card.chip")
    assert (found["amount_rp"], found["terminal"]) == (3500, "GATE-1")


def test_a_long_list_comes_in_pages(folder: Path) -> None:
    first = told(folder, "--limit", 2)
    assert ([each["position"] for each in first["exceptions"]], first["next"]) == ([4, 3], 3)
    second = told(folder, "--limit", 2, "--before", first["next"])
    assert ([each["position"] for each in second["exceptions"]], second["next"]) == ([2], -1)


def test_a_person_gets_a_table(folder: Path) -> None:
    done = call(folder, "--limit", 2)
    assert done.exit_code == 0
    assert CARDS[1] in done.stdout
    assert "more with --before 3" in done.stdout
    assert "more with" not in call(folder).stdout


def test_a_folder_that_has_no_views_yet_is_read_from_its_journal(folder: Path) -> None:
    for file in (folder / "views").iterdir():
        file.unlink()
    (folder / "views").rmdir()
    assert [each["position"] for each in told(folder)["exceptions"]] == [4, 3, 2]


def test_what_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    done = call(tmp_path / "nothing", "--json")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: there is no data folder at")


def test_a_node_may_be_at_work_meanwhile(tmp_path: Path) -> None:
    city = City()
    for _ in range(1000):
        city.send(advice())
    path = write_folder(City(), tmp_path / "data")
    with appending(path, city.entries) as durable:
        before = durable[0]
        result = run("exceptions", path, "--limit", "20")
    positions = [each["position"] for each in result["exceptions"]]
    assert positions[0] >= before - 1
    assert positions == list(range(positions[0], positions[0] - 20, -1))
