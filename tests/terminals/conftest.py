"""A fake node for every test that asks for one."""

from __future__ import annotations

import pytest
import trio

from tests.terminals.fake_node import FakeNode


@pytest.fixture
def node(nursery: trio.Nursery) -> FakeNode:
    return FakeNode(nursery)
