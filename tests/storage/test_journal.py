"""The journal gives back what was appended, and refuses what was altered."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from itertools import accumulate
from pathlib import Path
from threading import Event

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import storage.journal
from engine.transaction import Entry
from storage.block import GENESIS, Block, SealedBlock, open_block, seal
from storage.errors import StorageDamaged, StorageFailed, StorageFull, StorageVersion
from storage.journal import (
    BLOCKS,
    FORMAT,
    META,
    TABLES,
    WRITTEN_BLOCKS_MAX,
    Head,
    Journal,
    chain,
)
from storage.lmdb_store import LmdbStore
from storage.memory_store import MemoryStore
from tests.storage.entries import START_MS, entries, entry_at


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(tables=TABLES)


def append(journal: Journal, *counts: int) -> None:
    """Append blocks of so many entries, one second apart."""
    for count in counts:
        head = journal.head
        at_ms = START_MS + 1000 * (head.number + 1)
        journal.append(entries(head.next_position, count), at_ms)


def filled(store: MemoryStore, *counts: int) -> Journal:
    journal = Journal(store)
    append(journal, *counts)
    return journal


def fresh(store: MemoryStore) -> Journal:
    """Open the journal without what another one remembers."""
    return Journal(store.survivors())


def all_entries(blocks: Sequence[Block]) -> list[Entry]:
    return [entry for block in blocks for entry in block.entries]


def key(position: int) -> bytes:
    return position.to_bytes(8)


def test_an_empty_journal_begins_at_genesis(store: MemoryStore) -> None:
    journal = Journal(store)
    assert journal.head == Head(0, -1, GENESIS, 0)
    assert list(journal.blocks()) == []
    assert journal.block_before_time(START_MS) is None
    assert store.count(META) == 0


def test_a_block_is_known_by_its_number_place_and_hash(store: MemoryStore) -> None:
    journal = Journal(store)
    first = journal.append(entries(0, 3), START_MS)
    second = journal.append(entries(3, 2), START_MS)
    blocks = list(journal.blocks())
    assert first == SealedBlock(0, 0, 3, blocks[0].hash)
    assert second == SealedBlock(1, 3, 2, blocks[1].hash)
    assert [block.previous for block in blocks] == [GENESIS, first.hash]
    assert journal.head == Head(5, 1, second.hash, START_MS)


@given(counts=st.lists(st.integers(1, 4), max_size=3 * WRITTEN_BLOCKS_MAX), data=st.data())
def test_what_was_appended_is_read_at_its_position(counts: list[int], data: st.DataObject) -> None:
    store = MemoryStore(tables=TABLES)
    written = filled(store, *counts)
    total = sum(counts)
    starts = [0, *accumulate(counts)]
    for journal in (written, fresh(store)):
        assert journal.head == written.head
        assert all_entries(list(journal.blocks())) == entries(0, total)
        for position in data.draw(st.lists(st.integers(0, total - 1))) if total else []:
            assert journal.entry_at(position) == entry_at(position)
            block = journal.block_at(position)
            assert block.first_position == starts[bisect_right(starts, position) - 1]


@given(counts=st.lists(st.integers(1, 4), min_size=1, max_size=8), data=st.data())
def test_a_walk_begins_with_the_block_of_its_position(
    counts: list[int], data: st.DataObject
) -> None:
    journal = filled(MemoryStore(tables=TABLES), *counts)
    position = data.draw(st.integers(0, sum(counts)))
    expected = [block for block in journal.blocks() if block.next_position > position]
    assert list(journal.blocks(position)) == expected


def test_a_walk_goes_on_to_blocks_that_are_appended_meanwhile(store: MemoryStore) -> None:
    journal = filled(store, 1)
    walk = journal.blocks()
    next(walk)
    append(journal, 2)
    assert [block.number for block in walk] == [1]


@given(counts=st.lists(st.integers(1, 3), max_size=9), moment=st.integers(-1500, 9500))
def test_the_last_block_before_a_time_is_found(counts: list[int], moment: int) -> None:
    journal = filled(MemoryStore(tables=TABLES), *counts)
    earlier = [block for block in journal.blocks() if block.at_ms <= START_MS + moment]
    assert journal.block_before_time(START_MS + moment) == (earlier[-1] if earlier else None)


def test_of_blocks_sealed_in_one_millisecond_the_last_is_found(store: MemoryStore) -> None:
    journal = Journal(store)
    for number in range(5):
        journal.append(entries(number, 1), START_MS)
    found = journal.block_before_time(START_MS)
    assert found is not None
    assert found.number == 4


def test_the_clock_does_not_run_back_along_the_journal(store: MemoryStore) -> None:
    journal = filled(store, 1)
    with pytest.raises(AssertionError, match="clock"):
        journal.append(entries(1, 1), START_MS - 1)
    assert journal.head.next_position == 1


def test_a_position_that_was_not_written_is_a_defect(store: MemoryStore) -> None:
    journal = filled(store, 2)
    for position in (-1, 2):
        with pytest.raises(AssertionError):
            journal.block_at(position)


def test_after_a_full_disk_the_same_entries_are_appended_again(store: MemoryStore) -> None:
    journal = filled(store, 2)
    before = journal.head
    store.fail_next(StorageFull("no room"))
    with pytest.raises(StorageFull):
        journal.append(entries(2, 3), START_MS + 1000)
    assert journal.head == before
    assert fresh(store).head == before
    journal.append(entries(2, 3), START_MS + 2000)
    assert all_entries(list(fresh(store).blocks())) == entries(0, 5)


@pytest.mark.parametrize("reaches_disk", [False, True])
def test_after_a_failed_write_the_journal_is_as_long_as_the_disk_has_it(
    store: MemoryStore, *, reaches_disk: bool
) -> None:
    journal = filled(store, 2)
    store.fail_next(StorageFailed("input/output error"), reaches_disk=reaches_disk)
    with pytest.raises(StorageFailed):
        journal.append(entries(2, 3), START_MS + 1000)
    with pytest.raises(StorageFailed):
        journal.append(entries(2, 3), START_MS + 1000)
    assert fresh(store).head.next_position == (5 if reaches_disk else 2)


def test_blocks_are_decoded_once_while_they_are_remembered(store: MemoryStore) -> None:
    journal = filled(store, *[1] * (WRITTEN_BLOCKS_MAX + 1))
    assert [journal.at_hand(position) for position in (0, 1, 2)] == [False, True, True]
    first = journal.block_at(0)
    assert journal.block_at(0) is first
    # Two threads may have read the same block at the same time.
    journal._read.add(fresh(store).block_at(0))  # noqa: SLF001
    assert journal.block_at(0) is first


def test_the_blocks_looked_at_last_are_remembered_up_to_so_many_entries(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.journal, "READ_ENTRIES_MAX", 10)
    filled(store, 3, 3, 3, 3, 11)
    journal = fresh(store)
    assert not any(map(journal.at_hand, range(23)))
    for position in (8, 2, 5, 7, 0):
        assert journal.entry_at(position) == entry_at(position)
    assert [journal.at_hand(position) for position in (0, 3, 6, 9)] == [True, True, True, False]
    assert journal.entry_at(4) == entry_at(4)
    assert journal.entry_at(9) == entry_at(9), "and the one not looked at for longest goes"
    assert [journal.at_hand(position) for position in (0, 3, 6, 9)] == [False, True, True, True]
    assert journal.block_at(12) is journal.block_at(22), "a large one stays alone"
    assert [journal.at_hand(position) for position in (3, 9, 12)] == [False, False, True]


def test_who_walks_by_takes_no_room_from_those_who_ask(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.journal, "PASSED_ENTRIES_MAX", 6)
    filled(store, 3, 3, 3)
    journal = fresh(store)
    asked_for = journal.block_at(0)
    passed = [journal.passing(position) for position in range(9)]
    assert all_entries(passed[::3]) == entries(0, 9)
    assert passed[3] is passed[4] is journal.passing(5), "a block is decoded once on the way"
    assert passed[0] is not asked_for
    assert [journal.at_hand(position) for position in (0, 3, 6)] == [True, False, False]
    assert journal.passing(0) is not passed[0], "and forgotten behind"
    append(journal, 2)
    assert journal.passing(9) is journal.block_at(9), "what was just written is at hand"


def test_any_thread_reads_while_one_appends(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path / "journal", tables=TABLES)
    journal = Journal(store)
    append(journal, 1)
    done = Event()

    def write() -> None:
        try:
            append(journal, *range(1, 60))
        finally:
            done.set()

    def read() -> int:
        looks = 0
        while not done.is_set():
            position = journal.head.next_position - 1
            for wanted in {position, position // 2, 0}:
                assert journal.entry_at(wanted) == entry_at(wanted)
            looks += 1
        return looks

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        pool.submit(write).result()
        assert all(reader.result() for reader in readers)
    assert all_entries(list(Journal(store).blocks())) == entries(0, 1 + sum(range(60)))
    store.close()


# ------------------------------------------------------------------------------- what is altered


def altered(value: bytes) -> bytes:
    return value[:-1] + bytes([value[-1] ^ 1])


def resealed(value: bytes, **fields: object) -> bytes:
    """Change some fields of a block, and give it a hash that fits."""
    block = msgspec.structs.replace(open_block(value, lambda: 0), **fields)
    return seal(block.number, block.first_position, block.previous, block.at_ms, block.entries)[1]


Damage = Callable[[MemoryStore], list[tuple[str, bytes, bytes | None]]]


def row(store: MemoryStore, position: int) -> bytes:
    value = store.get(BLOCKS, key(position))
    assert value is not None
    return value


IN_BLOCK_2: dict[str, Damage] = {
    "a bit": lambda store: [(BLOCKS, key(4), altered(row(store, 4)))],
    "nothing left": lambda _: [(BLOCKS, key(4), b"")],
    "another block": lambda store: [(BLOCKS, key(4), row(store, 2))],
    "another number": lambda store: [(BLOCKS, key(4), resealed(row(store, 4), number=3))],
    "another chain": lambda store: [(BLOCKS, key(4), resealed(row(store, 4), previous=GENESIS))],
    "another time": lambda store: [(BLOCKS, key(4), resealed(row(store, 4), at_ms=START_MS))],
    "gone": lambda _: [(BLOCKS, key(4), None)],
    "moved": lambda store: [(BLOCKS, key(4), None), (BLOCKS, key(5), row(store, 4))],
}


@pytest.mark.parametrize("damage", IN_BLOCK_2.values(), ids=IN_BLOCK_2)
def test_a_walk_refuses_an_altered_block_with_its_number(
    store: MemoryStore, damage: Damage
) -> None:
    journal = filled(store, 2, 2, 2, 2, 2)
    store.write(damage(store))
    walk = journal.blocks()
    assert [next(walk).number, next(walk).number] == [0, 1]
    with pytest.raises(StorageDamaged, match=r"block 2 .* backup") as refusal:
        next(walk)
    assert refusal.value.block == 2


@pytest.mark.parametrize("damage", IN_BLOCK_2.values(), ids=IN_BLOCK_2)
def test_an_altered_head_is_refused_on_opening(store: MemoryStore, damage: Damage) -> None:
    filled(store, 2, 2, 2)
    store.write(damage(store))
    if store.count(BLOCKS) == 2:
        # Without its last block a journal is sound by itself; only the views know of more.
        assert Journal(store).head.next_position == 4
        return
    with pytest.raises(StorageDamaged, match=r"block 2 .* backup") as refusal:
        Journal(store)
    assert refusal.value.block == 2


def test_a_changed_entry_with_a_fitting_hash_breaks_the_chain(store: MemoryStore) -> None:
    filled(store, 2, 2, 2)
    store.write([(BLOCKS, key(2), resealed(row(store, 2), entries=tuple(entries(7, 2))))])
    with pytest.raises(StorageDamaged, match=r"block 2 .* follow"):
        list(chain(store))


def test_a_missing_block_is_found_on_opening_wherever_it_was(store: MemoryStore) -> None:
    filled(store, 2, 2, 2, 2, 2)
    store.write([(BLOCKS, key(2), None)])
    with pytest.raises(StorageDamaged, match="4 blocks"):
        Journal(store)


def long_journal(store: MemoryStore) -> Journal:
    """Return a journal of two entries a block, that remembers none of its blocks."""
    append(Journal(store), *[2] * (WRITTEN_BLOCKS_MAX + 5))
    return Journal(store)


@pytest.mark.parametrize("counts", [(), (2,), (2, 2, 2)])
def test_a_journal_is_opened_whenever_another_process_appends(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch, counts: tuple[int, ...]
) -> None:
    writer = filled(store, *counts)

    def meanwhile(look: Callable[..., object]) -> Callable[..., object]:
        def looking(*asked: object, **bounds: object) -> object:
            seen = look(*asked, **bounds)
            append(writer, 1)
            return seen

        return looking

    reading = MemoryStore(tables=TABLES)
    for name in ("count", "get", "scan_back"):
        monkeypatch.setattr(reading, name, meanwhile(getattr(store, name)))
    assert sum(counts) <= Journal(reading).head.next_position <= writer.head.next_position


def test_a_missing_first_block_is_found(store: MemoryStore) -> None:
    journal = long_journal(store)
    store.write([(BLOCKS, key(0), None)])
    for position in (0, 1, 2):
        with pytest.raises(StorageDamaged, match="block 0 "):
            list(chain(store, position))
    with pytest.raises(StorageDamaged, match="no entry 0"):
        journal.entry_at(0)


def test_a_position_in_a_gap_is_refused(store: MemoryStore) -> None:
    journal = long_journal(store)
    store.write([(BLOCKS, key(2), None)])
    with pytest.raises(StorageDamaged, match="no entry 3"):
        journal.entry_at(3)


def test_the_number_of_a_block_is_known_when_many_are_altered(store: MemoryStore) -> None:
    journal = long_journal(store)
    for number in range(3, 7):
        store.write([(BLOCKS, key(2 * number), altered(row(store, 2 * number)))])
    with pytest.raises(StorageDamaged, match="block 6 "):
        journal.entry_at(13)
    for number in range(3):
        store.write([(BLOCKS, key(2 * number), altered(row(store, 2 * number)))])
    with pytest.raises(StorageDamaged, match="block 6 "):
        journal.entry_at(12)
    with pytest.raises(StorageDamaged, match="block 0 "):
        journal.entry_at(0)


def test_a_newer_journal_is_refused(store: MemoryStore) -> None:
    filled(store, 1)
    store.write([(META, b"format", str(FORMAT + 1).encode())])
    with pytest.raises(StorageVersion, match="newer"):
        Journal(store)


@pytest.mark.parametrize("content", [None, b"", b"one"])
def test_blocks_without_a_format_are_refused(store: MemoryStore, content: bytes | None) -> None:
    filled(store, 1)
    store.write([(META, b"format", content)])
    with pytest.raises(StorageDamaged, match="backup"):
        Journal(store)


def test_a_format_without_blocks_is_refused(store: MemoryStore) -> None:
    store.write([(META, b"format", b"1")])
    with pytest.raises(StorageDamaged, match="no blocks"):
        Journal(store)


def test_every_hash_stands_for_all_that_came_before(store: MemoryStore) -> None:
    head = filled(store, 2, 2).head
    other = MemoryStore(tables=TABLES)
    journal = Journal(other)
    journal.append([entry_at(0), entry_at(9)], START_MS)
    append(journal, 2)
    assert journal.head.next_position == head.next_position
    assert journal.head.hash != head.hash
    assert head.hash == sha256(row(store, 2)[32:]).digest()
