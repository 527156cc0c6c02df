"""A file of trips goes through a real node and reconciles to the rupiah."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.node_process import NodeProcess
from tests.e2e.commands import run, run_json
from tests.e2e.trip_files import HEADER, row, write
from tests.reference import reference

HALF_MONTH = "transjakarta/taps-2023-04-01..15.csv"
TRIPS = [
    row("A1", "180062659848800", "emoney"),
    row("A2", "180062659848800", "emoney", at="2023-04-03 17:00:00", out_at="2023-04-03 17:40:00"),
    row("B1", "4885331907664776", corridor="JAK.18", amount="0.0"),
    row("C1", "639099174703", "flazz", corridor="1T", amount="20000.0"),
    row("D1", "570928206772", "flazz", stop="", at="2023-04-03 07:30:00"),
    row("E1", "2251412124634980", out=",,,,", out_at=""),
    row(
        "F1",
        "377840859133591",
        "bni",
        corridor="",
        at="2023-04-04 06:10:00",
        out_at="2023-04-04 06:40:00",
    ),
]
BAD = [
    row("G1", "377840859133591", "bni", amount=""),
    row("A1", "180062659848800", "emoney"),
    row("H1", "377840859133591", "bni", at="2023-04-05 06:10:00", out_at="2023-04-05 05:10:00"),
    row("I1", "377840859133591", "bni", at="yesterday"),
]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeProcess]:
    """A node for development."""
    running = NodeProcess.start(tmp_path / "node", dev=True)
    yield running
    assert running.stop() == 0


@pytest.mark.slow
def test_a_file_reconciles_and_again_posts_nothing_new(node: NodeProcess, tmp_path: Path) -> None:
    file = write(tmp_path / "taps.csv", TRIPS + BAD)
    first = run_json("replay", file, "--url", node.url, home=tmp_path)
    assert (first["rows_read"], first["rows_refused"]) == (11, 4)
    assert (first["taps_sent"], first["posted"], first["duplicates"]) == (13, 13, 0)
    assert first["rupiah_in_ledger"] == 5 * 3_500 + 20_000
    refused_rp = sum(refused["amount_rp"] for refused in first["refused_rows"])
    assert first["rupiah_in_file"] - refused_rp == first["rupiah_in_ledger"]
    assert first["reconciled"] is True
    assert {refused["line"] for refused in first["refused_rows"]} == {9, 10, 11, 12}
    assert first["operators"]["royaltrans"]["ledger_rp"] == 20_000
    assert first["banks"]["flazz"] == {"file_rp": 23_500, "ledger_rp": 23_500}
    second = run_json("replay", file, "--url", node.url, home=tmp_path)
    assert (second["posted"], second["duplicates"]) == (0, 13)
    words = run("replay", file, "--url", node.url, "--speed", "100000", home=tmp_path)
    assert words.returncode == 0, words.stderr
    assert "37,500" in words.stdout


@pytest.mark.slow
def test_a_file_that_was_changed_is_a_conflict_and_not_posted_again(
    node: NodeProcess, tmp_path: Path
) -> None:
    file = write(tmp_path / "taps.csv", TRIPS)
    run_json("replay", file, "--url", node.url, home=tmp_path)
    write(file, [TRIPS[0].replace("3500.0", "4500.0"), *TRIPS[1:]])
    changed = run_json("replay", file, "--url", node.url, home=tmp_path, status=1)
    assert changed["posted"] == 0
    assert len(changed["differences"]) >= 1


@pytest.mark.slow
def test_a_file_damaged_by_a_spreadsheet_is_refused_whole(
    node: NodeProcess, tmp_path: Path
) -> None:
    rows = [line.replace("2023-04-03 07:21:44", "4/3/2023 7:21") for line in TRIPS]
    header = HEADER.replace("payCardID,", "")
    cut = [",".join(line.split(",")[:1] + line.split(",")[2:]) for line in rows]
    file = tmp_path / "damaged.csv"
    file.write_text("\n".join([header, *cut, ",,,,,", ",,,,,"]) + "\n")
    done = run("replay", file, "--url", node.url, home=tmp_path)
    assert done.returncode == 1
    assert "payCardID" in done.stdout + done.stderr
    assert "4/3/2023 7:21" in done.stdout + done.stderr
    as_json = run("replay", file, "--url", node.url, "--json", home=tmp_path)
    assert as_json.returncode == 1


def test_a_node_without_dev_does_not_let_strangers_in(tmp_path: Path) -> None:
    strict = NodeProcess.start(tmp_path / "strict")
    file = write(tmp_path / "taps.csv", TRIPS)
    told = run_json("replay", file, "--url", strict.url, home=tmp_path, status=1)
    assert "the key of terminal auditor-1. A node with --dev" in told["error"]
    strict.stop()


def test_a_node_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    file = write(tmp_path / "taps.csv", TRIPS)
    done = run("replay", tmp_path / "missing.csv", "--url", "ws://127.0.0.1:1", home=tmp_path)
    assert done.returncode == 2
    began_s = time.monotonic()
    away = run_json("replay", file, "--url", "ws://127.0.0.1:1", home=tmp_path, status=1)
    assert away["error"].startswith("no node at ws://127.0.0.1:1: no connection to 127.0.0.1:1")
    assert time.monotonic() - began_s < 15
    missing_key = run(
        "replay", file, "--url", "ws://127.0.0.1:1", "--key", tmp_path / "no.key", home=tmp_path
    )
    assert missing_key.returncode == 1


@pytest.mark.slow
def test_the_public_file_reconciles_and_again_posts_nothing(
    node: NodeProcess, tmp_path: Path
) -> None:
    source = reference(HALF_MONTH)
    lines = source.read_text().splitlines()
    part = tmp_path / "part.csv"
    part.write_text("\n".join(lines[:1_500]) + "\n")
    found = run_json("replay", part, "--url", node.url, home=tmp_path)
    assert found["rows_read"] == 1_499
    assert found["posted"] == found["taps_sent"] > 2_000
    assert found["rupiah_in_file"] == found["rupiah_in_ledger"] > 0
    assert found["differences"] == []
    again = run_json("replay", part, "--url", node.url, home=tmp_path)
    assert (again["posted"], again["duplicates"]) == (0, found["posted"])
    assert again["differences"] == []


@pytest.mark.slow
def test_refused_rows_are_named_beside_the_verdict(node: NodeProcess, tmp_path: Path) -> None:
    file = write(tmp_path / "taps.csv", TRIPS + BAD)
    done = run("replay", file, "--url", node.url, home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "File and ledger agree, but for 4 refused rows (Rp10,500)." in done.stdout
    write(file, BAD[2:])
    nothing = run("replay", file, "--url", node.url, home=tmp_path)
    assert nothing.returncode == 1
    assert "No row was taken" in nothing.stdout


@pytest.mark.slow
@pytest.mark.usefixtures("no_cover")
def test_the_whole_half_month_reconciles(node: NodeProcess, tmp_path: Path) -> None:
    source = reference(HALF_MONTH)
    first = run_json("replay", source, "--url", node.url, home=tmp_path)
    assert (first["rows_read"], first["rows_refused"]) == (18_389, 486)
    assert (first["posted"], first["duplicates"], first["taps_refused"]) == (35_177, 0, 0)
    assert first["rupiah_in_file"] == first["rupiah_in_ledger"] == 48_478_000
    assert (first["differences"], first["exceptions"]) == ([], {})


@pytest.mark.slow
def test_the_public_file_that_a_spreadsheet_had_is_refused(
    node: NodeProcess, tmp_path: Path
) -> None:
    source = reference("transjakarta/taps-damaged-by-a-spreadsheet.csv")
    done = run("replay", source, "--url", node.url, home=tmp_path)
    assert done.returncode == 1
    assert "nothing was sent" in done.stderr
