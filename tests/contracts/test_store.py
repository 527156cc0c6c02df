"""What every store promises, asked of the one on disk and of its twin in memory."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.errors import StorageFailed
from storage.lmdb_store import LmdbStore
from storage.memory_store import MemoryStore
from storage.store import KEY_BYTES_MAX, Change, Store, all_rows

TABLES: Final = ("one", "two")

MakeStore: TypeAlias = Callable[[], Store]


@pytest.fixture(params=["lmdb", "memory"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeStore]:
    """Return a maker of empty stores, which are closed in the end."""
    made: list[Store] = []
    numbers = itertools.count()

    def make() -> Store:
        store: Store
        if request.param == "lmdb":
            path = tmp_path / str(next(numbers))
            store = LmdbStore(path, tables=TABLES, map_bytes=256 << 10)
        else:
            store = MemoryStore(tables=TABLES)
        made.append(store)
        return store

    yield make
    for store in made:
        store.close()


@pytest.fixture
def store(make_store: MakeStore) -> Store:
    return make_store()


def rows(*keys: bytes) -> list[tuple[bytes, bytes]]:
    return [(key, b"of " + key) for key in keys]


def fill(store: Store, *keys: bytes) -> None:
    store.write([("one", key, value) for key, value in rows(*keys)])


def test_what_was_written_is_read(store: Store) -> None:
    store.write([("one", b"k", b"v"), ("one", b"empty", b"")])
    assert store.get("one", b"k") == b"v"
    assert store.get("one", b"empty") == b""
    assert store.get("one", b"other") is None


def test_each_write_makes_another_version(store: Store) -> None:
    versions = [store.version(), store.version()]
    for value in (b"1", b"2", None):
        store.write([("one", b"k", value)])
        versions.append(store.version())
    assert versions[0] == versions[1]
    assert len(set(versions)) == 4


def test_tables_are_apart(store: Store) -> None:
    store.write([("one", b"k", b"v"), ("two", b"k", b"w")])
    store.write([("one", b"k", None)])
    assert (store.get("one", b"k"), store.get("two", b"k")) == (None, b"w")
    assert (store.count("one"), store.count("two")) == (0, 1)


def test_the_last_change_of_a_key_counts(store: Store) -> None:
    store.write([("one", b"k", b"1"), ("one", b"k", b"2"), ("one", b"gone", b"1")])
    store.write([("one", b"gone", None), ("one", b"k", None), ("one", b"k", b"3")])
    assert store.scan("one", limit=9) == [(b"k", b"3")]


def test_deleting_what_is_not_there_is_no_error(store: Store) -> None:
    store.write([("one", b"k", None)])
    assert store.count("one") == 0


def test_several_keys_are_read_in_the_order_asked_for(store: Store) -> None:
    fill(store, b"a", b"b", b"c")
    assert store.get_many("one", [b"c", b"x", b"a", b"c"]) == [b"of c", None, b"of a", b"of c"]
    assert store.get_many("one", []) == []


def test_a_scan_goes_up_from_its_start(store: Store) -> None:
    fill(store, b"d", b"b", b"a")
    assert store.scan("one", limit=9) == rows(b"a", b"b", b"d")
    assert store.scan("one", b"b", limit=9) == rows(b"b", b"d")
    assert store.scan("one", b"c", limit=9) == rows(b"d")
    assert store.scan("one", b"e", limit=9) == []
    assert store.scan("one", limit=2) == rows(b"a", b"b")
    assert store.scan("one", limit=0) == []
    assert store.scan("two", limit=9) == []


def test_a_scan_back_goes_down_from_its_start(store: Store) -> None:
    fill(store, b"d", b"b", b"a")
    assert store.scan_back("one", limit=9) == rows(b"d", b"b", b"a")
    assert store.scan_back("one", b"b", limit=9) == rows(b"b", b"a")
    assert store.scan_back("one", b"c", limit=9) == rows(b"b", b"a")
    assert store.scan_back("one", b"e", limit=9) == rows(b"d", b"b", b"a")
    assert store.scan_back("one", b"A", limit=9) == []
    assert store.scan_back("one", limit=2) == rows(b"d", b"b")
    assert store.scan_back("one", limit=0) == []
    assert store.scan_back("two", b"a", limit=9) == []
    assert store.scan_back("two", limit=9) == []


def test_a_write_that_is_cut_off_leaves_nothing(store: Store) -> None:
    def changes() -> Iterator[Change]:
        yield "one", b"k", b"v"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.write(changes())
    assert store.count("one") == 0


@pytest.mark.parametrize("key", [b"", bytes(KEY_BYTES_MAX + 1)])
def test_a_key_that_does_not_fit_is_a_defect_and_leaves_nothing(store: Store, key: bytes) -> None:
    with pytest.raises(AssertionError):
        store.write([("one", b"k", b"v"), ("one", key, b"v")])
    assert store.count("one") == 0
    fill(store, b"k")
    assert store.count("one") == 1


def test_a_table_that_does_not_exist_is_a_defect_and_leaves_nothing(store: Store) -> None:
    with pytest.raises(KeyError):
        store.write([("one", b"k", b"v"), ("three", b"k", b"v")])
    with pytest.raises(KeyError):
        store.get("three", b"k")
    assert store.count("one") == 0


def test_the_longest_key_and_a_large_value_fit(store: Store) -> None:
    key, value = bytes(KEY_BYTES_MAX), bytes(range(256)) * 8192
    store.write([("one", key, value)])
    assert store.get("one", key) == value
    assert store.scan_back("one", limit=1) == [(key, value)]


def test_a_walk_visits_each_row_once(store: Store) -> None:
    keys = [number.to_bytes(2) for number in range(100)]
    fill(store, *keys)
    assert list(all_rows(store, "one", batch=7)) == rows(*keys)


def test_a_closed_store_refuses(store: Store) -> None:
    fill(store, b"k")
    store.close()
    store.close()
    for call in (
        lambda: store.get("one", b"k"),
        lambda: store.get_many("one", [b"k"]),
        lambda: store.scan("one", limit=1),
        lambda: store.scan_back("one", limit=1),
        lambda: store.count("one"),
        lambda: store.write([]),
    ):
        with pytest.raises(StorageFailed, match="closed"):
            call()


def test_readers_in_other_threads_see_whole_writes(store: Store) -> None:
    done = threading.Event()

    def write() -> None:
        try:
            for number in range(100):
                # Larger and larger, so that the map is moved under the readers.
                value = number.to_bytes(2) * 100 * number
                store.write([("one", b"a", value), ("two", number.to_bytes(2), value)])
        finally:
            done.set()

    def read() -> int:
        looks = 0
        while not done.is_set():
            looks += 1
            newest = store.scan_back("two", limit=1)
            first, again = store.get_many("one", [b"a", b"a"])
            assert first == again
            assert not newest or newest[0][1] <= (first or b"")
        return looks

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        pool.submit(write).result()
        assert all(reader.result() for reader in readers)
    assert store.count("two") == 100


KEYS: Final = st.binary(min_size=1, max_size=3)
CHANGES: Final = st.lists(
    st.tuples(st.sampled_from(TABLES), KEYS, st.none() | st.binary(max_size=5000)), max_size=20
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(writes=st.lists(CHANGES, max_size=4), start=st.binary(max_size=3), limit=st.integers(0, 9))
def test_a_store_is_as_good_as_ordered_dicts(
    make_store: MakeStore, writes: list[list[Change]], start: bytes, limit: int
) -> None:
    store = make_store()
    model: dict[str, dict[bytes, bytes]] = {table: {} for table in TABLES}
    for changes in writes:
        store.write(changes)
        for table, key, value in changes:
            if value is None:
                model[table].pop(key, None)
            else:
                model[table][key] = value
    for table, content in model.items():
        ascending = sorted(content.items())
        assert list(all_rows(store, table, batch=3)) == ascending
        assert store.count(table) == len(content)
        above = [row for row in ascending if row[0] >= start]
        assert store.scan(table, start, limit=limit) == above[:limit]
        below = [row for row in reversed(ascending) if row[0] <= start]
        if start:
            assert store.scan_back(table, start, limit=limit) == below[:limit]
        wanted = [*content, b"none", *content]
        assert store.get_many(table, wanted) == [content.get(key) for key in wanted]
    store.close()
