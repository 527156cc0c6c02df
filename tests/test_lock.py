"""The locks answer for pyproject.toml: every name, version and hash, and no address."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).parent.parent
LOCKS: Final = {
    "requirements.lock": ("dev", "bench"),
    "requirements-extras.lock": ("pcsc", "cluster"),
}
"""Each lock, and the extras it holds besides what a node needs."""

PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SHA256: Final = re.compile(r"sha256:[0-9a-f]{64}")


def pins(lock: str) -> dict[str, tuple[Requirement, list[str]]]:
    """Return the requirement and the hashes of each package in a lock."""
    text = (ROOT / lock).read_text(encoding="utf-8").replace("\\\n", "")
    entries = [line for line in text.splitlines() if not line.strip().startswith("#")]
    found: dict[str, tuple[Requirement, list[str]]] = {}
    for entry in entries:
        requirement, *hashes = re.split(r"\s+--hash=", entry.strip())
        pin = Requirement(requirement)
        found[canonicalize_name(pin.name)] = (pin, hashes)
    return found


def version_of(pin: Requirement) -> str:
    (specifier,) = pin.specifier
    assert specifier.operator == "==", pin
    return specifier.version


def test_every_extra_is_locked() -> None:
    locked = {extra for extras in LOCKS.values() for extra in extras}
    assert locked == set(PROJECT["optional-dependencies"])


@pytest.mark.parametrize("lock", LOCKS)
def test_each_requirement_is_locked_at_a_version_it_admits(lock: str) -> None:
    wanted = list(PROJECT["dependencies"])
    for extra in LOCKS[lock]:
        wanted += PROJECT["optional-dependencies"][extra]
    locked = pins(lock)
    for requirement in map(Requirement, wanted):
        pin, _ = locked[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version_of(pin)), requirement


@pytest.mark.parametrize("lock", LOCKS)
def test_each_package_is_pinned_with_hashes(lock: str) -> None:
    for pin, hashes in pins(lock).values():
        assert version_of(pin)
        assert hashes, pin
        assert all(SHA256.fullmatch(each) for each in hashes), pin


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_registry_address_and_no_folder(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert not re.search(r"https?:|file:|@ |--(extra-)?index|--find|(^|\s)[./~]", text)


def test_the_locks_agree_where_they_meet() -> None:
    default, extras = (pins(lock) for lock in LOCKS)
    for name in default.keys() & extras.keys():
        assert version_of(default[name][0]) == version_of(extras[name][0])


def test_what_runs_here_is_what_is_locked() -> None:
    for pin, _ in pins("requirements.lock").values():
        if pin.marker is None or pin.marker.evaluate():
            assert metadata.version(pin.name) == version_of(pin), pin
