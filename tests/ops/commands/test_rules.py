"""`jakarta-one rules`: what is in force, why, and what is wrong with a file."""

from __future__ import annotations

import json
import shutil
import textwrap
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from engine.rules.listed import texts_of
from ops.cli import main
from ops.fleet.list_rows import read_entries
from tests.engine.fares.test_network_file import head, line
from tests.engine.rules.written import limit, rule, text_of

FARE = 'services = ["transjakarta_brt"]\namount_rp = 5_000\n'


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["rules", *map(str, words)], env={"COLUMNS": "100"})


def told(*words: str | Path, status: int = 0) -> dict[str, Any]:
    done = call(*words, "--json")
    assert done.exit_code == status, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture
def decrees(tmp_path: Path) -> Path:
    """A folder with the fare of next year."""
    text = text_of("fare-2027", rule("fare.transjakarta", "flat_fare", FARE, since="2027-01-01"))
    (tmp_path / "fare-2027.toml").write_text(text)
    (tmp_path / "notes.txt").write_text("no instrument")
    return tmp_path


def test_what_comes_with_the_program_is_valid() -> None:
    found = told("check")
    assert (found["valid"], found["faults"]) == (True, [])
    assert found["instruments"] == 18
    assert (found["networks"], found["lines"]) == (3, 4)
    assert call("check").stdout == (
        "33 versions of rules in 18 instruments, 4 lines in 3 networks: all are valid\n"
    )


def test_a_new_file_is_all_that_a_new_fare_takes(decrees: Path) -> None:
    assert told("check", "--rules", decrees)["versions"] == 34
    for on, version, instrument in (
        ("2026-12-31", "2005-01-01", "sk-gub-1912-2005"),
        ("2027-01-01", "2027-01-01", "fare-2027"),
    ):
        rows = told("list", "--rules", decrees, "--on", on)["rules"]
        found = {row["rule"]: row["instrument"] for row in rows}
        assert found[f"fare.transjakarta@{version}"] == instrument
    before, after = told("explain", "fare.transjakarta", "--rules", decrees)["versions"]
    assert (before["until"], after["until"]) == ("2026-12-31", None)
    assert after["figures"] == {
        "services": ["transjakarta_brt"],
        "amount_rp": 5_000,
        "windows": [],
    }


def test_the_file_that_is_shown_is_one(decrees: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "operations.md").read_text(encoding="utf-8")
    begin = page.index("    [instrument]\n")
    shown = page[begin : page.index("\n\nThe kinds and their fields", begin)]
    (decrees / "fare-2027.toml").write_text(textwrap.dedent(shown))
    (*_, found) = told("explain", "fare.transjakarta", "--rules", decrees)["versions"]
    assert (found["instrument"], found["figures"]["amount_rp"]) == ("fare-2027", 5_000)


def test_a_file_takes_the_place_of_the_one_of_its_name(tmp_path: Path) -> None:
    name = "pbi-20-6-2018.toml"
    source = files("engine.rules") / "instruments" / name
    text = source.read_text(encoding="utf-8").replace("ceiling_rp = 2_000_000", "ceiling_rp = 3")
    (tmp_path / name).write_text(text)
    (found,) = told("explain", "purse.unregistered", "--rules", tmp_path)["versions"]
    assert found["figures"]["ceiling_rp"] == 3
    assert found["place"] == f"{tmp_path / name}:7"


def test_what_is_wrong_is_told_with_file_line_and_rule(decrees: Path) -> None:
    wrong = decrees / "wrong.toml"
    wrong.write_text(text_of("wrong", limit("registered", "ceiling_rp = -1")))
    (decrees / "latin.toml").write_bytes(b"# a\n# \xe9\n")
    (decrees / "gone.toml").symlink_to(decrees / "nowhere")
    found = told("check", "--rules", decrees, status=1)
    assert not found["valid"]
    assert [(fault["file"], fault["line"], fault["rule"]) for fault in found["faults"]] == [
        (f"{decrees}/gone.toml", 1, ""),
        (f"{decrees}/latin.toml", 2, ""),
        (str(wrong), 17, "purse.registered"),
    ]
    done = call("check", "--rules", decrees)
    assert f"{wrong}:17: purse.registered: ceiling_rp: expected `int` >= 0" in done.stdout
    refused = call("list", "--rules", decrees)
    assert refused.exit_code == 1
    assert f"{wrong}:17: purse.registered: " in refused.stderr


