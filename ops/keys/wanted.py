"""A key as it is wanted, beside the same key as it is enrolled already."""

from __future__ import annotations

from typing import NamedTuple

from ops.values import shown_time
from storage.key_store import KeyRecord, KeyState


class Conflict(NamedTuple):
    """Why a key that is enrolled already is not what is wanted.

    Attributes:
      column: which of its properties.
      reason: for a person.
    """

    column: str
    reason: str


def conflict(known: KeyRecord, wanted: KeyRecord) -> Conflict | None:
    """Compare; what is enrolled may end earlier than wanted, but not later.

    To enrol a key never changes one that is enrolled: who believes that it ends, or that it may
    do less, has to be told.
    """
    state = known.state(wanted.enrolled_ms)
    if state is KeyState.REVOKED:
        return Conflict("public_key", "was revoked: enrol a new one")
    if state is KeyState.EXPIRED:
        return Conflict("public_key", "has expired: enrol a new one")
    if known.role != wanted.role:
        return Conflict("role", f"is enrolled as {_a(known.role)}")
    if wanted.expires_ms is None:
        return None
    if known.expires_ms is None:
        return Conflict("expires", "is enrolled and never expires: rotate to a new one")
    if known.expires_ms > wanted.expires_ms:
        until = shown_time(known.expires_ms)
        return Conflict("expires", f"is enrolled until {until} WIB: rotate to a new one")
    return None


def _a(role: str) -> str:
    return f"{'an' if role[0] in 'aeiou' else 'a'} {role}"
