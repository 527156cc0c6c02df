"""`verify`: its keys, its exit status, and a node at work in the folder."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from engine.transaction import Issue, Tap, TopUp
from ops.commands.verify import verify
from storage.journal import BLOCKS
from storage.journal import TABLES as JOURNAL_TABLES
from storage.lmdb_store import LmdbStore
from storage.view_rows import CARDS as CARD_ROWS
from storage.view_rows import VIEWS_TABLES
from tests.ops.commands.live import appending, run
from tests.storage.city import CARDS, City, write_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    city = City()
    city.run(Issue(CARDS[0], "account", "dki"), TopUp(CARDS[0], 50_000, "dki"))
    city.run(*[Tap(CARDS[0], 3500, "transjakarta", "in")] * 3)
    city.shard.checkpoint()
    return write_folder(city, tmp_path / "data")


def call(*arguments: object) -> Result:
    return CliRunner().invoke(verify, [str(each) for each in arguments])


def damage_journal(folder: Path) -> None:
    with closing(LmdbStore(folder / "journal", tables=JOURNAL_TABLES)) as store:
        ((key, value),) = store.scan_back(BLOCKS, limit=1)
        store.write([(BLOCKS, key, value[:-1] + b"?")])


def damage_views(folder: Path, rows: int) -> None:
    with closing(LmdbStore(folder / "views", tables=VIEWS_TABLES)) as store:
        store.write((CARD_ROWS, b"ghost [%d]" % number, b"") for number in range(rows))


def test_a_sound_folder_ends_with_status_0(folder: Path) -> None:
    done = call(folder, "--json")
    told = json.loads(done.stdout)
    assert done.exit_code == 0
    assert told.pop("took_s") >= 0
    assert told == {
        "ok": True,
        "blocks": 2,
        "entries": 5,
        "sum_of_accounts_rp": 0,
        "first_bad_block": None,
        "problems": [],
        "problems_found": 0,
        "cards": 1,
        "exceptions": 0,
        "duplicates": 0,
        "views_position": 5,
    }


def test_a_damaged_journal_ends_with_status_1_and_the_block(folder: Path) -> None:
    damage_journal(folder)
    done = call(folder, "--json")
    told = json.loads(done.stdout)
    assert done.exit_code == 1
    assert (told["ok"], told["first_bad_block"], told["blocks"]) == (False, 1, 1)


def test_a_sound_folder_is_told_to_a_person(folder: Path) -> None:
    done = call(folder)
    assert done.exit_code == 0
    assert "2 blocks, 5 entries, 1 cards, 0 exceptions" in done.stdout
    assert "sum over all accounts: Rp0" in done.stdout
    assert "everything is as it was written" in done.stdout


def test_damage_is_told_to_a_person(folder: Path) -> None:
    damage_journal(folder)
    done = call(folder)
    assert done.exit_code == 1
    words = " ".join(done.stdout.split())
    assert "block 1 of the journal is damaged" in words
    assert "1 problems, first in block 1" in words


def test_so_many_problems_are_told_and_the_rest_counted(folder: Path) -> None:
    damage_views(folder, 130)
    done = call(folder)
    assert done.exit_code == 1
    words = " ".join(done.stdout.split())
    assert "ghost [10]: this row says what the journal does not say" in words
    assert "... and 30 more 130 problems" in words
    assert "first in block" not in words


def test_a_folder_without_views_is_fine(folder: Path) -> None:
    for file in (folder / "views").iterdir():
        file.unlink()
    (folder / "views").rmdir()
    done = call(folder)
    assert done.exit_code == 0
    assert "there are no views" in done.stdout


def test_what_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    done = call(tmp_path / "nothing", "--json")
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: there is no data folder at")
    told = json.loads(done.stdout)
    assert (told["ok"], told["blocks"], told["entries"]) == (False, 0, 0)
    assert "there is no data folder at" in told["problems"][0]
    assert call(tmp_path / "nothing").stdout == ""


def test_the_work_is_done_where_it_is_said(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    assert call(folder, "--scratch", place).exit_code == 0
    assert not list(place.iterdir()), "and nothing is left there"
    assert call(folder, "--scratch", tmp_path / "nowhere").exit_code == 2
    done = call(folder, "--scratch", "/proc", "--json")
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: ")
    assert not json.loads(done.stdout)["ok"]


def test_a_folder_in_which_a_node_is_at_work_is_verified(tmp_path: Path) -> None:
    city = City()
    city.run(Issue(CARDS[0], "account", "dki"), TopUp(CARDS[0], 1_900_000, "dki"))
    for _ in range(3000):
        city.send(Tap(CARDS[0], 100, "transjakarta", "in"))
    path = write_folder(City(), tmp_path / "data")
    with appending(path, city.entries) as durable:
        before = durable[0]
        told = run("verify", path)
        after = durable[0]
    assert told["problems"] == []
    assert before <= told["entries"] <= after
    assert told["views_position"] >= 50