def test_two_files_that_contradict_each_other_are_told(decrees: Path) -> None:
    shutil.copy(decrees / "fare-2027.toml", decrees / "again.toml")
    text = (decrees / "again.toml").read_text().replace('"fare-2027"', '"again"')
    (decrees / "again.toml").write_text(text)
    ((fault),) = told("check", "--rules", decrees, status=1)["faults"]
    assert fault["rule"] == "fare.transjakarta"
    assert "so does the version at" in fault["what"]


def test_a_list_shows_what_holds_on_a_day_or_everything() -> None:
    shown = call("list", "--on", "2022-10-03").stdout
    assert "fare.integrated" not in shown
    assert "fare.integrated@2022-10-04" in call("list", "--on", "2022-10-04").stdout
    assert "fare.krl@2015-04-01" in call("list", "--all").stdout
    assert told("list", "--all")["on"] is None
    today = told("list")
    assert today["on"] >= "2026-11-28"


def test_a_rule_is_explained_in_both_languages() -> None:
    shown = call("explain", "fare.integrated", "--on", "2024-05-06").stdout
    assert "Keputusan Gubernur DKI Jakarta Nomor 733 Tahun 2022, tarif integrasi" in shown
    assert "paling banyak Rp10.000" in shown
    assert "Rp10,000 at most" in shown
    assert "base_rp = 2500" in shown
    assert "kepgub-733-2022.toml:7" in shown
    groups = call("explain", "free_ride", "--on", "2026-01-01").stdout
    assert "    groups:\n      1, kjp, penerima KJP Plus dan KJMU, holders of" in groups
    table = call("explain", "fare.mrt").stdout
    assert "    amounts_rp:\n      3000, 4000, 5000, " in table
    assert "    services = mrt\n" in table
    ended = call("explain", "waiver.rusun_rent").stdout
    assert "from 2020-04-13 to 2023-06-30, grade C" in ended


def test_what_is_not_disabled_says_nothing_of_it_and_what_is_does(decrees: Path) -> None:
    off = rule("fare.caps", "flat_fare", "enabled = false\n" + FARE)
    (decrees / "caps.toml").write_text(text_of("caps", off))
    assert "fare.caps@2019-01-01 (off)" in call("list", "--all", "--rules", decrees).stdout
    assert "fare.caps" not in call("list", "--rules", decrees).stdout


def test_what_there_is_not_is_said() -> None:
    unknown = call("explain", "fare.tram")
    assert (unknown.exit_code, "there is no rule fare.tram" in unknown.stderr) == (2, True)
    early = call("explain", "fare.integrated", "--on", "2020-01-01")
    assert (early.exit_code, "did not hold on 2020-01-01" in early.stderr) == (1, True)


def test_a_node_takes_no_rules_that_are_wrong(tmp_path: Path, decrees: Path) -> None:
    (decrees / "wrong.toml").write_text("x")
    words = ["serve", "--data", str(tmp_path / "data"), "--rules", str(decrees)]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 1
    assert "wrong.toml:1: no TOML" in done.stderr


def test_a_fare_is_told_with_its_rule() -> None:
    ride = ("fare", "transjakarta_brt", "P00142", "P00253", "--at")
    early = told(*ride, "2023-04-03T05:21:44")
    assert (early["amount_rp"], early["inputs"]) == (
        2_000,
        {"hours": "05:00-07:00", "else_rp": 3_500},
    )
    assert early["rule"]["title"] == "Keputusan Gubernur DKI Jakarta Nomor 1912 Tahun 2005"
    assert told(*ride, "2023-04-03T07:00")["amount_rp"] == 3_500
    shown = call("fare", "mrt", "Blok M", "Bundaran HI", "--at", "2026-11-28T06:40").stdout
    assert " by fare.mrt@2019-04-01\n" in shown
    assert "to = Bundaran HI" in shown
    assert told("fare", "mikrotrans", "a", "b")["amount_rp"] == 0


