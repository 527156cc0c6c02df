"""What happened at the readers, told from how they were and how they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminals.pcsc.events import (
    CardInserted,
    CardRemoved,
    MuteCardInserted,
    ReaderAppeared,
    ReaderEvent,
    ReaderVanished,
    changes,
)
from terminals.pcsc.service import Slot

A = "A"
EMPTY = Slot(0x10)
CARD = Slot(0x10020, present=True, moves=1, atr=b"\x3b")
SWAPPED = Slot(0x30020, present=True, moves=3, atr=b"\x3b")
MUTE = Slot(0x10220, present=True, mute=True, moves=1)
IN_USE = Slot(0x100A0, present=True, moves=1, atr=b"\x3b")
CAME_AND_WENT = Slot(0x20010, moves=2)
AWAY = Slot(0x08, available=False)


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (None, EMPTY, [ReaderAppeared(A)]),
        (None, CARD, [ReaderAppeared(A), CardInserted(A, b"\x3b")]),
        (None, MUTE, [ReaderAppeared(A), MuteCardInserted(A)]),
        (None, AWAY, []),
        (EMPTY, EMPTY, []),
        (EMPTY, CARD, [CardInserted(A, b"\x3b")]),
        (EMPTY, MUTE, [MuteCardInserted(A)]),
        (EMPTY, CAME_AND_WENT, []),
        (EMPTY, None, [ReaderVanished(A)]),
        (CARD, EMPTY, [CardRemoved(A)]),
        (CARD, IN_USE, []),
        (CARD, SWAPPED, [CardRemoved(A), CardInserted(A, b"\x3b")]),
        (CARD, MUTE, [CardRemoved(A), MuteCardInserted(A)]),
        (MUTE, CARD, [CardRemoved(A), CardInserted(A, b"\x3b")]),
        (MUTE, CAME_AND_WENT, [CardRemoved(A)]),
        (CARD, None, [CardRemoved(A), ReaderVanished(A)]),
        (CARD, AWAY, [CardRemoved(A), ReaderVanished(A)]),
        (AWAY, CARD, [ReaderAppeared(A), CardInserted(A, b"\x3b")]),
    ],
)
def test_each_change_is_told(
    before: Slot | None, now: Slot | None, told: list[ReaderEvent]
) -> None:
    assert list(changes({A: before} if before else {}, {A: now} if now else {})) == told


SLOTS = st.dictionaries(
    st.sampled_from("ABC"),
    st.sampled_from([EMPTY, CARD, SWAPPED, MUTE, IN_USE, CAME_AND_WENT, AWAY]),
)


@given(st.lists(SLOTS))
def test_whoever_hears_all_events_knows_what_is_there(states: list[dict[str, Slot]]) -> None:
    there: dict[str, bool] = {}
    before: dict[str, Slot] = {}
    for now in states:
        for event in changes(before, now):
            follow(there, event)
        before = now
        assert there == {reader: slot.present for reader, slot in now.items() if slot.available}


def follow(there: dict[str, bool], event: ReaderEvent) -> None:
    """Keep track of which readers there are, and whether something lies on them."""
    match event:
        case ReaderAppeared(reader):
            assert reader not in there
            there[reader] = False
        case ReaderVanished(reader):
            assert not there.pop(reader), "its card is removed before"
        case CardInserted(reader) | MuteCardInserted(reader):
            assert not there[reader], "the card before is removed before"
            there[reader] = True
        case CardRemoved(reader):
            assert there[reader]
            there[reader] = False
        case _:
            raise AssertionError(event)
