"""`jakarta-one claim`: what the fund of a programme has paid, and to whom."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from engine.accounts import PROGRAMME_FUND
from engine.calendar import day_of, month_of
from engine.rules.rulebook import Rulebook
from engine.transaction import (
    Adjustment,
    Close,
    Entry,
    Grant,
    Group,
    Purchase,
    Replace,
    Reversal,
    Revoke,
    Subsidy,
    Tap,
    TopUp,
)
from ops.cli import main
from tests.engine.fares.test_ride import at
from tests.engine.rules.written import rule, written
from tests.engine.rules_here import RULEBOOK
from tests.ops.rehearsal.place import BRT, Riders, law, some_rides
from tests.storage.city import folded

HALF = rule(
    "half_ride",
    "free_ride",
    'programme = "half"\nservices = ["transjakarta_brt", "mrt"]\npercent = 50\ncard_months = 6\n'
    'groups = [{ number = 1, name = "student", who_id = "pelajar", who_en = "students" }]\n',
)


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["claim", *map(str, words)], env={"COLUMNS": "140"})


def told(*words: str | Path) -> dict[str, Any]:
    done = call(*words, "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def rows(found: dict[str, Any]) -> dict[tuple[str, ...], tuple[int, int]]:
    """Return rides and amounts by kind and parts."""
    return {
        (row["kind"], *(row[part] for part in found["by"])): (row["rides"], row["amount_rp"])
        for row in found["rows"]
    }


def fund_rp(entries: list[Entry], programme: str) -> int:
    return folded(entries).accounts[PROGRAMME_FUND].get(programme, 0)


@pytest.fixture
def riders() -> Riders:
    """An elderly rider by bus and metro, in October and November 2025."""
    riders = Riders(law(), "2025-10-20 12:00")
    riders.card("A")
    riders.card("E", "F", group="elderly")
    riders.ride("2025-10-31 09:00", "09:30", "E")
    riders.ride("2025-11-03 08:00", "08:30", "A")
    riders.ride("2025-11-03 09:00", "09:30", "E")
    riders.ride("2025-11-04 06:00", "06:20", "E", line="2")
    riders.ride("2025-11-05 10:00", "10:10", "F", "Blok M", "ASEAN", service="mrt", line="")
    return riders


def test_rides_are_told_by_group_operator_service_and_line(riders: Riders, tmp_path: Path) -> None:
    folder = riders.write(tmp_path / "data")
    by = "group,operator,service,line,month"
    found = told(
        "free_ride", "--journal", folder, "--from", "2025-11-01", "--to", "2025-11-30", "--by", by
    )
    assert rows(found) == {
        ("ride", "elderly", "mrtj", "mrt", "", "2025-11"): (1, 3_000),
        ("ride", "elderly", "transjakarta", BRT, "1", "2025-11"): (1, 3_500),
        ("ride", "elderly", "transjakarta", BRT, "2", "2025-11"): (1, 2_000),
    }
    assert (found["programme"], found["from"], found["to"]) == (
        *("free_ride", "2025-11-01"),
        "2025-11-30",
    )
    assert (found["rides"], found["amount_rp"]) == (3, 8_500)


def test_the_total_is_what_the_balance_of_the_fund_changed_by(
    riders: Riders, tmp_path: Path
) -> None:
    ride = riders.ride("2025-11-06 09:00", "09:30", "E")
    riders.send(Reversal(ride.terminal, ride.counter))
    riders.send(Subsidy("free_ride", "transjakarta", 700))
    riders.send(
        Adjustment(
            "ani", "counted", ((PROGRAMME_FUND, "free_ride", 50), (PROGRAMME_FUND, "kjp", -50))
        )
    )
    # It is told of two hours later, and makes the package of the bus and the metro one.
    riders.tap("2025-11-06 09:40", "E", "in", "Blok M", service="mrt", line="", late_min=120)
    riders.tap("2025-11-06 09:50", "E", "out", "ASEAN", service="mrt", line="", late_min=120)
    riders.ride("2025-12-01 09:00", "09:30", "E")
    november = ("--from", "2025-11-01", "--to", "2025-11-30")
    found = told("free_ride", "--journal", riders.write(tmp_path / "data"), *november)
    before = [each for each in riders.entries if each.decided_ms < at("2025-11-01")]
    until = [each for each in riders.entries if each.decided_ms < at("2025-12-01")]
    assert before
    changed_rp = fund_rp(until, "free_ride") - fund_rp(before, "free_ride")
    assert found["amount_rp"] == sum(row["amount_rp"] for row in found["rows"]) == -changed_rp
    kinds = {row["kind"] for row in found["rows"]}
    assert kinds == {"ride", "reversal", "subsidy", "adjustment"}


def test_what_is_taken_back_has_a_minus_and_stands_where_the_ride_stood(
    riders: Riders, tmp_path: Path
) -> None:
    ride = riders.ride("2025-11-06 09:00", "09:30", "E", line="9")
    riders.send(Replace("E", "G"))
    riders.send(Reversal(ride.terminal, ride.counter))
    by = ("--by", "group,service,line")
    found = told("free_ride", "--journal", riders.write(tmp_path / "data"), *by)
    assert rows(found)["ride", "elderly", BRT, "9"] == (1, 3_500)
    assert rows(found)["reversal", "elderly", BRT, "9"] == (0, -3_500)


def test_without_views_what_was_taken_back_is_told_without_its_ride(
    riders: Riders, tmp_path: Path
) -> None:
    ride = riders.ride("2025-11-06 09:00", "09:30", "E", line="9")
    riders.send(Reversal(ride.terminal, ride.counter))
    given = riders.send(TopUp("A", 200, purse="kjp"))
    riders.send(Reversal(given.terminal, given.counter))
    folder = riders.write(tmp_path / "data")
    for file in (folder / "views").iterdir():
        file.unlink()
    (folder / "views").rmdir()
    found = told("free_ride", "--journal", folder, "--by", "group,operator,service")
    assert rows(found)["reversal", "none", "transjakarta", ""] == (0, -3_500)
    found = told("kjp", "--journal", folder, "--by", "operator")
    assert rows(found) == {("reversal", ""): (0, -200), ("top_up", ""): (0, 200)}


def test_a_fund_that_pays_a_half_of_a_package_is_divided_as_operators_were_paid(
    tmp_path: Path,
) -> None:
    instruments = [*RULEBOOK.instruments, written("half", HALF)]
    riders = Riders(law(Rulebook(instruments)), "2025-11-03 07:00")
    riders.card("A")
    today = day_of(riders.now_ms)
    riders.send(Grant("A", "half", "student", "p", today, today + 9))
    riders.ride("2025-11-03 08:00", "08:10", "A", "Blok M", "Bundaran HI", service="mrt")
    last = riders.ride("2025-11-03 08:20", "08:50", "A")
    assert last.rule.startswith("fare.integrated@")
    found = rows(told("half", "--journal", riders.write(tmp_path / "data"), "--by", "operator"))
    # The cap of Rp10,000, of which the fund pays a half: as 8,000 to 3,500, less what was paid.
    mrt_rp = 10_000 * 8_000 // 11_500
    assert found["ride", "mrtj"][1] + found["ride", "transjakarta"][1] == 5_000
    assert abs(found["ride", "mrtj"][1] - mrt_rp // 2) <= 1
    assert found["ride", "mrtj"][0] + found["ride", "transjakarta"][0] == 2


def test_groups_of_movements_are_told_by_what_is_in_them(tmp_path: Path) -> None:
    riders = Riders(law(), "2025-11-03 07:00")
    riders.card("A")
    tap = Tap("A", 0, "transjakarta", "in", "a", "L")
    riders.send(
        Group(
            (
                tap,
                Subsidy("kjp", "transjakarta", 500),
                Subsidy("other", "transjakarta", 9),
                TopUp("A", 300, purse="kjp"),
            )
        )
    )
    riders.send(TopUp("A", 200, purse="kjp"))
    found = told("kjp", "--journal", riders.write(tmp_path / "data"), "--by", "operator,line")
    assert rows(found) == {
        ("subsidy", "transjakarta", "L"): (0, 500),
        ("top_up", "", "L"): (0, 300),
        ("top_up", "", ""): (0, 200),
    }


def test_a_waived_levy_is_paid_to_its_merchant_alone_or_in_a_group(tmp_path: Path) -> None:
    riders = Riders(law(), "2020-05-02 09:00")
    riders.card("A")
    today = day_of(riders.now_ms)
    riders.send(Grant("A", "rusun", "resident", "p", today - 30, today + 99))
    rent = Purchase("A", 505_000, "marunda", charge="rent", period=month_of(today))
    riders.send(rent)
    subsidy = Subsidy("rusun", "transjakarta", 30)
    riders.send(Group((subsidy, replace(rent, amount_rp=400_000, period=month_of(today) + 1))))
    found = told("rusun", "--journal", riders.write(tmp_path / "data"), "--by", "operator,group")
    assert rows(found) == {
        ("purchase", "marunda", "resident"): (0, 905_000),
        ("subsidy", "transjakarta", "resident"): (0, 30),
    }


def test_lines_that_a_person_has_put_in_a_row_are_told_as_they_are(tmp_path: Path) -> None:
    riders = Riders(law(), "2025-11-03 07:00")
    lines = ((PROGRAMME_FUND, "kjp", -7), (PROGRAMME_FUND, "food", 3), (PROGRAMME_FUND, "x", 4))
    riders.send(Adjustment("ani", "counted", lines))
    folder = riders.write(tmp_path / "data")
    for programme, amount_rp in (("kjp", 7), ("food", -3), ("x", -4)):
        found = told(programme, "--journal", folder, "--by", "operator")
        assert rows(found) == {("adjustment", ""): (0, amount_rp)}


def test_what_is_left_on_a_card_that_is_closed_comes_back(tmp_path: Path) -> None:
    riders = Riders(law(), "2025-11-03 07:00")
    riders.card("A")
    riders.send(TopUp("A", 200, purse="kjp"))
    riders.send(Close("A"))
    found = told("kjp", "--journal", riders.write(tmp_path / "data"), "--by", "operator")
    assert rows(found) == {("close", ""): (0, -200), ("top_up", ""): (0, 200)}


def test_a_card_that_has_the_programme_no_more_is_of_no_group(
    riders: Riders, tmp_path: Path
) -> None:
    riders.tap("2025-11-06 09:00", "E", "in")
    ride = riders.tap("2025-11-06 09:30", "E", "out", "b")
    riders.send(Revoke("E", "free_ride", "sold"))
    riders.send(Reversal(ride.terminal, ride.counter))
    found = rows(told("free_ride", "--journal", riders.write(tmp_path / "data"), "--by", "group"))
    assert found["reversal", "none"] == (0, -3_500)


def test_rows_are_written_as_csv(riders: Riders, tmp_path: Path) -> None:
    folder, path = riders.write(tmp_path / "data"), tmp_path / "claim.csv"
    found = told("free_ride", "--journal", folder, "--csv", path)
    with path.open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    assert [*read[0]] == ["kind", "operator", "service", "group", "rides", "amount_rp"]
    assert sum(int(row["amount_rp"]) for row in read) == found["amount_rp"] == 12_000
    assert [row["operator"] for row in read] == [row["operator"] for row in found["rows"]]


def test_a_file_that_cannot_be_written_is_one_clear_line(riders: Riders, tmp_path: Path) -> None:
    folder = riders.write(tmp_path / "data")
    done = call("free_ride", "--journal", folder, "--csv", tmp_path / "nowhere" / "claim.csv")
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)


def test_a_person_gets_a_table_with_a_total(riders: Riders, tmp_path: Path) -> None:
    text = call("free_ride", "--journal", riders.write(tmp_path / "data")).stdout
    words = [line.split() for line in text.splitlines()]
    assert ["ride", "transjakarta", BRT, "elderly", "3", "9,000"] in words
    assert words[-1] == ["total", "4", "12,000"]


def test_a_programme_that_paid_nothing_says_so(tmp_path: Path) -> None:
    folder = some_rides().write(tmp_path / "data")
    text = call("kjp", "--journal", folder, "--from", "2025-11-01").stdout
    assert text == "the fund of kjp has paid nothing from 2025-11-01 to the end\n"
    assert told("kjp", "--journal", folder)["rows"] == []


@pytest.mark.parametrize("by", ["", "card", "group,group", "group,"])
def test_it_is_told_by_what_there_is(by: str, tmp_path: Path) -> None:
    done = call("kjp", "--journal", tmp_path, "--by", by)
    assert done.exit_code == 2
    assert "is no list of some of group,operator,service,line,month" in done.stderr


def test_what_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    done = call("kjp", "--journal", tmp_path / "nothing")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "there is no data folder at" in done.stderr
