"""What the tests with the real PC/SC service share: the service, and an eye on threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

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
