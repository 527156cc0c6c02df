"""The demo, smaller: a real node is killed half way, and everything balances."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.commands import run, run_json


@pytest.mark.slow
def test_the_demo_balances_across_a_kill(tmp_path: Path) -> None:
    found = run_json("demo", "--trips", "600", "--data", tmp_path / "morning", "--speed", "3000")
    assert found["balanced"] is found["verified"] is True
    assert (found["lost"], found["doubled"], found["sum_of_accounts_rp"]) == (0, 0, 0)
    assert found["posted"] + found["refused"] == found["taps_sent"] > 1_000
    assert found["kills"] == 1
    assert found["p50_ms"] <= found["p99_ms"]
    assert run_json("verify", tmp_path / "morning")["ok"]


@pytest.mark.slow
def test_the_demo_tells_a_person_what_happened() -> None:
    done = run("demo", "--trips", "200", "--no-kill", "--speed", "5000")
    assert done.returncode == 0, done.stderr
    assert "Balanced to the rupiah" in done.stdout
    assert "Where to go next" in done.stdout
