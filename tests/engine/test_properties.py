"""What money must never do, whatever comes: random histories before an auditor."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings

from engine.book import Book, empty_accounts
from engine.transaction import Entry
from tests.engine.histories import Step, histories, play


@settings(max_examples=300)
@given(histories)
def test_no_history_makes_the_auditor_complain(history: list[Step]) -> None:
    play(history)
