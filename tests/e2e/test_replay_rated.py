"""A file of trips goes through a real node that says what each ride was due."""

from __future__ import annotations

import csv
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ops.node_process import NodeProcess
from tests.e2e.commands import run, run_json
from tests.e2e.trip_files import row, write
from tests.ops.test_april_fares import APRIL, april_rides
from tests.reference import reference

CARD, OTHER = "180062659848800", "4885331907664776"
TRIPS = [
    row("A1", CARD, "emoney", at="2023-04-03 06:10:00", out_at="2023-04-03 06:40:00"),
    row("A2", CARD, "emoney", at="2023-04-03 17:00:00", out_at="2023-04-03 17:40:00"),
    row("B1", OTHER, corridor="JAK.18", amount="0.0"),
    row("B2", OTHER, corridor="", at="2023-04-05 17:00:00", out=",,,,", out_at=""),
]
LINE = """
[network]
id = "corridors"
title = "Corridors"
grade = "D"
source = "made for this test"
about_id = "Koridor"
about_en = "Corridors"

[[line]]
service = "transjakarta_brt"
id = "5"
name = "Pal Putih - Tegalan"
stations = [["P00142", 0], ["P00253", 2_000]]
"""


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeProcess]:
    """A node for development, whose clock stands after the trips."""
    options = ("--clock", "2023-04-16")
    running = NodeProcess.start(tmp_path / "node", dev=True, options=options)
    yield running
    assert running.stop() == 0


def corridors(tmp_path: Path) -> Path:
    path = tmp_path / "corridors.toml"
    path.write_text(LINE)
    return path


def rated(file: Path, node: NodeProcess, network: Path, *more: str | Path) -> dict[str, Any]:
    words = ("--url", node.url, "--rate", "--network", network, *more)
    return run_json("replay", file, *words, home=file.parent)


@pytest.mark.slow
def test_what_was_paid_too_much_is_owed_and_written_down(node: NodeProcess, tmp_path: Path) -> None:
    file, owed = write(tmp_path / "taps.csv", TRIPS), tmp_path / "owed.csv"
    network = corridors(tmp_path)
    first = rated(file, node, network, "--owed", owed)
    assert (first["posted"], first["differences"], first["reconciled"]) == (7, [], True)
    assert (first["rupiah_in_file"], first["rupiah_in_ledger"]) == (10_500, 5_500)
    rides = first["rides"]
    assert (rides["paid_rp"], rides["owed_rp"], rides["earned_rp"]) == (10_500, 5_000, 5_500)
    assert (rides["rides"], rides["open"]) == (3, {"rides": 1, "lines": [5], "paid_rp": 3_500})
    assert first["owing"]["balance_rp"] == 5_000
    assert first["owing"]["largest"] == [
        {"card": "...4776", "owed_rp": 3_500},
        {"card": "...8800", "owed_rp": 1_500},
    ]
    assert owed.read_text().split() == ["card,owed_rp", f"{OTHER},3500", f"{CARD},1500"]
    assert stat.S_IMODE(owed.stat().st_mode) == 0o600
    assert first["notes"]["service_by_amount"]["lines"] == [4, 5]
    again = rated(file, node, network)
    assert (again["posted"], again["rides"], again["owing"]) == (0, rides, first["owing"])
    # What the ledger holds stays as it was sent, and is told.
    plain = run_json("replay", file, "--url", node.url, home=tmp_path)
    assert (plain["posted"], plain["reconciled"], plain["rides"]) == (0, True, rides)
    words = run("replay", file, "--url", node.url, "--rate", "--network", network, "--owed", owed)
    assert words.returncode == 1
    assert "File exists" in words.stderr


@pytest.mark.slow
def test_trips_that_were_replayed_without_rates_are_no_conflict_with_them(
    node: NodeProcess, tmp_path: Path
) -> None:
    file, network = write(tmp_path / "taps.csv", TRIPS[:2]), corridors(tmp_path)
    run_json("replay", file, "--url", node.url, home=tmp_path)
    write(file, TRIPS)
    found = rated(file, node, network)
    assert (found["posted"], found["duplicates"], found["reconciled"]) == (3, 4, True)
    assert found["rides"]["not_rated"] == {"rides": 2, "lines": [2, 3]}
    words = run("replay", file, "--url", node.url, "--rate", "--network", network, home=tmp_path)
    assert "2 trips that were not rated" in words.stdout
    assert "owed to cards" in words.stdout


@pytest.mark.slow
def test_a_node_of_today_rates_no_old_file_and_nothing_is_sent(tmp_path: Path) -> None:
    node = NodeProcess.start(tmp_path / "today", dev=True)
    file = write(tmp_path / "taps.csv", TRIPS)
    words = ("--url", node.url, "--rate", "--network", corridors(tmp_path))
    told = run_json("replay", file, *words, home=tmp_path, status=1)
    assert "line 2: the node rates no tap of 2023-04-03 06:10" in told["error"]
    assert "--dev --clock 2023-04-06" in told["error"]
    plain = run_json("replay", file, "--url", node.url, home=tmp_path)
    assert (plain["posted"], plain["rides"], plain["owing"]) == (7, None, None)
    node.stop()


@pytest.mark.parametrize(
    "words", [("--rate",), ("--network", "taps.csv"), ("--owed", "owed.csv")], ids=" ".join
)
def test_rates_need_a_network_and_a_file_of_what_is_owed_needs_rates(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    file = write(tmp_path / "taps.csv", TRIPS)
    done = run("replay", file, "--url", "ws://127.0.0.1:1", *words, home=tmp_path)
    assert done.returncode == 2
    assert "--rate" in done.stderr
    assert not (tmp_path / "owed.csv").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("no_cover")
def test_the_public_file_is_rated_as_its_rules_say(node: NodeProcess, tmp_path: Path) -> None:
    part = tmp_path / "part.csv"
    lines = reference(APRIL).read_text(encoding="utf-8").splitlines()
    part.write_text("\n".join(lines[:1_500]) + "\n")
    owed = tmp_path / "owed.csv"
    found = rated(part, node, reference("gtfs"), "--owed", owed)
    rows = {ride.line: ride for ride in april_rides() if ride.line <= 1_500}
    is_open = [rows.pop(line) for line in found["rides"]["open"]["lines"]]
    fares = Counter(ride[1:] for ride in rows.values())
    assert {
        (fare["service"], fare["paid_rp"], fare["due_rp"]): fare["rides"]
        for fare in found["rides"]["fares"]
    } == fares
    owed_rp = sum(ride.paid_rp - ride.due_rp for ride in rows.values())
    owed_rp += sum(ride.paid_rp for ride in is_open)
    assert owed_rp == found["rides"]["owed_rp"] == found["owing"]["balance_rp"] > 100_000
    with owed.open(newline="") as file:
        assert sum(int(line["owed_rp"]) for line in csv.DictReader(file)) == owed_rp
    assert found["rupiah_in_file"] - owed_rp == found["rupiah_in_ledger"]
    assert (found["differences"], found["exceptions"]) == ([], {})
