"""Fixtures: a shard in memory, as the tests of the actors have it."""

from __future__ import annotations

from tests.actors.conftest import clock, disk, shard

__all__ = ["clock", "disk", "shard"]
