"""Records of cards come together, however many there are."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ops.past.slices import SLICE_RECORDS, Slices

RECORD: msgspec.json.Decoder[tuple[str, int]] = msgspec.json.Decoder(tuple[str, int])


def test_all_records_of_a_card_are_in_one_slice_in_their_order(tmp_path: Path) -> None:
    slices = Slices(tmp_path, RECORD, records=3 * SLICE_RECORDS, buffer_bytes_max=100)
    for number in range(1_000):
        card = f"card-{number % 50}"
        slices.add(card, (card, number))
    read = list(slices)
    assert len(read) > 2
    cards = [{card for card, _ in records} for records in read]
    assert sum(map(len, cards)) == len(set[str]().union(*cards)) == 50
    for records in read:
        numbers = [number for _, number in records]
        assert numbers == sorted(numbers)
    assert sum(map(len, read)) == 1_000


def test_little_is_kept_in_memory(tmp_path: Path) -> None:
    slices = Slices(tmp_path, RECORD, records=0, buffer_bytes_max=100)
    for number in range(100):
        slices.add("card", ("card", number))
        held = number + 1 - sum(len(file.read_text().split()) for file in tmp_path.iterdir())
        assert held * len('["card",99]\n') < 200


def test_a_card_that_takes_over_stands_with_the_first_one(tmp_path: Path) -> None:
    slices = Slices(tmp_path, RECORD, records=40 * SLICE_RECORDS)
    slices.add("a", ("a", 1))
    for old, new in ("ab", "bc", "cd"):
        slices.join(old, new)
        slices.add(new, (new, 1))
    (records,) = slices
    assert [card for card, _ in records] == ["a", "b", "c", "d"]


def test_a_slice_without_records_is_passed_over(tmp_path: Path) -> None:
    assert list(Slices(tmp_path, RECORD, records=SLICE_RECORDS)) == []
