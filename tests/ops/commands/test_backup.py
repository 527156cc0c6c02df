"""`backup` and `restore`, also while a node is at work in the folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from engine.transaction import Issue, Tap, TopUp
from ops.commands.backup import backup, restore
from storage.verify import verify_folder
from tests.ops.commands.live import appending, run
from tests.storage.city import CARDS, City, write_folder


@pytest.fixture
def city() -> City:
    city = City()
    city.run(Issue(CARDS[0], "account", "dki"), TopUp(CARDS[0], 50_000, "dki"))
    city.shard.checkpoint()
    city.run(*[Tap(CARDS[0], 3500, "transjakarta", "in")] * 3)
    return city


@pytest.fixture
def folder(city: City, tmp_path: Path) -> Path:
    return write_folder(city, tmp_path / "data")


def call(command: str, *arguments: object) -> Result:
    chosen = {"backup": backup, "restore": restore}[command]
    return CliRunner().invoke(chosen, [str(each) for each in arguments])


def test_a_backup_tells_what_it_holds(folder: Path, tmp_path: Path) -> None:
    done = call("backup", folder, tmp_path / "copy", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout) == {"position": 5, "blocks": 2, "views_position": 2}


def test_a_backup_tells_a_person_too(folder: Path, tmp_path: Path) -> None:
    done = call("backup", folder, tmp_path / "copy")
    words = " ".join(done.stdout.split())
    assert "2 blocks up to position 5" in words
    assert "the views stand at position 2" in words


def test_a_restored_folder_ends_where_it_was_asked_to(folder: Path, tmp_path: Path) -> None:
    call("backup", folder, tmp_path / "copy")
    done = call("restore", tmp_path / "copy", tmp_path / "again", "--position", 3, "--json")
    assert json.loads(done.stdout) == {
        "position": 3,
        "blocks": 2,
        "shortened_block": 1,
        "views_position": 2,
    }
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    assert verify_folder(tmp_path / "again", scratch).ok


@pytest.mark.parametrize(
    ("position", "words"),
    [
        (1, "block 0 was cut in two and sealed anew there are no views"),
        (2, "ends at position 2, with 1 blocks the views stand at position 2"),
    ],
)
def test_a_restoration_tells_a_person_too(
    folder: Path, tmp_path: Path, position: int, words: str
) -> None:
    call("backup", folder, tmp_path / "copy")
    done = call("restore", tmp_path / "copy", tmp_path / "again", "--position", position)
    assert words in " ".join(done.stdout.split())


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_what_is_not_there_is_one_clear_line(command: str, tmp_path: Path) -> None:
    done = call(command, tmp_path / "nothing", tmp_path / "copy", "--json")
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.startswith("Error: there is no data folder at")
    assert done.stderr.count("\n") == 1


def test_a_backup_of_a_node_at_work_holds_what_was_acknowledged_before(tmp_path: Path) -> None:
    city = City()
    city.run(Issue(CARDS[0], "account", "dki"), TopUp(CARDS[0], 1_900_000, "dki"))
    for _ in range(3000):
        city.send(Tap(CARDS[0], 100, "transjakarta", "in"))
    path = write_folder(City(), tmp_path / "data")
    with appending(path, city.entries) as durable:
        before = durable[0]
        told = run("backup", path, tmp_path / "copy")
        after = durable[0]
    assert before <= told["position"] <= after
    assert told["views_position"] <= told["position"]
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    report = verify_folder(tmp_path / "copy", scratch)
    assert (report.problems, report.entries) == ((), told["position"])
