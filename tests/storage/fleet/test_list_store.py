"""Lists on disk: every version is published whole, and leads to the hash that is told."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.fleet.list_file import EMPTY_HASH, ListFile, content_hash
from engine.fleet.lists import Put
from storage.errors import StorageDamaged, StorageFull
from storage.fleet import list_store
from storage.fleet.list_store import Draft, ListHead, ListStore
from storage.fleet.tables import CHANGES, DRAFTS, FLEET_TABLES, HASHES, ORDERS
from storage.memory_store import MemoryStore
from storage.store import Change

KEYS = st.text(st.sampled_from("ABc09"), min_size=1, max_size=2)
CHANGE = st.dictionaries(KEYS, st.sampled_from(["lost", "stolen", None]), max_size=6)


def new_store() -> MemoryStore:
    return MemoryStore(tables=FLEET_TABLES)


def draft_of(lists: ListStore, puts: Sequence[Put], *, whole: bool = False) -> Draft:
    """Save a draft of the deny list as it stands now."""
    base = lists.head("deny").version
    draft = Draft("d", "deny", "ani", 1, frozenset({0}), base=base, whole=whole, note="why")
    lists.save_parts([(draft, puts)])
    return draft


def publish(lists: ListStore, puts: Sequence[Put], *, whole: bool = False) -> ListHead:
    draft = draft_of(lists, puts, whole=whole)
    head, _ = lists.publish(draft, second_officer="budi", at_ms=77, order=lambda _: [])
    return head


def content_of(file: ListFile) -> list[tuple[str, str | None]]:
    return [tuple(put) for put in msgpack.Unpacker(io.BytesIO(zlib.decompress(file.data)))]


@pytest.fixture
def store() -> MemoryStore:
    return new_store()


@pytest.fixture
def lists(store: MemoryStore) -> ListStore:
    return ListStore(store)


@settings(deadline=None)
@given(changes=st.lists(st.tuples(CHANGE, st.booleans()), min_size=1, max_size=6))
def test_any_history_of_versions_leads_to_the_content_and_hash_of_each(
    changes: list[tuple[dict[str, str | None], bool]],
) -> None:
    lists, expected = ListStore(new_store()), dict[str, str]()
    contents = [dict(expected)]
    for change, whole in changes:
        named = {key: value for key, value in change.items() if value is not None}
        kept = {} if whole else {key: expected[key] for key in expected if key not in change}
        expected = {**kept, **named}
        contents.append(expected)
        effective = [*lists.changes_of(draft_of(lists, [*change.items()], whole=whole))]
        assert len(effective) == len(
            {key for key in contents[-2] | expected if contents[-2].get(key) != expected.get(key)}
        )
        lists.drop_draft("d")
        head = publish(lists, [*change.items()], whole=whole)
        in_order = sorted(expected.items())
        assert [*lists.content("deny")] == in_order == content_of(lists.file(head))
        assert (head.hash, head.entries) == (content_hash(in_order), len(in_order))
    for base, before in enumerate(contents):
        for version in range(base + 1, len(contents)):
            check_change(lists, base, version, before, contents[version])
    assert lists.hashes("deny") == {
        version: content_hash(sorted(content.items()))
        for version, content in enumerate(contents)
        if version
    }


def check_change(
    lists: ListStore, base: int, version: int, before: dict[str, str], after: dict[str, str]
) -> None:
    file = lists.change_from("deny", base, version)
    assert file is not None
    held = dict[str, str](before)
    for key, value in content_of(file):
        held.pop(key, None)
        held |= {} if value is None else {key: value}
    assert held == after


def test_before_the_first_version_a_list_is_empty(lists: ListStore) -> None:
    assert lists.head("deny") == ListHead("deny")
    assert lists.head("deny").hash == EMPTY_HASH
    assert lists.hashes("deny") == {}
    assert [*lists.content("deny")] == []


def test_a_version_tells_who_published_it_and_when_it_counts(lists: ListStore) -> None:
    head = publish(lists, [("A", "lost")])
    assert lists.head("deny") == head
    assert (head.version, head.officer, head.second_officer, head.note) == (1, "ani", "budi", "why")
    assert (head.published_ms, head.activate_ms) == (77, 77), "no time told: at once"
    later = replace(draft_of(lists, [("B", "lost")]), activate_ms=99)
    head, file = lists.publish(later, second_officer="", at_ms=78, order=lambda _: [])
    assert (head.version, head.published_ms, head.activate_ms) == (2, 78, 99)
    assert (head.file_bytes, head.content_bytes) == (len(file.data), file.content_bytes)
    assert lists.file(head) == file


def test_lists_do_not_mix(lists: ListStore) -> None:
    publish(lists, [("A", "lost")])
    other = Draft("e", "settings", "ani", 1, frozenset({0}))
    lists.save_parts([(other, [("A", "on")])])
    lists.publish(other, second_officer="", at_ms=1, order=lambda _: [])
    assert [*lists.content("deny")] == [("A", "lost")]
    assert [*lists.content("settings")] == [("A", "on")]


def test_a_draft_is_kept_until_it_is_published_or_withdrawn(
    lists: ListStore, store: MemoryStore
) -> None:
    draft = draft_of(lists, [("A", "lost"), ("B", None)])
    assert lists.draft("d") == draft
    assert lists.drafts() == [draft]
    order: Change = (ORDERS, b"k", b"v")
    lists.drop_draft("d", [order])
    assert lists.draft("d") is None
    assert store.get(ORDERS, b"k") == b"v"
    publish(lists, [("C", "lost")])
    assert lists.drafts() == []
    assert [*lists.content("deny")] == [("C", "lost")], "nothing is left of the draft thrown away"


def test_what_an_order_did_and_that_it_was_done_are_one_write(
    lists: ListStore, store: MemoryStore
) -> None:
    def order(head: ListHead) -> list[Change]:
        return [(ORDERS, b"k", str(head.version).encode())]

    draft = draft_of(lists, [("A", "lost")])
    store.fail_next(StorageFull("planted"))
    with pytest.raises(StorageFull):
        lists.publish(draft, second_officer="", at_ms=1, order=order)
    assert (lists.head("deny").version, store.get(ORDERS, b"k")) == (0, None)
    lists.publish(draft, second_officer="", at_ms=1, order=order)
    assert (lists.head("deny").version, store.get(ORDERS, b"k")) == (1, b"1")


def test_a_change_too_large_to_be_kept_is_not_offered(
    lists: ListStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_store, "CHANGES_KEPT_MAX", 2)
    publish(lists, [("A", "lost"), ("B", "lost"), ("C", "lost")])
    publish(lists, [("D", "lost")])
    assert lists.change_from("deny", 0, 2) is None
    assert lists.change_from("deny", 1, 2) is not None


def test_versions_of_long_ago_are_forgotten(
    lists: ListStore, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_store, "VERSIONS_KEPT", 2)
    for key in "ABCD":
        publish(lists, [(key, "lost")])
    assert [*lists.hashes("deny")] == [3, 4]
    assert (store.count(HASHES), store.count(CHANGES)) == (2, 2)
    assert lists.change_from("deny", 1, 4) is None


def test_thousands_of_entries_are_looked_up_in_batches(
    lists: ListStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_store, "_LOOKED_UP_AT_ONCE", 3)
    publish(lists, [(f"{number}", "lost") for number in range(7)])
    assert len([*lists.content("deny")]) == 7


def test_how_far_a_version_has_spread_is_kept_with_it(lists: ListStore) -> None:
    head = publish(lists, [("A", "lost")])
    lists.save_reached(replace(head, reached_ms=(1, 2, -1)))
    assert lists.head("deny").reached_ms == (1, 2, -1)
    following = publish(lists, [("B", "lost")])
    lists.save_reached(replace(head, reached_ms=(1, 2, 3)))
    assert lists.head("deny") == following, "it comes too late, and is of another version"


def test_a_draft_that_cannot_be_read_is_told_with_a_remedy(
    lists: ListStore, store: MemoryStore
) -> None:
    store.write([(DRAFTS, b"d", b"\xc1")])
    with pytest.raises(StorageDamaged, match="folder `fleet`"):
        lists.draft("d")
