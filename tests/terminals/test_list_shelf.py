"""What is kept of a list: versions in use and waiting, after crashes, damage and full disks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminals import content
from terminals.content import Content
from terminals.errors import KeeperFailed
from terminals.keeper import Keeper, MemoryKeeper
from terminals.list_shelf import CHANGES_MAX, PENDING_MAX, Fresh, ListShelf
from tests.terminals.list_world import Crash, FailingKeeper, cards

BASE = content.EMPTY.changed(sorted(cards(range(1_000)).items()))


def loaded(keeper: Keeper) -> ListShelf:
    shelf = ListShelf("deny", keeper)
    assert shelf.load() == []
    return shelf


def whole(version: int, activate_ms: int = 0, listed: Content = BASE) -> Fresh:
    return Fresh(version, activate_ms, listed)


def change_of(before: Content, version: int, number: int, activate_ms: int = 0) -> Fresh:
    """Return a version that blocks one card more than the one before."""
    put = (f"60135001{number:08}", "stolen")
    pieces = list(content.EMPTY.changed([put]).pieces())
    return Fresh(version, activate_ms, before.changed([put]), lambda: pieces, len(pieces[0]))


def shown(shelf: ListShelf) -> list[tuple[int, bool]]:
    return [(kept.version, kept.active) for kept in shelf.versions]


def test_a_shelf_begins_empty() -> None:
    shelf = loaded(MemoryKeeper())
    assert (shelf.newest, shelf.active) == (None, None)


def test_a_version_whose_time_has_come_is_in_use_at_once_and_after_a_start() -> None:
    keeper = MemoryKeeper()
    loaded(keeper).put(whole(3, activate_ms=100), 100)
    shelf = loaded(keeper)
    assert shown(shelf) == [(3, True)]
    assert shelf.active is not None
    assert shelf.active is shelf.newest
    assert shelf.active.content.hash == BASE.hash


def test_a_version_waits_for_its_time_beside_the_one_in_use() -> None:
    keeper = MemoryKeeper()
    shelf = loaded(keeper)
    shelf.put(whole(1), 0)
    shelf.put(change_of(BASE, 2, 5_000, activate_ms=100), 50)
    for again in (shelf, loaded(keeper)):
        assert shown(again) == [(1, True), (2, False)]
        assert not again.activate(99)
    assert shelf.activate(100)
    assert not shelf.activate(100)
    assert shown(shelf) == shown(loaded(keeper)) == [(2, True)]


def test_a_version_stays_in_use_when_the_clock_goes_back() -> None:
    keeper = MemoryKeeper()
    shelf = loaded(keeper)
    shelf.put(whole(1, activate_ms=100), 50)
    assert (shelf.active, shown(shelf)) == (None, [(1, False)])
    shelf.activate(100)
    again = loaded(keeper)
    assert not again.activate(10)
    assert shown(again) == [(1, True)]


def test_several_versions_wait_and_only_the_latest_that_is_due_comes_into_use() -> None:
    keeper = MemoryKeeper()
    shelf = loaded(keeper)
    for version, activate_ms in ((1, 0), (2, 100), (3, 200), (4, 300)):
        shelf.put(whole(version, activate_ms), 50)
    assert shown(loaded(keeper)) == [(1, True), (2, False), (3, False), (4, False)]
    shelf.activate(250)
    assert shown(shelf) == shown(loaded(keeper)) == [(3, True), (4, False)]


def test_a_later_version_that_is_in_use_ends_the_wait_of_those_before_it() -> None:
    keeper = MemoryKeeper()
    shelf = loaded(keeper)
    shelf.put(whole(1, activate_ms=500), 0)
    shelf.put(whole(2), 0)
    assert shown(shelf) == shown(loaded(keeper)) == [(2, True)]
    assert keeper.names() == ["deny-0000000002-active"]


def test_so_many_versions_wait_and_no_more() -> None:
    keeper = MemoryKeeper()
    shelf = loaded(keeper)
    for version in range(1, PENDING_MAX + 3):
        shelf.put(whole(version, activate_ms=1_000 + version), 0)
    assert [version for version, _ in shown(shelf)] == list(range(3, PENDING_MAX + 3))
    assert shown(loaded(keeper)) == shown(shelf)


def test_a_node_that_went_back_takes_back_what_waits_and_not_what_is_in_use() -> None:
    keeper = MemoryKeeper()
    shelf = loaded(keeper)
    shelf.put(whole(8), 0)
    shelf.put(whole(9, activate_ms=500), 0)
    shelf.put(whole(4, activate_ms=600), 0)
    assert shown(shelf) == shown(loaded(keeper)) == [(8, True), (4, False)]
    shelf.activate(600)
    assert shown(shelf) == shown(loaded(keeper)) == [(4, True)]


def test_changes_are_kept_as_such_until_they_come_to_much() -> None:
    keeper = MemoryKeeper()
    shelf = loaded(keeper)
    shelf.put(whole(1), 0)
    sizes: list[int] = []
    for version in range(2, 3 * CHANGES_MAX):
        newest = shelf.newest
        assert newest is not None
        shelf.put(change_of(newest.content, version, 10_000 + version), 0)
        sizes.append(len(keeper.read(keeper.names()[-1])))
        assert len(keeper.names()) <= CHANGES_MAX + 1
    assert sum(size > BASE.size_bytes for size in sizes) in (2, 3)
    assert max(sorted(sizes)[:-3]) < 200
    again, newest = loaded(keeper), shelf.newest
    assert newest is not None
    assert again.newest is not None
    assert again.newest.content.hash == newest.content.hash


def test_a_change_of_a_good_part_of_the_list_is_kept_as_a_whole() -> None:
    keeper = MemoryKeeper()
    shelf = loaded(keeper)
    shelf.put(whole(1, listed=content.EMPTY.changed([("a", "b")])), 0)
    newest = shelf.newest
    assert newest is not None
    shelf.put(change_of(newest.content, 2, 7), 0)
    assert keeper.names() == ["deny-0000000002-active"]


def test_a_change_that_nothing_is_there_for_is_kept_as_a_whole() -> None:
    keeper = MemoryKeeper()
    shelf = loaded(keeper)
    shelf.put(change_of(BASE, 2, 7), 0)
    assert shown(loaded(keeper)) == [(2, True)]


def filled(keeper: Keeper) -> list[Content]:
    """Keep a whole list, a change in use, and one that waits; return their contents."""
    shelf = loaded(keeper)
    shelf.put(whole(1), 0)
    two = change_of(BASE, 2, 5_000)
    shelf.put(two, 0)
    three = change_of(two.content, 3, 6_000, activate_ms=900)
    shelf.put(three, 0)
    return [BASE, two.content, three.content]


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("deny-0000000001-active", []),
        ("deny-0000000002-active", [(1, True)]),
        ("deny-0000000003-waiting", [(2, True)]),
    ],
)
@pytest.mark.parametrize("at", [0, 9, 30, 60, 120, -1])
def test_what_is_damaged_is_dropped_with_all_that_builds_on_it(
    name: str, left: list[tuple[int, bool]], at: int
) -> None:
    keeper = MemoryKeeper()
    filled(keeper)
    data = bytearray(keeper.read(name))
    data[at] ^= 0x10
    keeper.write(name, [bytes(data)])
    shelf = ListShelf("deny", keeper)
    troubles = shelf.load()
    assert troubles[0].startswith(name)
    assert shown(shelf) == left
    assert shown(loaded(keeper)) == left


@given(st.data())
def test_a_record_that_is_cut_or_noise_is_never_believed(data: st.DataObject) -> None:
    keeper = MemoryKeeper()
    contents = filled(keeper)
    known = {number: one.hash for number, one in enumerate(contents, 1)}
    name = data.draw(st.sampled_from(keeper.names()))
    record = keeper.read(name)
    cut = record[: data.draw(st.integers(0, len(record) - 1))]
    keeper.write(name, [data.draw(st.sampled_from([cut, cut + b"x" * 50])), b""])
    shelf = ListShelf("deny", keeper)
    assert shelf.load()
    assert all(kept.content.hash == known[kept.version] for kept in shelf.versions)


def test_a_record_of_another_list_is_not_believed() -> None:
    keeper = MemoryKeeper()
    loaded(keeper).put(whole(1), 0)
    keeper.rename("deny-0000000001-active", "fares-0000000001-active")
    shelf = ListShelf("fares", keeper)
    (trouble,) = shelf.load()
    assert "a record of deny" in trouble
    assert shelf.newest is None


def test_a_record_of_content_with_another_hash_is_not_believed() -> None:
    keeper = MemoryKeeper()
    shelf = loaded(keeper)
    wrong = Content(["a"], [b"\x92\xa1a\xa1b"], 1)
    wrong.hash = bytes(32)
    shelf.put(whole(1, listed=wrong), 0)
    again = ListShelf("deny", keeper)
    (trouble,) = again.load()
    assert "another hash" in trouble


def test_lists_share_a_keeper() -> None:
    keeper = MemoryKeeper()
    loaded(keeper).put(whole(1), 0)
    other = ListShelf("fares", keeper)
    assert other.load() == []
    other.put(whole(7), 0)
    assert shown(loaded(keeper)) == [(1, True)]
    keeper.write("command-0000000001", [b"something else"])
    assert shown(loaded(keeper)) == [(1, True)]


@pytest.mark.parametrize("at", range(4, 10))
def test_a_crash_at_any_moment_leaves_the_version_before_or_the_new_one(at: int) -> None:
    keeper = FailingKeeper()
    contents = filled(keeper)
    shelf = loaded(crashing := FailingKeeper(keeper.records, fails_at=at, failure=Crash))
    crashed = False
    try:
        shelf.activate(900)
        shelf.put(whole(5), 950)
    except Crash:
        crashed = True
    found = loaded(FailingKeeper(crashing.records))
    # Three records are read; one is renamed, one is written, three are removed.
    assert crashed == (at <= 8)
    assert shown(found) == [[(2, True), (3, False)], [(3, True)], [(5, True)]][min(at - 4, 2)]
    hashes = {2: contents[1].hash, 3: contents[2].hash, 5: BASE.hash}
    assert all(kept.content.hash == hashes[kept.version] for kept in found.versions)


def test_a_full_disk_leaves_all_as_it_was() -> None:
    keeper = FailingKeeper()
    filled(keeper)
    shelf = loaded(keeper)
    keeper.fails_at = 0
    with pytest.raises(KeeperFailed):
        shelf.put(whole(4), 0)
    assert shown(shelf) == [(2, True), (3, False)]
    keeper.fails_at = 10**9
    shelf.put(whole(4), 0)
    assert shown(shelf) == shown(loaded(keeper)) == [(4, True)]


def test_a_version_is_used_though_the_disk_does_not_take_it_down() -> None:
    keeper = FailingKeeper()
    filled(keeper)
    shelf = loaded(keeper)
    keeper.fails_at = 0
    with pytest.raises(KeeperFailed):
        shelf.activate(900)
    assert shown(shelf) == [(3, True)]
    keeper.fails_at = 10**9
    assert not shelf.activate(900)
    again = loaded(keeper)
    assert shown(again) == [(2, True), (3, False)]
    assert again.activate(900)


def test_records_that_cannot_be_removed_are_found_again() -> None:
    keeper = FailingKeeper()
    shelf = loaded(keeper)
    shelf.put(whole(1), 0)
    keeper.fails_at = 3
    shelf.put(whole(2), 0)
    assert len(keeper.names()) == 2
    assert shown(loaded(FailingKeeper(keeper.records))) == [(2, True)]
    assert keeper.names() == ["deny-0000000002-active"]
