"""`jakarta-one rules rehearse`: what a period would have cost by other rules."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from engine.transaction import Close, Replace, Revoke
from ops.cli import main
from tests.engine.rules.written import rule, text_of
from tests.ops.commands.live import appending, run
from tests.ops.rehearsal.place import DEARER, Riders, law, some_rides

FREE = """
programme = "free_ride"
services = ["transjakarta_brt"]
percent = {percent}
card_months = 6
groups = [{{ number = 8, name = "elderly", who_id = "lansia", who_en = "the old" }}]
"""


def call(*words: str | Path) -> Result:
    words = ("rules", "rehearse", *words)
    return CliRunner().invoke(main, [*map(str, words)], env={"COLUMNS": "140"})


def told(*words: str | Path) -> dict[str, Any]:
    done = call(*words, "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture
def riders() -> Riders:
    return some_rides()


@pytest.fixture
def folder(riders: Riders, tmp_path: Path) -> Path:
    return riders.write(tmp_path / "data")


@pytest.fixture
def dearer(tmp_path: Path) -> Path:
    return put(tmp_path, "fare-2027", DEARER)


def put(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text)
    return path


def before_after(found: dict[str, Any], whose: str) -> tuple[int, int]:
    return found[whose]["before"], found[whose]["after"]


def everything(path: Path) -> dict[str, bytes]:
    """Return the files of a folder; LMDB keeps its readers in lock.mdb, which holds no data."""
    files = (file for file in path.rglob("*") if file.is_file())
    return {str(file): b"" if file.name == "lock.mdb" else file.read_bytes() for file in files}


def test_a_dearer_fare_is_counted_by_hand(folder: Path, dearer: Path) -> None:
    # A rides early: Rp2,000 as before. B rides twice: 2 x 5,000 instead of 2 x 3,500. E is free,
    # and the fund pays 5,000 instead of 3,500. C takes the metro for Rp3,000.
    found = told(dearer, "--journal", folder, "--from", "2025-11-01", "--to", "2025-11-30")
    assert found["cards"] == {"all": 4, "more": 1, "less": 0, "same": 3}
    assert (found["from"], found["to"], found["as_if"]) == (
        *("2025-11-01", "2025-11-30"),
        "2025-11-01",
    )
    assert found["rules"] == [
        {
            "rule": "fare.transjakarta",
            "proposed_from": "2027-01-01",
            "rehearsed_from": "2025-11-01",
            "enabled": True,
        }
    ]
    assert before_after(found["total"], "holders_rp") == (12_000, 15_000)
    assert before_after(found["total"], "funds_rp") == (3_500, 5_000)
    assert before_after(found["total"], "operators_rp") == (15_500, 20_000)
    assert (found["total"]["taps"], found["posted_operators_rp"]) == (10, 15_500)
    lines = {each["line"]: before_after(each, "operators_rp") for each in found["lines"]}
    assert lines == {"": (3_000, 3_000), "1": (9_000, 12_000), "2": (3_500, 5_000)}
    groups = {each["group"]: before_after(each, "funds_rp") for each in found["groups"]}
    assert groups == {"none": (0, 0), "free_ride/elderly": (3_500, 5_000)}
    assert found["operators"] == [
        {"operator": "mrtj", "before_rp": 3_000, "after_rp": 3_000},
        {"operator": "transjakarta", "before_rp": 12_500, "after_rp": 17_000},
    ]
    assert found["programmes"] == [
        {"programme": "free_ride", "before_rp": 3_500, "after_rp": 5_000}
    ]
    assert not found["not_rated"]


def test_groups_services_and_lines_sum_up_to_the_totals(folder: Path, dearer: Path) -> None:
    found = told(dearer, "--journal", folder)
    for whose in ("holders_rp", "funds_rp", "operators_rp"):
        for parts in ("groups", "services", "lines"):
            sums = [sum(each[whose][when] for each in found[parts]) for when in ("before", "after")]
            assert tuple(sums) == before_after(found["total"], whose)
    assert found["total"]["taps"] == sum(each["taps"] for each in found["lines"])


def test_without_a_period_the_days_are_those_of_the_taps(folder: Path, dearer: Path) -> None:
    found = told(dearer, "--journal", folder)
    assert (found["from"], found["to"], found["as_if"]) == (
        *("2025-11-03", "2025-11-04"),
        "2025-11-03",
    )


def test_cards_are_told_of_by_pseudonyms_or_not_at_all(folder: Path, dearer: Path) -> None:
    (largest,) = told(dearer, "--journal", folder)["largest"]
    assert (largest["before_rp"], largest["after_rp"]) == (7_000, 10_000)
    assert largest["card"][0] == "*"
    assert largest["card"] in call(dearer, "--journal", folder).stdout
    (folder / "pseudonyms").unlink()
    (largest,) = told(dearer, "--journal", folder)["largest"]
    assert largest["card"] is None
    assert "pseudonym" not in call(dearer, "--journal", folder).stdout
    assert not (folder / "pseudonyms").exists()


def test_a_day_may_be_named_on_which_it_begins(folder: Path, dearer: Path) -> None:
    # Of the rides at full fare only the free one is on the fourth.
    found = told(dearer, "--journal", folder, "--as-if", "2025-11-04")
    assert found["rules"][0]["rehearsed_from"] == "2025-11-04"
    assert before_after(found["total"], "holders_rp") == (12_000, 12_000)
    assert before_after(found["total"], "funds_rp") == (3_500, 5_000)


def test_a_file_takes_the_place_of_the_one_in_force(folder: Path, tmp_path: Path) -> None:
    fare = 'services = ["transjakarta_brt", "transjakarta_non_brt"]\namount_rp = 1_000\n'
    text = text_of(
        "sk-gub-1912-2005", rule("fare.transjakarta", "flat_fare", fare, since="2005-01-01")
    )
    found = told(put(tmp_path, "sk-gub-1912-2005", text), "--journal", folder)
    assert found["cards"] == {"all": 4, "more": 0, "less": 2, "same": 2}
    assert before_after(found["total"], "holders_rp") == (12_000, 6_000)
    assert not found["largest"]


def test_a_group_that_pays_a_half_and_a_rule_that_is_not_enabled(
    folder: Path, tmp_path: Path
) -> None:
    figures = "enabled = false\n" + FREE.format(percent=50)
    text = text_of("half", rule("free_ride", "free_ride", figures, since="2027-01-01"))
    found = told(put(tmp_path, "half", text), "--journal", folder)
    assert found["rules"][0]["enabled"] is False
    assert before_after(found["total"], "holders_rp") == (12_000, 13_750)
    assert before_after(found["total"], "funds_rp") == (3_500, 1_750)
    assert before_after(found["total"], "operators_rp") == (15_500, 15_500)
    text = call(put(tmp_path, "half", text), "--journal", folder).stdout
    assert "as if from 2025-11-03; it says 2027-01-01; it is not enabled" in text


def test_a_cap_is_paid_by_its_programme(folder: Path, tmp_path: Path) -> None:
    figures = 'services = ["transjakarta_brt"]\nprogramme = "cap"\nday_rp = 5_000\n'
    text = text_of("cap", rule("cap.day", "fare_cap", figures, since="2027-01-01"))
    found = told(put(tmp_path, "cap", text), "--journal", folder)
    # B paid 7,000 on one day.
    assert before_after(found["total"], "holders_rp") == (12_000, 10_000)
    assert before_after(found["total"], "funds_rp") == (3_500, 5_500)
    assert before_after(found["total"], "operators_rp") == (15_500, 15_500)
    assert found["programmes"][0] == {"programme": "cap", "before_rp": 0, "after_rp": 2_000}


def test_a_week_goes_on_into_the_period(tmp_path: Path) -> None:
    riders = Riders(law(), "2025-10-31 12:00")
    riders.card("A")
    for day in (3, 4, 5):
        riders.ride(f"2025-11-0{day} 08:00", "08:30", "A")
    folder = riders.write(tmp_path / "data")
    figures = 'services = ["transjakarta_brt"]\nprogramme = "cap"\nweek_rp = 8_000\n'
    text = text_of("cap", rule("cap.week", "fare_cap", figures, since="2025-01-01"))
    found = told(put(tmp_path, "cap", text), "--journal", folder, "--from", "2025-11-05")
    # 7,000 were paid before; 1,000 is left of the week.
    assert found["total"]["taps"] == 2
    assert before_after(found["total"], "holders_rp") == (3_500, 1_000)


def test_the_integrated_fare_is_changed_and_the_change_stands_at_the_tap_that_caused_it(
    tmp_path: Path,
) -> None:
    riders = Riders(law(), "2025-10-31 12:00")
    riders.card("A")
    riders.ride("2025-11-03 08:00", "08:10", "A", "Blok M", "Bundaran HI", service="mrt", line="m")
    out = riders.ride("2025-11-03 08:20", "08:50", "A")
    assert out.rule.startswith("fare.integrated@")
    folder = riders.write(tmp_path / "data")
    program = Path(__file__).parents[3] / "engine" / "rules" / "instruments"
    text = (program / "kepgub-733-2022.toml").read_text(encoding="utf-8")
    text = text.replace("cap_rp = 10_000", "cap_rp = 9_000")
    found = told(put(tmp_path, "kepgub-733-2022", text), "--journal", folder)
    # The way of the bus is not known to the network: the cap, of which the metro was paid before.
    assert before_after(found["total"], "holders_rp") == (10_000, 9_000)
    lines = {each["line"]: before_after(each, "holders_rp") for each in found["lines"]}
    assert lines == {"m": (8_000, 8_000), "1": (2_000, 1_000)}


def test_a_card_that_takes_over_goes_on_with_what_was_granted(
    riders: Riders, tmp_path: Path, dearer: Path
) -> None:
    riders.send(Replace("E", "F"))
    riders.ride("2025-11-05 09:00", "09:30", "F")
    riders.send(Revoke("F", "free_ride", "sold"))
    riders.ride("2025-11-06 09:00", "09:30", "F")
    riders.send(Close("A"))
    found = told(dearer, "--journal", riders.write(tmp_path / "data"), "--from", "2025-11-05")
    groups = {each["group"]: each for each in found["groups"]}
    assert before_after(groups["free_ride/elderly"], "funds_rp") == (3_500, 5_000)
    assert before_after(groups["none"], "holders_rp") == (3_500, 5_000)
    assert found["cards"]["all"] == 1


def test_taps_that_the_other_rules_do_not_know_are_left_out_of_both(
    folder: Path, tmp_path: Path
) -> None:
    stations = 'services = ["mrt"]\nstations = ["x", "y"]\namounts_rp = [[1, 2], [2, 1]]\n'
    text = text_of("tracks", rule("fare.mrt", "table_fare", stations, since="2027-01-01"))
    path = put(tmp_path, "tracks", text)
    found = told(path, "--journal", folder)
    assert found["not_rated"] == {"place_unknown": 2}
    assert before_after(found["total"], "operators_rp") == (12_500, 12_500)
    text = call(path, "--journal", folder).stdout
    assert "left out: 2 taps that the rules of one side do not know (place_unknown)" in text
    assert "are --rules and --network those of the node?" in text


def test_a_person_gets_tables_and_bars(folder: Path, dearer: Path) -> None:
    text = call(dearer, "--journal", folder).stdout
    assert "10 taps of 4 cards, 2025-11-03 to 2025-11-04" in text
    assert "fare.transjakarta as if from 2025-11-03; it says 2027-01-01" in text
    assert "cards: 1 pay more, 0 less, 3 the same" in text
    assert "are --rules" not in text
    table = [line.split() for line in text.splitlines()]
    assert ["holders", "pay", "12,000", "15,000", "+3,000"] in table
    assert ["funds", "pay", "3,500", "5,000", "+1,500"] in table
    assert ["operators", "get", "15,500", "20,000", "+4,500"] in table
    (row,) = [line for line in text.splitlines() if line.startswith("transjakarta_brt")]
    assert "+3,000" in row
    assert row.rstrip().endswith("\N{FULL BLOCK}")


def test_the_chart_is_a_picture_with_all_names(folder: Path, dearer: Path, tmp_path: Path) -> None:
    told(dearer, "--journal", folder, "--chart", tmp_path / "chart.svg")
    root = ET.fromstring((tmp_path / "chart.svg").read_text(encoding="utf-8"))  # noqa: S314
    texts = {element.text for element in root.iter() if element.tag.endswith("text")}
    assert {"holders pay", "transjakarta_brt", "free_ride/elderly", "(no line)"} <= texts


def test_a_chart_of_nothing_that_changes_can_be_drawn(folder: Path, tmp_path: Path) -> None:
    text = text_of("holidays", rule("holidays.2099", "holidays", "days = [2099-01-01]\n"))
    path = put(tmp_path, "holidays", text)
    found = told(path, "--journal", folder, "--chart", tmp_path / "chart.svg")
    assert found["cards"]["same"] == 4
    assert (tmp_path / "chart.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_a_chart_that_cannot_be_written_is_one_clear_line(folder: Path, dearer: Path) -> None:
    done = call(dearer, "--journal", folder, "--chart", folder / "nowhere" / "chart.svg")
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "No such file or directory" in done.stderr


def test_a_period_without_taps_is_one_clear_line(folder: Path, dearer: Path) -> None:
    done = call(dearer, "--journal", folder, "--from", "2025-12-01", "--to", "2025-12-02")
    assert done.exit_code == 1
    assert "holds no taps from 2025-12-01 to 2025-12-02 that were rated" in done.stderr


def test_lines_beyond_the_ten_that_change_most_are_told_together(
    riders: Riders, dearer: Path, tmp_path: Path
) -> None:
    for number in range(12):
        riders.ride(f"2025-11-05 {8 + number:02}:00", f"{8 + number:02}:30", "A", line=f"L{number}")
    folder = riders.write(tmp_path / "data")
    text = call(dearer, "--journal", folder).stdout
    # Five of fifteen, each with a ride of Rp1,500 more but for the metro.
    (row,) = [line.split() for line in text.splitlines() if line.startswith("(others)")]
    assert row[:5] == ["(others)", "10", "+6,000", "0", "+6,000"]
    assert len(told(dearer, "--journal", folder)["lines"]) == 15


def test_a_folder_without_entries_says_so(dearer: Path, tmp_path: Path) -> None:
    folder = Riders(law(), "2025-10-31").write(tmp_path / "data")
    done = call(dearer, "--journal", folder)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "holds no taps from the beginning to the end" in done.stderr


def test_a_period_ends_after_it_begins(folder: Path, dearer: Path) -> None:
    done = call(dearer, "--journal", folder, "--from", "2025-12-02", "--to", "2025-12-01")
    assert done.exit_code == 2
    assert "2025-12-01 is before 2025-12-02" in done.stderr


def test_what_is_wrong_with_a_file_is_told_with_its_line(folder: Path, tmp_path: Path) -> None:
    path = put(tmp_path, "fare-2027", DEARER.replace("amount_rp = 5_000", "amount_rp = -1"))
    done = call(path, "--journal", folder)
    assert done.exit_code == 1
    line = path.read_text().splitlines().index("amount_rp = -1") + 1
    assert f"{path}:{line}: fare.transjakarta: amount_rp: " in done.stderr


def test_a_second_fare_of_a_service_is_a_fault_as_in_a_node(folder: Path, tmp_path: Path) -> None:
    text = DEARER.replace('id = "fare.transjakarta"', 'id = "fare.other"')
    path = put(tmp_path, "fare-2027", text)
    done = call(path, "--journal", folder)
    assert done.exit_code == 1
    assert "transjakarta_brt has the fare" in done.stderr


def test_nothing_in_the_folder_is_changed(folder: Path, dearer: Path) -> None:
    before = everything(folder)
    told(dearer, "--journal", folder)
    assert everything(folder) == before


def test_what_is_not_there_is_one_clear_line(dearer: Path, tmp_path: Path) -> None:
    done = call(dearer, "--journal", tmp_path / "nothing")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "there is no data folder at" in done.stderr


def test_a_node_may_be_at_work_meanwhile(riders: Riders, dearer: Path, tmp_path: Path) -> None:
    for minute in range(0, 400, 2):
        since, until = (f"{8 + each // 60:02}:{each % 60:02}" for each in (minute, minute + 1))
        riders.ride(f"2025-11-05 {since}", until, "B")
    path = Riders(law(), "2025-10-31").write(tmp_path / "live")
    with appending(path, riders.entries) as durable:
        before = durable[0]
        found = run("rules", "rehearse", dearer, "--journal", path)
    assert found["total"]["taps"] >= before - 20