def test_a_fare_by_distance_needs_a_network(tmp_path: Path) -> None:
    ride = ("fare", "krl", "A", "C")
    done = call(*ride)
    assert done.exit_code == 1
    assert "does not know the destination; a fare by distance needs --network" in done.stderr
    early = call("fare", "krl", "A", "B", "--at", "2014-01-01T07:00")
    assert "no rule holds for krl on that day" in early.stderr
    stations = tmp_path / "a.toml"
    stations.write_text(head() + line())
    found = told(*ride, "--network", stations, "--at", "2026-11-28T07:00")
    assert (found["amount_rp"], found["inputs"]["metres"]) == (3_000, 21_500)
    nowhere = call("fare", "krl", "A", "Z", "--network", stations)
    assert nowhere.stderr == "Error: fare.krl@2016-10-01 does not know the destination\n"
    nothing = call(*ride, "--network", Path(__file__).parent)
    assert "there is neither a file *.toml nor a GTFS feed in this folder" in nothing.stderr


def test_a_fare_by_distance_is_told_on_the_network_that_comes_with_the_program() -> None:
    ride = ("fare", "lrt_jabodebek", "Cawang", "Halim", "--at", "2026-11-28T06:40")
    assert told(*ride)["amount_rp"] == 7_100


def test_networks_are_checked_beside_the_rules(decrees: Path, tmp_path: Path) -> None:
    (decrees / "wrong.toml").write_text("x")
    stations = tmp_path / "stations" / "a.toml"
    stations.parent.mkdir()
    stations.write_text(head() + line('["A", 1], ["B", 1]'))
    words = ("check", "--rules", decrees, "--network", stations.parent)
    found = told(*words, status=1)
    assert (found["valid"], found["versions"], found["networks"]) == (False, 0, 0)
    assert [(fault["file"], fault["line"], fault["rule"]) for fault in found["faults"]] == [
        (f"{decrees}/wrong.toml", 1, ""),
        (str(stations), 9, "krl-1"),
    ]
    assert f"{stations}:9: krl-1: stations: A is the first, and" in call(*words).stdout


def test_the_network_that_is_shown_is_one(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "operations.md").read_text(encoding="utf-8")
    begin = page.index("    [network]\n")
    shown = page[begin : page.index("\n\nA line goes both ways", begin)]
    (tmp_path / "krl.toml").write_text(textwrap.dedent(shown))
    found = told("check", "--network", tmp_path)
    assert (found["networks"], found["lines"]) == (4, 6)
    ride = ("fare", "krl", "Bogor", "Bekasi", "--at", "2026-11-28T06:40")
    assert told(*ride, "--network", tmp_path)["amount_rp"] == 7_000


def test_instruments_are_packed_as_a_list_that_terminals_can_read(
    decrees: Path, tmp_path: Path
) -> None:
    done = call("pack", decrees)
    assert done.exit_code == 0, done.output
    file = tmp_path / "rules.csv"
    file.write_text(done.stdout)
    wanted = read_entries(file, "rules", whole=True)
    entries = [(key, value) for key, value in wanted.entries.items() if value is not None]
    assert texts_of(entries) == {"fare-2027.toml": (decrees / "fare-2027.toml").read_text()}


def test_instruments_with_faults_are_not_packed(decrees: Path) -> None:
    (decrees / "fare-2027.toml").write_text("[instrument")
    assert call("pack", decrees).exit_code == 1
    (decrees / "fare-2027.toml").unlink()
    (decrees / "Next Year.toml").write_text(
        text_of("Next Year", rule("fare.transjakarta", "flat_fare", FARE, since="2027-01-01"))
    )
    done = call("pack", decrees)
    assert done.exit_code == 1
    assert "Next Year" in done.output
