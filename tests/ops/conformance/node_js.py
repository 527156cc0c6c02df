"""The client in Node.js: its packages, and copies of it with a defect."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

FOLDER: Final = Path(__file__).parent.parent.parent / "node_client"
CLIENT: Final = FOLDER / "client.js"
PLAY: Final = FOLDER / "play.js"
MODULES: Final = FOLDER / "node_modules"
_INSTALLED: Final = MODULES / ".package-lock.json"
_WANTED: Final = FOLDER / "package-lock.json"


def needs_node() -> None:
    """Have Node.js and the packages of the client at hand, or leave the test out.

    Where every check has to run (CI) a missing Node.js fails it.
    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        text = "Node.js or npm is not installed: apt-get install nodejs npm"
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)
    # Several workers may come at once.
    with (FOLDER / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_current():
            _install()


def _is_current() -> bool:
    return _INSTALLED.exists() and _INSTALLED.stat().st_mtime >= _WANTED.stat().st_mtime


def _install() -> None:
    done = subprocess.run(
        ["npm", "ci"], cwd=FOLDER, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, f"npm ci failed:\n{done.stdout}\n{done.stderr}"
    _INSTALLED.touch()


def damaged(place: Path, right: str, wrong: str) -> Path:
    """Return a copy of the client with something else in one place of it."""
    text = CLIENT.read_text(encoding="utf-8")
    assert text.count(right) == 1, right
    (place / "node_modules").symlink_to(MODULES)
    (place / "package.json").write_text('{"type": "module"}')
    path = place / "client.js"
    path.write_text(text.replace(right, wrong), encoding="utf-8")
    return path
