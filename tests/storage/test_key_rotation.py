"""Rotation: a new key takes over, and the older ones end after a grace."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from storage.key_rotation import CannotRotate, Rotation, rotation
from storage.key_store import KeyRecord

NOW_MS, GRACE_MS = 1_000, 60
UNTIL_MS = NOW_MS + GRACE_MS


def key(number: int, **fields: object) -> KeyRecord:
    """Return a key of a gate, enrolled long ago."""
    record = KeyRecord("GATE-1", bytes([number]) * 32, "terminal", 10 * number)
    for name, value in fields.items():
        record = replace(record, **{name: value})
    return record


NEW = key(9, enrolled_ms=NOW_MS)


def rotated(*records: KeyRecord, wanted: KeyRecord = NEW, until_ms: int = UNTIL_MS) -> Rotation:
    found = rotation(records, wanted, until_ms=until_ms)
    assert isinstance(found, Rotation)
    return found


def test_the_new_key_has_the_role_of_the_old_one_which_ends_after_the_grace() -> None:
    old = key(1, role="service")
    found = rotated(old)
    assert found.key == replace(NEW, role="service")
    assert found.ending == [replace(old, expires_ms=UNTIL_MS)]
    assert found.changes == [*found.ending, found.key]


def test_all_older_valid_keys_end_and_none_lives_longer_by_it() -> None:
    soon, late = key(1, expires_ms=UNTIL_MS - 1), key(2)
    over, revoked = key(3, expires_ms=NOW_MS), key(4, revoked_ms=500)
    found = rotated(soon, late, over, revoked)
    assert found.ending == [soon, replace(late, expires_ms=UNTIL_MS)]
    assert found.changes == [found.ending[1], found.key]


def test_the_same_again_changes_nothing_and_a_shorter_grace_counts() -> None:
    first = rotated(key(1))
    later = replace(NEW, enrolled_ms=NOW_MS + 5)
    again = rotated(*first.changes, wanted=later, until_ms=UNTIL_MS + 5)
    assert again == Rotation(first.key, first.ending, [])
    shorter = rotated(*first.changes, wanted=later, until_ms=NOW_MS + 10)
    assert shorter.changes == [replace(key(1), expires_ms=NOW_MS + 10)]
    over = rotated(*first.changes, wanted=replace(NEW, enrolled_ms=UNTIL_MS))
    assert over == Rotation(first.key, [], [])


def test_a_key_that_came_after_the_new_one_is_no_older_one() -> None:
    known, newer = key(2), key(3)
    found = rotated(key(1), known, newer, wanted=replace(known, enrolled_ms=NOW_MS))
    assert found.changes == [replace(key(1), expires_ms=UNTIL_MS)]


def test_a_clock_that_was_set_back_makes_no_older_key_a_newer_one() -> None:
    ahead = key(1, enrolled_ms=NOW_MS + 500)
    assert rotated(ahead).ending == [replace(ahead, expires_ms=UNTIL_MS)]


@pytest.mark.parametrize(
    ("records", "why"),
    [
        ([], CannotRotate.NO_VALID_KEY),
        ([key(1, revoked_ms=5), key(2, expires_ms=NOW_MS)], CannotRotate.NO_VALID_KEY),
        ([key(1), key(2, role="operator")], CannotRotate.SEVERAL_ROLES),
        ([key(1), key(9, role="operator")], CannotRotate.SEVERAL_ROLES),
        ([key(1), key(9, revoked_ms=5)], CannotRotate.KEY_ENDED),
        ([key(1), key(9, expires_ms=NOW_MS)], CannotRotate.KEY_ENDED),
        ([key(1), key(2, expires_ms=NOW_MS + 1)], CannotRotate.NO_EXPIRY),
    ],
)
def test_what_cannot_be_rotated_says_why(records: list[KeyRecord], why: CannotRotate) -> None:
    assert rotation(records, NEW, until_ms=UNTIL_MS) is why


def test_a_key_that_expires_is_followed_by_one_whose_end_was_told() -> None:
    old = key(2, expires_ms=NOW_MS + 1)
    assert rotated(old, wanted=replace(NEW, expires_ms=9_000)).key.expires_ms == 9_000
    # The end of those that a rotation ends is no reason to ask.
    assert rotated(key(1, expires_ms=NOW_MS + 1), key(2)).key.expires_ms is None


records = st.builds(
    key,
    st.integers(1, 6),
    expires_ms=st.none() | st.integers(NOW_MS - 100, NOW_MS + 200),
    revoked_ms=st.none() | st.just(5),
)


@given(
    st.lists(records, unique_by=lambda record: record.public_key),
    st.integers(1, 9),
    st.integers(0, 120),
)
def test_a_rotation_takes_no_right_at_once_and_gives_none_but_to_the_new_key(
    held: list[KeyRecord], number: int, grace_ms: int
) -> None:
    wanted = key(number, enrolled_ms=NOW_MS, expires_ms=NOW_MS + 500)
    found = rotation(held, wanted, until_ms=NOW_MS + grace_ms)
    if isinstance(found, CannotRotate):
        return
    after = {record.public_key: record for record in (*held, *found.changes)}
    for at_ms in range(NOW_MS, NOW_MS + 300, 7):
        for record in held:
            is_valid = after[record.public_key].state(at_ms) == "valid"
            was_valid = record.state(at_ms) == "valid"
            assert not is_valid or was_valid
            if at_ms < NOW_MS + grace_ms:
                assert is_valid is was_valid
    assert after[found.key.public_key].state(NOW_MS) == "valid"
    again = rotation([*after.values()], wanted, until_ms=NOW_MS + grace_ms)
    assert isinstance(again, Rotation)
    assert again.changes == []
