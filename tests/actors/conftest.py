"""Fixtures of the actors' tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.shard import Shard
from tests.actors.secured import Secured
from tests.actors.world import Clock, Disk, Sender, open_with_card


@pytest.fixture
def clock() -> Clock:
    """A clock that is set by hand."""
    return Clock()


@pytest.fixture
def disk() -> Disk:
    """Stores that outlive a shard."""
    return Disk()


@pytest.fixture
def shard(disk: Disk, clock: Clock) -> Shard:
    """A shard with one card."""
    return open_with_card(disk, clock)


@pytest.fixture
def sender() -> Sender:
    """Somebody who sends."""
    return Sender()


@pytest.fixture
def secured(tmp_path: Path) -> Secured:
    """A certificate of a node."""
    return Secured(tmp_path)
