"""`jakarta-one demo`: a whole morning with a kill, what it prints, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner
from msgspec.structs import replace

from ops.commands import demo as command
from ops.demo.network import built_in
from ops.demo.result import Result
from ops.demo.run import Options
from ops.node_process import NodeFailed
from storage.errors import StorageFull
from terminals.errors import NodeUnreachable
from tests.e2e.commands import run as run_process
from tests.ops.demo.played import played_on, result_of, small_city

SMALL = ["--trips", "400", "--speed", "6000"]


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(command.demo, arguments)
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.slow
def test_morning_with_a_kill_balances_and_prints_one_json_object() -> None:
    # In a process of its own: trio-websocket leaves the sockets of a node that died to the
    # garbage collector, which warns of each, and here a warning is an error.
    done = run_process("demo", *SMALL, "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0, found
    assert found["balanced"] is found["verified"] is True
    assert found["kills"] == 1
    assert (found["lost"], found["doubled"], found["unanswered"]) == (0, 0, 0)
    assert found["sum_of_accounts_rp"] == 0
    assert found["taps_sent"] == found["posted"] + found["refused"] > 700
    assert found["refused_by_reason"].keys() <= {"below_floor"}
    assert found["duplicates"] > 0
    assert 0 < found["p50_ms"] <= found["p99_ms"]
    assert found["taps_per_s"] > 0
    assert "SIGKILL" in done.stderr


@pytest.mark.slow
def test_morning_without_a_kill_keeps_its_folder_and_prints_a_statement(tmp_path: Path) -> None:
    data = tmp_path / "morning"
    status, stdout, _ = run(*SMALL, "--no-kill", "--data", str(data), "--seed", "3")
    assert status == 0, stdout
    assert "Balanced to the rupiah." in stdout
    assert f"jakarta-one verify {data}" in stdout
    assert "SIGKILL" not in stdout
    assert (data / "journal").is_dir()
    status, _, stderr = run("--data", str(data))
    assert status == 2
    assert "is not empty" in stderr


def test_demo_has_twenty_thousand_trips_unless_told_otherwise() -> None:
    defaults = {option.name: option.default for option in command.demo.params}
    assert defaults["trips"] == 20_000


class _Played:
    """Stands in for a demo that came to something."""

    outcome: Result | BaseException

    def __init__(self, _network: object, options: Options, _data: Path, _diary: object) -> None:
        self.options = options

    async def run(self) -> Result:
        await trio.lowlevel.checkpoint()
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


@pytest.fixture(scope="module")
def result() -> Result:
    return result_of(played_on(small_city(built_in())))


def came_to(
    monkeypatch: pytest.MonkeyPatch, outcome: Result | BaseException
) -> tuple[int, str, str]:
    monkeypatch.setattr(_Played, "outcome", outcome, raising=False)
    monkeypatch.setattr(command, "Demo", _Played)
    return run("--json")


def test_status_is_zero_if_everything_balanced(
    monkeypatch: pytest.MonkeyPatch, result: Result
) -> None:
    assert came_to(monkeypatch, result)[0] == 0


def test_status_is_one_if_anything_was_lost(
    monkeypatch: pytest.MonkeyPatch, result: Result
) -> None:
    bad = replace(result, audit=replace(result.audit, lost=1))
    status, stdout, _ = came_to(monkeypatch, bad)
    assert status == 1
    assert json.loads(stdout)["lost"] == 1


@pytest.mark.parametrize(
    "failure",
    [
        NodeFailed("it did not start"),
        StorageFull("no room on the disk"),
        ExceptionGroup("", [ExceptionGroup("", [NodeUnreachable("no progress")])]),
    ],
)
def test_what_ends_the_demo_early_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    status, stdout, stderr = came_to(monkeypatch, failure)
    assert (status, stdout) == (1, "")
    assert stderr.startswith("Error: the demo ended early: ")
    assert stderr.count("\n") == 1


def test_interrupted_demo_is_aborted(monkeypatch: pytest.MonkeyPatch) -> None:
    status, _, stderr = came_to(monkeypatch, KeyboardInterrupt())
    assert status == 130
    assert "Aborted!" in stderr
