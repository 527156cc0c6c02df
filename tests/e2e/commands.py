"""Commands as a person runs them: a process, its output, its exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def run(*arguments: str | Path, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `jakarta-one` with arguments; `home` keeps what it saves out of the real one."""
    return subprocess.run(
        [sys.executable, "-m", "ops", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
        env=environment(home),
    )


def environment(home: Path | None) -> dict[str, str]:
    """Return the environment of a command whose own files lie in `home`."""
    places = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / "config")} if home else {}
    return {**os.environ, **places, "COLUMNS": "120"}


def run_json(*arguments: str | Path, home: Path | None = None, status: int = 0) -> dict[str, Any]:
    """Run a command with `--json` and return its one object."""
    done = run(*arguments, "--json", home=home)
    assert done.returncode == status, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
