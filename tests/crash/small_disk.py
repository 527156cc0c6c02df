"""A small disk that is really full when it is full."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(place: Path, kib: int) -> Iterator[None]:
    """Put a disk of `kib` KiB at a new folder; only root can, and in CI it must."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "none", str(place)]
    made = subprocess.run(mount, capture_output=True, check=False)
    if made.returncode != 0:
        if os.environ.get("CI") and os.getuid() == 0:
            pytest.fail(f"no small disk: {made.stderr.decode()}")
        pytest.skip("mounting a small disk needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)
