"""With --json there is one object whatever happens, and a result that cannot be shown says so."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from ops.cli import main
from tests.e2e.commands import environment
from tests.storage.city import City, write_folder

pytestmark = pytest.mark.slow

NOWHERE = ("--url", "ws://127.0.0.1:1", "--name", "ani", "--key", "no-such.key")
COMMANDS = [
    ("serve", "--data", "/proc/nothing", "--listen", "127.0.0.1:0"),
    ("serve", "--listen", "0.0.0.0:1", "--data", "x"),
    ("serve", "--data", "x", "--listen", "nonsense"),
    ("replay", "no-such-file.csv", "--url", "ws://127.0.0.1:1"),
    ("demo", "--trips", "1"),
    ("demo", "--data", "."),
    ("demo", "--speed", "nan"),
    ("demo", "--speed", "inf"),
    ("demo", "--speed", "0.5"),
    ("replay", "README.md", "--url", "ws://127.0.0.1:1", "--speed", "nan"),
    ("replay", "README.md", "--url", "ws://127.0.0.1:1", "--speed", "inf"),
    ("bench", "--cards", "1"),
    ("verify", "no-such-folder"),
    ("backup", "no-such-folder", "target"),
    ("restore", "no-such-folder", "target"),
    ("keys", "list", "--data", "no-such-folder"),
    ("keys", "enroll", "T", "--data", "no-such-folder"),
    ("keys", "revoke", "T", "--data", "no-such-folder"),
    ("exceptions", "no-such-folder"),
    ("terminals",),
    ("terminals", *NOWHERE),
    ("terminals", "register", "--from", "README.md", *NOWHERE),
    ("lists", "publish", "deny", "no-such-file.csv", *NOWHERE),
    ("lists", "wait", "deny", *NOWHERE),
    ("commands", "show", "x", *NOWHERE),
    ("commands", "send", "restart", *NOWHERE),
    ("tree", *NOWHERE),
    ("nonsense",),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_failure_is_one_object_and_a_line_for_people(command: tuple[str, ...]) -> None:
    done = CliRunner().invoke(main, [*command, "--json"])
    assert done.exit_code in {1, 2}
    told = json.loads(done.stdout)
    said = told["problems"][0] if command[0] == "verify" else told["error"]
    assert said
    assert said.split(":")[0] in done.stderr
    assert "Error: " in done.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_without_json_a_failure_leaves_standard_output_alone(command: tuple[str, ...]) -> None:
    done = CliRunner().invoke(main, command)
    assert done.exit_code in {1, 2}
    assert done.stdout == ""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(City(), tmp_path / "data")


def test_a_result_that_says_so_is_not_followed_by_an_error(tmp_path: Path) -> None:
    damage_file = tmp_path / "taps.csv"
    damage_file.write_text("transID;payCardID\n1;2\n")
    done = CliRunner().invoke(main, ["replay", str(damage_file), "--url", "ws://x:1", "--json"])
    assert done.exit_code == 1
    assert json.loads(done.stdout)["reconciled"] is False


def said_to(target: str, *arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
    """Run a command whose standard output goes somewhere, in a shell."""
    command = [sys.executable, "-m", "ops", *arguments]
    return subprocess.run(
        ["sh", "-c", f'"$@" {target}', "sh", *command],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=60,
        check=False,
        env={**environment(None), **changed},
    )


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_a_full_disk_under_the_result_is_one_line(folder: Path, arguments: tuple[str, ...]) -> None:
    done = said_to("> /dev/full", "verify", str(folder), *arguments)
    assert done.returncode == 1
    assert "the result cannot be written: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def test_a_demo_on_a_full_disk_or_a_broken_pipe_is_one_line() -> None:
    for target in ("> /dev/full", "| true"):
        done = said_to(target, "demo", "--trips", "100", "--no-kill", "--speed", "9999")
        assert "Traceback" not in done.stderr
        assert "Exception" not in done.stderr
        assert ("No space left" in done.stderr) is ("full" in target)


@pytest.mark.parametrize("target", ["| true", ">&-", "2>&-", "< /dev/null"])
@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_nobody_who_reads_is_no_reason_for_a_traceback(
    folder: Path, target: str, arguments: tuple[str, ...]
) -> None:
    done = said_to(target, "verify", str(folder), *arguments)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_another_encoding_costs_no_result(folder: Path, encoding: str) -> None:
    keys = ["keys", "enroll", "T", "--data", str(folder), "--public-key", "11" * 32]
    done = said_to("", *keys, "--note", "ké→", PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    assert "?" in done.stdout
