"""A shift as the journal has it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.seen import Seen
from engine.transaction import Issue, Purchase, Tap, TopUp
from storage.shifts import ShiftFound, shift_of
from tests.storage.city import CARDS, PROOF, City

GATE = "GATE-1"


def shift(city: City, first: int, last: int, terminal: str = GATE) -> ShiftFound:
    store = city.shard
    seen = store.book.terminals.get(terminal) or Seen()
    return shift_of(store.journal, seen, store.position_finder(terminal), first, last)


@pytest.fixture
def city() -> City:
    """Counters 1 to 5 and 8 of a terminal, whose checkpoint stands in the middle."""
    city = City()
    city.run(Issue(CARDS[0], "stored", "dki"), TopUp(CARDS[0], 50_000, "dki", proof=PROOF))
    city.run(Tap(CARDS[0], 3_500, "mrtj", "out", proof=b"first chip, 1"))
    city.shard.checkpoint()
    city.run(Tap(CARDS[0], 3_500, "mrtj", "out", proof=b"of no chip"))
    city.run(Purchase(CARDS[0], 1_000, "kiosk", proof=PROOF), Purchase(CARDS[0], 7, "kiosk"))
    city.send(Purchase(CARDS[0], 2_000, "kiosk", proof=PROOF), skip=2)
    city.commit()
    return city


def test_what_was_taken_and_added_on_chips_is_summed_up(city: City) -> None:
    assert shift(city, 1, 9) == ShiftFound(7, 6_500, 50_000, 1, ((7, 8),))
    assert shift(city, 1, 9).missing == 2
    assert shift(city, 2, 3) == ShiftFound(2, 3_500, 50_000, 0, ())
    assert shift(city, 4, 4) == ShiftFound(1, 0, 0, 1, ())


def test_what_has_not_come_is_missing(city: City) -> None:
    assert shift(city, 8, 12) == ShiftFound(1, 2_000, 0, 0, ((8, 8), (10, 12)))
    assert shift(city, 10, 12) == ShiftFound(0, 0, 0, 0, ((10, 12),))
    assert shift(city, 1, 3, "unknown") == ShiftFound(0, 0, 0, 0, ((1, 3),))


@given(st.sets(st.integers(1, 20), max_size=12), st.integers(1, 22), st.integers(0, 22))
def test_gaps_are_what_was_not_seen(counters: set[int], first: int, more: int) -> None:
    seen = Seen()
    for counter in sorted(counters):
        seen = seen.with_counter(counter)
    city = City()
    city.run(Purchase(CARDS[0], 1, "kiosk", proof=PROOF))
    found = shift_of(city.shard.journal, seen, lambda _: 0, first, first + more)
    missing = {n for low, high in found.gaps for n in range(low, high + 1)}
    assert missing == set(range(first, first + more + 1)) - counters
    assert (found.missing, found.count) == (len(missing), more + 1 - len(missing))
