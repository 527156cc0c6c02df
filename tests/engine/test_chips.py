"""Which counts of a chip were taken."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.chips import CardChip, ChipCounts
from engine.limits import GAPS_PER_CHIP_MAX
from engine.seen import Seen


def after(*counts: int) -> ChipCounts:
    chip = ChipCounts("A")
    for count in counts:
        chip = chip.with_count(count)
    return chip


def test_a_gap_is_there_until_the_count_that_is_missing_comes() -> None:
    assert after(1, 4).seen == Seen(4, ((2, 3),))
    assert after(1, 4, 3).seen == Seen(4, ((2, 2),))
    assert after(1, 4, 3, 2) == ChipCounts("A", Seen(4))


@given(st.sets(st.integers(1, 60), max_size=40), st.randoms(use_true_random=False))
def test_counts_are_a_set_whatever_order_they_come_in(counts: set[int], random: object) -> None:
    shuffled = list(counts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    chip = after(*shuffled)
    assert chip == after(*sorted(counts))
    high = max(counts, default=0)
    assert chip.seen.missing == high - len(counts)
    assert all(chip.seen.has(count) is (count in counts) for count in range(1, high + 2))


def test_with_a_gap_too_many_the_oldest_is_closed_and_its_counts_count_as_taken() -> None:
    counts = range(2, 2 * GAPS_PER_CHIP_MAX + 1, 2)
    full = after(*counts)
    assert len(full.seen.gaps) == GAPS_PER_CHIP_MAX
    assert not full.seen.has(1)
    fuller = full.with_count(full.seen.high + 2)
    assert len(fuller.seen.gaps) == GAPS_PER_CHIP_MAX
    assert fuller.seen.has(1)
    assert not fuller.seen.has(3)


def test_what_no_chip_has_proved_counts_for_its_day() -> None:
    chip = CardChip(b"uid", 7, 2)
    assert [chip.unproved_on(day) for day in (6, 7, 8)] == [0, 2, 0]
