"""Keys of terminals: enrolled once, revoked for good."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import StorageDamaged, StorageFull
from storage.key_store import KEYS, KEYS_TABLES, KeyRecord, KeyStore
from storage.memory_store import MemoryStore

ONE, OTHER = bytes(range(32)), bytes(range(1, 33))


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(tables=KEYS_TABLES)


@pytest.fixture
def keys(store: MemoryStore) -> KeyStore:
    return KeyStore(store)


def test_an_enrolled_key_is_found_by_terminal_and_key_together(keys: KeyStore) -> None:
    record = keys.enroll("GATE-1", ONE, role="terminal", at_ms=5, note="by the depot")
    assert record == KeyRecord("GATE-1", ONE, "terminal", 5, None, "by the depot")
    assert keys.find("GATE-1", ONE) == record
    assert keys.find("GATE-1", OTHER) is None
    assert keys.find("GATE-2", ONE) is None


def test_several_keys_are_found_in_one_look(keys: KeyStore) -> None:
    record = keys.enroll("GATE-1", ONE, role="terminal", at_ms=5)
    found = keys.find_many([("GATE-1", OTHER), ("GATE-1", ONE), ("GATE-2", ONE), ("GATE-1", ONE)])
    assert found == [None, record, None, record]
    assert keys.find_many([]) == []


def test_a_key_is_good_until_it_expires_or_is_revoked(keys: KeyStore) -> None:
    for_ever = keys.enroll("GATE-1", ONE, role="terminal", at_ms=5)
    for_now = keys.enroll("GATE-1", OTHER, role="observer", at_ms=5, expires_ms=9)
    assert [record.state(8) for record in (for_ever, for_now)] == ["valid", "valid"]
    assert [record.state(9) for record in (for_ever, for_now)] == ["valid", "expired"]
    assert keys.revoke("GATE-1", at_ms=10) == 2
    assert {record.state(8) for record in keys.records()} == {"revoked"}


def test_a_record_written_before_keys_expired_is_read(store: MemoryStore, keys: KeyStore) -> None:
    old = msgspec.msgpack.encode(["GATE-1", ONE, "service", 5, None, "by the depot"])
    store.write([(KEYS, b"GATE-1\0" + ONE, old)])
    assert keys.find("GATE-1", ONE) == KeyRecord("GATE-1", ONE, "service", 5, None, "by the depot")


def test_records_are_written_all_or_none(store: MemoryStore, keys: KeyStore) -> None:
    store.fail_next(StorageFull("no room"))
    both = [KeyRecord("GATE-1", key, "terminal", 5) for key in (ONE, OTHER)]
    with pytest.raises(StorageFull):
        keys.save(both)
    assert keys.records() == []
    keys.save(both)
    assert keys.records() == both


def test_another_version_tells_that_keys_were_enrolled_or_revoked(keys: KeyStore) -> None:
    versions = [keys.version()]
    keys.enroll("GATE-1", ONE, role="terminal", at_ms=5)
    versions.append(keys.version())
    keys.revoke("GATE-1", at_ms=6)
    versions.append(keys.version())
    assert len(set(versions)) == 3
    assert keys.version() == versions[-1]


def test_enrolling_again_changes_nothing(keys: KeyStore) -> None:
    record = keys.enroll("GATE-1", ONE, role="terminal", at_ms=5)
    assert keys.enroll("GATE-1", ONE, role="service", at_ms=9) == record
    assert keys.find("GATE-1", ONE) == record


def test_a_key_that_anybody_could_prove_is_not_enrolled(keys: KeyStore) -> None:
    with pytest.raises(AssertionError, match="anybody"):
        keys.enroll("GATE-1", bytes(32), role="terminal", at_ms=5)
    assert keys.records() == []


def test_a_revoked_key_is_never_enrolled_again(keys: KeyStore) -> None:
    keys.enroll("GATE-1", ONE, role="terminal", at_ms=5)
    assert keys.revoke("GATE-1", at_ms=7) == 1
    assert keys.enroll("GATE-1", ONE, role="terminal", at_ms=9).revoked_ms == 7
    assert keys.revoke("GATE-1", at_ms=11) == 0
    record = keys.find("GATE-1", ONE)
    assert record is not None
    assert record.revoked_ms == 7


def test_one_key_of_a_terminal_can_be_revoked_alone(keys: KeyStore) -> None:
    for key in (ONE, OTHER):
        keys.enroll("GATE-1", key, role="terminal", at_ms=5)
    keys.enroll("GATE-10", ONE, role="terminal", at_ms=5)
    assert keys.revoke("GATE-1", at_ms=7, public_key=OTHER) == 1
    revoked = {(record.terminal, record.public_key): record.revoked_ms for record in keys.records()}
    assert revoked == {("GATE-1", ONE): None, ("GATE-1", OTHER): 7, ("GATE-10", ONE): None}
    assert [record.public_key for record in keys.records("GATE-1")] == [ONE, OTHER]


def test_what_another_process_enrols_is_seen_at_once(store: MemoryStore, keys: KeyStore) -> None:
    KeyStore(store).enroll("GATE-1", ONE, role="service", at_ms=5)
    assert keys.find("GATE-1", ONE) is not None


@given(st.lists(st.tuples(st.text("a\0", min_size=1, max_size=3), st.sampled_from([ONE, OTHER]))))
def test_no_two_terminals_share_a_record(wanted: list[tuple[str, bytes]]) -> None:
    keys = KeyStore(MemoryStore(tables=KEYS_TABLES))
    for terminal, key in wanted:
        keys.enroll(terminal, key, role="terminal", at_ms=5)
    assert {(record.terminal, record.public_key) for record in keys.records()} == set(wanted)
    assert all(keys.find(*each) is not None for each in wanted)


def test_a_key_has_its_length(keys: KeyStore) -> None:
    with pytest.raises(AssertionError):
        keys.enroll("GATE-1", ONE[1:], role="terminal", at_ms=5)


def test_a_record_that_is_not_ours_is_refused(store: MemoryStore, keys: KeyStore) -> None:
    store.write([(KEYS, b"GATE-1\0" + ONE, b"\xc1")])
    with pytest.raises(StorageDamaged, match="enrol the terminals again"):
        keys.find("GATE-1", ONE)
