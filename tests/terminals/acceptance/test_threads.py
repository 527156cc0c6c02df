"""A journal that several readers use at once, each in a thread of its own."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest

from tests.terminals.acceptance.lab import World
from tests.terminals.acceptance.test_journal import attempt

ATTEMPTS = 2_000


@pytest.fixture
def restless() -> Iterator[None]:
    """Let threads take turns as often as can be."""
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before_s)


@pytest.mark.usefixtures("restless")
def test_a_reader_looks_for_a_torn_card_while_another_one_tears() -> None:
    journal = World().journal

    def tear(numbers: range) -> None:
        for number in numbers:
            journal.begin(attempt(journal.next_sequence(), uid=number.to_bytes(7, "big")))

    tear(range(ATTEMPTS))
    ended, failures = threading.Event(), list[Exception]()

    def look() -> None:
        while not ended.is_set():
            try:
                journal.torn(b"another")
            except RuntimeError as failure:
                failures.append(failure)

    looking = threading.Thread(target=look)
    looking.start()
    tear(range(ATTEMPTS, 3 * ATTEMPTS))
    ended.set()
    looking.join()
    assert failures == []
