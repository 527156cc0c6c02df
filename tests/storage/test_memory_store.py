"""The faults of the store in memory; what it shares with the one on disk is in the contract."""

from __future__ import annotations

import pytest

from storage.errors import StorageFailed, StorageFull
from storage.memory_store import MemoryStore

CHANGE = ("one", b"k", b"v")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(tables=["one"])


def test_a_full_disk_writes_nothing_and_the_same_write_works_later(store: MemoryStore) -> None:
    store.fail_next(StorageFull("no room"), times=2)
    for _ in range(2):
        with pytest.raises(StorageFull, match="no room"):
            store.write([CHANGE])
        assert store.count("one") == 0
    store.write([CHANGE])
    assert store.get("one", b"k") == b"v"


@pytest.mark.parametrize("reaches_disk", [False, True])
def test_after_a_failed_write_the_store_refuses_and_the_disk_may_have_it(
    store: MemoryStore, *, reaches_disk: bool
) -> None:
    store.fail_next(StorageFailed("input/output error"), reaches_disk=reaches_disk)
    with pytest.raises(StorageFailed, match="input/output"):
        store.write([CHANGE])
    with pytest.raises(StorageFailed, match="input/output"):
        store.get("one", b"k")
    with pytest.raises(StorageFailed, match="input/output"):
        store.write([])
    assert store.survivors().get("one", b"k") == (b"v" if reaches_disk else None)


def test_a_full_disk_cannot_have_what_was_not_written(store: MemoryStore) -> None:
    with pytest.raises(AssertionError):
        store.fail_next(StorageFull("no room"), reaches_disk=True)


def test_a_crash_freezes_the_store_and_what_was_written_survives(store: MemoryStore) -> None:
    store.write([CHANGE])
    store.freeze()
    with pytest.raises(StorageFailed, match="killed"):
        store.write([("one", b"late", b"v")])
    with pytest.raises(StorageFailed, match="killed"):
        store.count("one")
    survivors = store.survivors()
    survivors.write([("one", b"k", None), ("one", b"new", b"v")])
    assert survivors.scan("one", limit=9) == [(b"new", b"v")]
    assert store.survivors().scan("one", limit=9) == [(b"k", b"v")]


def test_the_first_reason_to_refuse_is_kept(store: MemoryStore) -> None:
    store.freeze("the power went")
    store.close()
    with pytest.raises(StorageFailed, match="power"):
        store.get("one", b"k")
