"""`jakarta-one bench`: what it prints, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from bench import cli, measure
from bench.errors import NotVerified
from bench.figures import Figure
from bench.setting import Bench
from tests.bench.conftest import TINY


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.bench, arguments)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "QUICK", TINY)
    monkeypatch.setattr("bench.machine.FSYNC_TRIAL_S", 0.01)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--only", "nonsense"],
        ["--repeats", "0"],
        ["--cards", "3"],
        ["--offline-taps", "0"],
        ["--data", "not/there"],
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments: list[str]) -> None:
    status, shown, told = run(*arguments)
    assert (status, shown) == (2, "")
    assert arguments[0] in told


def test_one_object_is_printed_with_the_keys_that_checks_rely_on() -> None:
    status, shown, _ = run("--quick", "--only", "stream", "--json")
    found = json.loads(shown)
    assert status == 0
    assert found["stream_taps_per_s"] > 0
    for name in ("single_taps_per_s", "open_loop_p99_ms", "postgres_taps_per_s"):
        assert found[name] is None, name
    assert found["postgres"]["reason"] == "it was not asked for"
    assert found["figures"]["stream_taps_per_s"]["repeats"] == 1
    assert found["machine"]["fsyncs_per_s"] > 0
    assert found["verified"] is True
    assert found["verify_entries_per_s"] > 0
    assert found["verified_entries"] == {"cards-40": 80 + 3 * 64 * 50}


def test_a_table_shows_the_ratio_to_the_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    def peer(bench: Bench) -> list[Figure]:
        bench.no_peer = ""
        return [Figure("postgres_taps_per_s", "stand-in", [1.0], per_tap_rate=True)]

    monkeypatch.setitem(measure.MEASURES, "postgres", peer)
    monkeypatch.setattr("os.getloadavg", lambda: (2.5, 0, 0))
    status, shown, _ = run("--quick", "--only", "single", "--only", "postgres", "--repeats", "2")
    assert status == 0
    assert "single_taps_per_s" in shown
    assert "x PG" in shown
    assert "not idle (load average 2.5)" in shown
    assert "no PostgreSQL" not in shown


def test_without_a_peer_the_table_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (0.1, 0, 0))
    status, shown, _ = run("--quick", "--no-peer", "--only", "postgres", "--rate", "5")
    assert status == 0
    assert "no PostgreSQL beside it: it was not asked for" in shown
    assert "no readers of PC/SC: they were not asked for" in shown
    assert "not idle" not in shown


def test_readers_that_were_measured_with_are_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    def tap(bench: Bench) -> list[Figure]:
        bench.no_readers = ""
        return [Figure("tap_pcsc_p50_ms", f"{bench.plan.offline_taps} taps", [1.0])]

    monkeypatch.setitem(measure.MEASURES, "tap", tap)
    arguments = ["--quick", "--only", "tap", "--offline-taps", "7", "--offline-terminals", "3"]
    status, shown, _ = run(*arguments)
    assert status == 0
    assert "7 taps" in shown
    assert "no readers" not in shown


def test_too_few_files_are_told_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cli, "allow_files", lambda _: 50)
    status, _, told = run("--quick", "--only", "single")
    assert status == 1
    assert "50 open files" in told


def test_a_measurement_that_fails_ends_the_run_with_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(_: Bench) -> list[Figure]:
        raise ExceptionGroup("of a nursery", [NotVerified("a tap is missing")])

    monkeypatch.setitem(measure.MEASURES, "stream", broken)
    status, shown, told = run("--quick", "--only", "stream", "--json")
    assert (status, shown) == (1, "")
    assert told.strip().splitlines()[-1] == "Error: NotVerified: a tap is missing"


@pytest.mark.slow
@pytest.mark.usefixtures("no_cover")
def test_a_quick_run_measures_everything() -> None:
    command = [sys.executable, "-m", "ops", "bench", "--quick", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for name in ("stream_taps_per_s", "single_taps_per_s", "open_loop_p99_ms"):
        assert found[name] > 0, name
    assert (found["postgres_taps_per_s"] is None) == (found["postgres"]["reason"] is not None)
    assert found["large_share"] > 0
    assert found["memory_per_terminal_kib"] > 0
    assert found["restart_s"] < 60
    assert found["verified"] is True
