"""No length of a list stops a gate.

On 12 October 2007 the gates of 662 stations around Tokyo did not start: a list of one particular
length, a few bytes around a boundary of their program, could not be read. So every length around
every boundary of this one is tried, whole and as a change of the one before, and what cannot be
read leaves the list that was in use.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from engine.fleet.list_file import ListFile, make_file
from terminals import content
from terminals.content import BLOCK_ENTRIES, BLOCK_ENTRIES_MAX, Content
from terminals.keeper import MemoryKeeper
from terminals.lists import ListHolder
from tests.terminals.list_world import Published, deliver, take_in

pytestmark = pytest.mark.slow

SMALL = range(2 * BLOCK_ENTRIES_MAX + 3)
"""Every length up to two of the longest blocks."""
POWERS = [2**power + off for power in range(9, 18) for off in (-1, 0, 1)]
BLOCKS = [count * BLOCK_ENTRIES + off for count in (15, 100, 1_000) for off in (-1, 0, 1)]
BYTE_BOUNDS = [1 << power for power in (8, 12, 14, 15, 16, 17)]
"""A length in one byte, a page, a slice of what is inflated, two bytes, a piece of it."""


def numbers(count: int) -> list[tuple[str, str]]:
    return [(f"93600200{number:08}", "lost") for number in range(0, 2 * count, 2)]


def read(file: ListFile) -> Content:
    return content.whole(content.inflated(file.data, file.content_bytes))


def check(found: Content, listed: list[tuple[str, str]]) -> None:
    """Check that a list says yes to all that are on it, and no to those between and beside."""
    assert found.entries == len(listed)
    probes = {0, 1, len(listed) // 2, len(listed) - 2, len(listed) - 1}
    probes |= {at + off for at in range(0, len(listed), BLOCK_ENTRIES) for off in (-1, 0, 1)}
    for at in probes & set(range(len(listed))):
        key, value = listed[at]
        assert found.get(key) == value
        between = f"{int(key) + 1:016}"
        assert found.get(between) is None
    assert found.get("0") is None
    assert found.get("9" * 16) is None


@pytest.mark.parametrize("counts", [SMALL, POWERS, BLOCKS], ids=["small", "powers", "blocks"])
def test_a_list_of_any_number_of_cards_can_be_used(counts: Sequence[int]) -> None:
    for count in counts:
        listed = numbers(count)
        check(read(make_file(listed)), listed)


def test_a_list_that_grows_and_shrinks_card_by_card_can_be_used_at_each_step() -> None:
    found = content.EMPTY
    listed = numbers(len(SMALL))
    for count, (key, value) in enumerate(listed, start=1):
        found = found.changed([(key, value)])
        check(found, listed[:count])
        assert found.hash == read(make_file(listed[:count])).hash
    for left in range(len(listed) - 1, -1, -1):
        found = found.changed([(listed[left][0], None)])
        check(found, listed[:left])


def sized(content_bytes: int) -> list[tuple[str, str]]:
    """Return a list whose content, packed, is so many bytes long."""
    entry = make_file(numbers(1)).content_bytes
    listed = numbers(content_bytes // entry)
    lacking = content_bytes - make_file(listed).content_bytes
    key, value = listed.pop()
    # Up to 31 characters a text has one byte of length.
    listed.append((key, value + "x" * lacking))
    assert make_file(listed).content_bytes == content_bytes
    return listed


@pytest.mark.parametrize("bound", BYTE_BOUNDS)
def test_a_list_of_any_length_in_bytes_can_be_used(bound: int) -> None:
    for length in range(bound - 20, bound + 21):
        listed = sized(length)
        check(read(make_file(listed)), listed)


def compressed(bound: int) -> Iterator[ListFile]:
    """Yield files around a length, as they travel."""
    count = bound // 3
    for more in range(0, 400, 7):
        yield make_file(numbers(count + more))


@pytest.mark.parametrize("bound", [1 << 12, 1 << 14])
def test_a_file_of_any_length_can_be_read(bound: int) -> None:
    lengths = set()
    for file in compressed(bound):
        assert read(file).entries == file.entries
        lengths.add(len(file.data))
    assert len(lengths) > 10


@pytest.mark.parametrize(
    "counts", [SMALL[::5], BLOCKS[:3], POWERS[:6]], ids=["small", "blocks", "powers"]
)
def test_a_terminal_takes_each_length_after_the_other(counts: Sequence[int]) -> None:
    published, holder = Published(), ListHolder(("deny",), MemoryKeeper())
    holder.load()
    before: set[str] = set()
    for count in counts:
        after = dict(numbers(count))
        gone = dict.fromkeys(before - after.keys())
        published.publish({**gone, **after})
        deliver(holder, published, size_max=10_000)
        found = holder.active("deny")
        assert found is not None
        check(found, sorted(after.items()))
        before = set(after)


def test_a_list_that_cannot_be_read_leaves_the_one_in_use_and_is_told_of() -> None:
    published, holder = Published(), ListHolder(("deny",), MemoryKeeper())
    holder.load()
    published.publish(dict(numbers(100)))
    deliver(holder, published)
    good = holder.active("deny")
    for cut in range(1, 60, 6):
        published.publish({f"7{cut}": "lost"})
        holder.take_offer(published.offer()._replace(file_bytes=cut))
        wish = holder.wish()
        assert wish is not None
        chunk = published.chunk(wish)
        holder.take_chunk(chunk._replace(data=chunk.data[:cut]))
        take_in(holder)
        assert holder.active("deny") is good
        (held,) = holder.holds()
        assert held.state == "mismatch"
        holder.begin()
