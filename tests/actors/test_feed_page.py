"""Steps of a subscription: wherever they begin and end, together they make the journal."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import feed_page, limits
from actors.feed_page import Page, read_page
from engine.errors import Reason
from engine.transaction import Entry, Group, Tap
from protocol.filters import Matches
from protocol.limits import FRAME_BYTES_MAX
from storage.journal import TABLES, Journal
from storage.memory_store import MemoryStore
from tests.protocol.peer import unpack
from tests.storage.entries import START_MS, entries, entry_at

counts = st.lists(st.integers(1, 9), min_size=1, max_size=12)


def journal_of(sizes: Sequence[int]) -> Journal:
    journal = Journal(MemoryStore(tables=TABLES))
    for size in sizes:
        first = journal.head.next_position
        journal.append(entries(first, size), START_MS + first)
    return journal


def every(divisor: int) -> Matches:
    return lambda entry: entry.balance_rp % divisor == 0


def shown(entry: Entry) -> Entry:
    return entry


def step(journal: Journal, position: int, end: int, matches: Matches) -> Page:
    return read_page(journal, position, end, number=7, matches=matches, show=shown)


def positions_in(page: Page, end: int) -> list[int]:
    """Return the positions of the entries in a page, after a look at its message."""
    if not page.payload:
        return []
    name, number, found, following, head = unpack(page.payload)
    assert (name, number, following, head) == ("feed", 7, page.next, end)
    assert isinstance(found, list)
    assert len(page.payload) <= FRAME_BYTES_MAX
    for position, entry in found:
        assert entry[8] == position, "the balance of these entries is their position"
    return [position for position, _ in found]


@given(counts, st.data())
def test_steps_from_any_position_bring_each_entry_once(
    sizes: list[int], data: st.DataObject
) -> None:
    journal = journal_of(sizes)
    total = journal.head.next_position
    position = start = data.draw(st.integers(0, total - 1))
    end = data.draw(st.integers(start + 1, total))
    divisor = data.draw(st.integers(1, 5))
    found: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feed_page, "FEED_ENTRIES_MAX", data.draw(st.integers(1, 6)))
        patch.setattr(limits, "FEED_LOOKED_MAX", data.draw(st.integers(1, 12)))
        patch.setattr(feed_page, "FRAME_BYTES_MAX", data.draw(st.sampled_from([300, 700, 10**6])))
        while position < end:
            page = step(journal, position, end, every(divisor))
            assert position < page.next <= end
            new = positions_in(page, end)
            assert all(position <= each < page.next for each in new)
            found += new
            position = page.next
    assert found == [each for each in range(start, end) if each % divisor == 0]


def test_a_step_is_bounded_in_what_it_looks_at_and_in_what_it_finds() -> None:
    journal = journal_of([limits.FEED_LOOKED_MAX * 2])
    page = step(journal, 10, limits.FEED_LOOKED_MAX * 2, lambda _: False)
    assert page == Page(10 + limits.FEED_LOOKED_MAX, limits.FEED_LOOKED_MAX * 2, b"")
    page = step(journal, 10, limits.FEED_LOOKED_MAX * 2, lambda _: True)
    assert positions_in(page, limits.FEED_LOOKED_MAX * 2) == list(range(10, 510))


def test_nothing_is_read_that_is_not_durable_yet() -> None:
    journal = journal_of([4, 4])
    assert positions_in(step(journal, 0, 6, lambda _: True), 6) == [0, 1, 2, 3, 4, 5]


def test_entries_too_long_for_a_frame_come_in_several() -> None:
    text = "\U0001f68c" * 64
    tap = Tap(text, 1, text, "in", text, text, text, bytes(64))
    postings = ((1, text * 2, 1),) * 16
    longest = Entry(text, 1, 1, Group((tap,) * 8), 1, Reason.NONE, text, text, 1, (), postings, -1)
    journal = Journal(MemoryStore(tables=TABLES))
    journal.append([longest] * 100, START_MS)
    position, messages = 0, 0
    while position < 100:
        page = step(journal, position, 100, lambda _: True)
        assert 0 < len(page.payload) <= FRAME_BYTES_MAX
        position, messages = page.next, messages + 1
    assert 3 < messages < 100


def test_what_is_shown_is_what_is_sent() -> None:
    journal = journal_of([2])
    page = read_page(journal, 0, 2, number=7, matches=lambda _: True, show=lambda _: entry_at(41))
    _, _, found, _, _ = unpack(page.payload)
    assert isinstance(found, list)
    assert [(position, entry[8]) for position, entry in found] == [(0, 41), (1, 41)]
