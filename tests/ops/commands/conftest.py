"""One node for each module of tests about a fleet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ops.commands.fleet_place import FleetPlace, fleet_place


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FleetPlace]:
    """A node with officers, an observer and gates."""
    with fleet_place(tmp_path_factory.mktemp("fleet")) as made:
        yield made
