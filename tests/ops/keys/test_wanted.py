"""A key that is enrolled already is what is wanted, or ends earlier, or it is said why not."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ops.keys.wanted import conflict
from storage.key_store import KeyRecord

NOW_MS = 1_000
WANTED = KeyRecord("GATE-1", b"\x11" * 32, "operator", NOW_MS, expires_ms=9_000)


@pytest.mark.parametrize(
    ("known", "wanted"),
    [
        (WANTED, WANTED),
        (replace(WANTED, expires_ms=8_999, note="another"), WANTED),
        (WANTED, replace(WANTED, expires_ms=None)),
    ],
)
def test_what_may_no_more_than_wanted_is_taken_as_it_is(
    known: KeyRecord, wanted: KeyRecord
) -> None:
    assert conflict(known, wanted) is None


@pytest.mark.parametrize(
    ("known", "column", "reason"),
    [
        (replace(WANTED, revoked_ms=1), "public_key", "was revoked: enrol a new one"),
        (replace(WANTED, expires_ms=NOW_MS), "public_key", "has expired: enrol a new one"),
        (replace(WANTED, role="service"), "role", "is enrolled as a service"),
        (replace(WANTED, role="observer"), "role", "is enrolled as an observer"),
        (replace(WANTED, expires_ms=None), "expires", "is enrolled and never expires"),
        (replace(WANTED, expires_ms=9_001), "expires", "is enrolled until 1970-01-01 07:00 WIB"),
    ],
)
def test_what_may_more_or_nothing_is_told(known: KeyRecord, column: str, reason: str) -> None:
    found = conflict(known, WANTED)
    assert found is not None
    assert found.column == column
    assert found.reason.startswith(reason)
