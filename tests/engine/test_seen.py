"""What was seen of a terminal, against a plain set of counters."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import limits
from engine.limits import GAPS_PER_TERMINAL_MAX
from engine.seen import Seen

COUNTERS = st.lists(st.integers(1, 60), unique=True)


def after(counters: list[int]) -> Seen:
    seen = Seen()
    for counter in counters:
        seen = seen.with_counter(counter)
    return seen


@given(COUNTERS)
def test_what_was_seen_is_what_was_noted_whatever_the_order(counters: list[int]) -> None:
    seen = after(counters)
    assert [n for n in range(1, 100) if seen.has(n)] == sorted(counters)
    assert seen == after(sorted(counters))
    assert seen.high == max(counters, default=0)


@given(COUNTERS)
def test_gaps_stand_in_order_and_never_touch(counters: list[int]) -> None:
    gaps = after(counters).gaps
    assert all(1 <= low <= top for low, top in gaps)
    assert all(top + 1 < low for (_, top), (low, _) in pairwise(gaps))


@given(COUNTERS)
def test_it_comes_out_of_msgpack_as_it_went_in(counters: list[int]) -> None:
    seen = after(counters)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(seen), type=Seen) == seen


@given(COUNTERS, st.integers(1, 70))
def test_there_is_room_for_a_counter_unless_it_makes_one_gap_too_many(
    counters: list[int], counter: int
) -> None:
    seen = after(counters)
    if not seen.has(counter):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(limits, "GAPS_PER_TERMINAL_MAX", len(seen.gaps))
            assert seen.has_room_for(counter) is (
                len(seen.with_counter(counter).gaps) <= len(seen.gaps)
            )
            patch.setattr(limits, "GAPS_PER_TERMINAL_MAX", len(seen.gaps) + 1)
            assert seen.has_room_for(counter)


def test_a_terminal_full_of_gaps_goes_on_and_may_fill_them() -> None:
    gaps = tuple((3 * n + 1, 3 * n + 2) for n in range(GAPS_PER_TERMINAL_MAX))
    full = Seen(3 * GAPS_PER_TERMINAL_MAX, gaps)
    assert full.has_room_for(full.high + 1)
    assert not full.has_room_for(full.high + 2)
    assert full.has_room_for(1)


@pytest.mark.parametrize("counters", [[1], [3], [3, 2]])
def test_a_counter_is_not_noted_twice(counters: list[int]) -> None:
    with pytest.raises(AssertionError, match="seen before"):
        after(counters).with_counter(counters[-1])
