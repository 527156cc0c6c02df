"""The reference data, which lies beside the checkout and is no part of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"


def reference(name: str, folder: str = "data") -> Path:
    """Return a file of the reference data; without it the test is left out, but not in CI."""
    path = SHARED / folder / name
    if not path.exists():
        reason = f"the reference data is not beside this checkout: {path}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path
