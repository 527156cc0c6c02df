"""`jakarta-one bench attacks`: what it prints, and when it fails."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from bench.attacks import cli
from bench.attacks.catalogue import ATTACKS, Attack
from bench.attacks.measure import Pace
from bench.cli import bench


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    pace = Pace(seconds=0.2, lines=3, rate_per_s=100.0, crowd_share=0.04)
    monkeypatch.setattr(cli, "QUICK", pace)
    monkeypatch.setattr(cli, "CARDS", 40)
    monkeypatch.setattr("bench.machine.FSYNC_TRIAL_S", 0.01)


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(bench, ["attacks", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_one_object_tells_what_each_attack_came_to() -> None:
    status, shown, _ = run("--quick", "--only", "hello twice", "--seconds", "0.5", "--json")
    assert status == 0
    found = json.loads(shown)["attacks"]["hello twice"]
    assert found["ends"]["1002 message_unexpected"] >= 1
    assert found["peers"] == 2
    assert found["taps"] >= 45
    assert found["p99_ms"] >= found["p50_ms"] > 0
    assert found["memory_peak_mib"] > 0
    assert found["objections"] == []


def test_a_table_shows_before_and_during() -> None:
    status, shown, _ = run("--quick", "--only", "connect")
    assert status == 0
    assert " connect " in shown
    assert "every one posted and verified" in shown


def test_an_attack_that_succeeds_fails_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    act = ATTACKS["hello twice"].act
    monkeypatch.setitem(ATTACKS, "hello twice", Attack("", act, frozenset({"1000 polite"}), 50))
    status, shown, told = run("--quick", "--only", "hello twice", "--json")
    assert json.loads(shown)["attacks"]["hello twice"]["objections"]
    assert status == 1
    assert "hello twice: a connection ended with 1002 message_unexpected" in told


@pytest.mark.parametrize("arguments", [["--only", "nonsense"], ["--seconds", "0"]])
def test_arguments_that_make_no_sense_are_refused(arguments: list[str]) -> None:
    status, shown, told = run(*arguments)
    assert (status, shown) == (2, "")
    assert arguments[0] in told
