"""What the tests with the real PC/SC service share: the service, and an eye on threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.readers.hall import Hall
from tests.readers.pcsc_stack import PcscStack, need_stack


@pytest.fixture
def stack() -> Iterator[PcscStack]:
    """Run the service with four virtual readers; all that a test began is gone at its end."""
    need_stack()
    stack = PcscStack(4)
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()
    until_s = time.monotonic() + 5
    while left := [each.name for each in threading.enumerate() if each.name.startswith("pcsc")]:
        assert time.monotonic() < until_s, left
        time.sleep(0.002)


@pytest.fixture
def hall(stack: PcscStack, tmp_path: Path) -> Iterator[Hall]:
    """Run a node that judges proofs; what terminals told it was proved by chips, all of it."""
    hall = Hall(stack, tmp_path)
    try:
        yield hall
    finally:
        hall.stop()
    assert hall.filed() == []
