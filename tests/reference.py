"""The reference data, which lies beside the checkout and is no part of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DATA = Path(__file__).parents[2] / "shared" / "data"


def reference(name: str) -> Path:
    """Return a file of the reference data; without it the test is left out, but not in CI."""
    path = DATA / name
    if not path.exists():
        reason = f"the reference data is not beside this checkout: {path}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path
