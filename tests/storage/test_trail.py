"""The taps of a card before an entry, as they were kept then."""

from __future__ import annotations

import random

import pytest

from engine.fares.state import NO_TAPS, Direction, Kept
from engine.limits import KEPT_TAPS
from engine.transaction import Entry, Replace, Tap, TopUp
from storage import trail
from storage.journal import TABLES, Journal
from storage.memory_store import MemoryStore
from storage.trail import taps_before
from tests.engine.decisions.test_rides import BRT, PROOF, Riding


def journal_of(riding: Riding) -> Journal:
    """Return a journal that holds what a ledger has decided, some entries to a block."""
    journal = Journal(MemoryStore(tables=TABLES))
    for first in range(0, len(riding.entries), 3):
        journal.append(riding.entries[first : first + 3], riding.now_ms)
    return journal


def watched(riding: Riding, taps: int, chance: random.Random) -> list[tuple[Entry, Kept]]:
    """Let a card ride, some taps of it late; return entries and what was kept before them."""
    found = []
    for number in range(taps):
        kept = riding.cards["S"].kept
        direction: Direction = "in" if number % 2 == 0 else "out"
        if chance.random() < 0.3:
            intent = Tap("S", 0, "tj", direction, "0", proof=PROOF, service=BRT)
            entry = riding.late(intent, riding.now_ms - 1_500_000 - number)
        else:
            entry = riding.tap(direction, card="S", proof=PROOF)
        found.append((entry, kept))
        if chance.random() < 0.3:
            riding.done(TopUp("S", 10, "dki", proof=PROOF))
    return found


def test_what_was_kept_is_found_again_along_the_chain() -> None:
    riding = Riding()
    entries = watched(riding, 2 * KEPT_TAPS, random.Random(3))
    journal = journal_of(riding)
    for entry, kept in entries:
        assert taps_before(journal, entry) == kept


def test_of_a_long_history_the_newest_taps_are_found_and_where_the_card_stood() -> None:
    riding = Riding()
    entries = watched(riding, 5 * KEPT_TAPS, random.Random(3))
    journal = journal_of(riding)
    for entry, kept in entries[3 * KEPT_TAPS :]:
        found = taps_before(journal, entry)
        assert found.rating == kept.rating
        assert found.settled
        assert found.count >= KEPT_TAPS


def test_a_card_that_took_over_begins_anew() -> None:
    riding = Riding()
    riding.tap("in", card="S", proof=PROOF)
    riding.done(Replace("S", "S2"))
    entry = riding.tap("in", card="S2", proof=PROOF)
    assert taps_before(journal_of(riding), entry) == NO_TAPS


def test_only_so_many_entries_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trail, "TRAIL_STEPS_MAX", 2)
    riding = Riding()
    riding.tap("in", card="S", proof=PROOF)
    for _ in range(2):
        riding.done(TopUp("S", 10, "dki", proof=PROOF))
    entry = riding.tap("out", card="S", proof=PROOF)
    assert taps_before(journal_of(riding), entry) == NO_TAPS
