"""Tokens of SoftHSM, which stands in for a terminal's SAM and for the HSM of a host."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import pytest

PIN: Final = "0482-pin"
UTIL: Final = "softhsm2-util"
FOLDERS: Final = ("/usr/lib/softhsm", *map(str, Path("/usr/lib").glob("*/softhsm")))
"""Where Debian puts the library."""
UTIL_S_MAX: Final = 60


class PlacedToken(NamedTuple):
    """An empty token, and the library that speaks with it."""

    module: Path
    label: str


MakeToken: TypeAlias = Callable[[], PlacedToken]


def softhsm() -> Path:
    """Return the library; without it the test is left out, but not in CI."""
    found = [path for folder in FOLDERS if (path := Path(folder, "libsofthsm2.so")).exists()]
    if not found or shutil.which(UTIL) is None:
        reason = "SoftHSM is not there: install the package softhsm2"
        if os.environ.get("CI"):  # noqa: TID251 tells how a missing package is taken
            pytest.fail(reason)
        pytest.skip(reason)
    return found[0]


def token_maker(folder: Path, monkeypatch: pytest.MonkeyPatch) -> MakeToken:
    """Return a maker of empty tokens, which lie in a folder of this test alone.

    The library reads where they lie when it is initialised, which is when the first of them is
    opened, and all are closed in between two tests.
    """
    module = softhsm()
    tokens = folder / "tokens"
    tokens.mkdir()
    settings = folder / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {tokens}\nlog.level = ERROR\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(settings))
    numbers = itertools.count(1)

    def make() -> PlacedToken:
        label = f"sam-{next(numbers)}"
        words = ["--init-token", "--free", "--label", label, "--so-pin", "of-the-officer"]
        subprocess.run(
            [UTIL, *words, "--pin", PIN], check=True, capture_output=True, timeout=UTIL_S_MAX
        )
        return PlacedToken(module, label)

    return make
