"""Rotation: a new key takes over from those of a terminal, which expire after a grace.

Meanwhile all of them are good, so that the terminal may change over when it suits it.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from msgspec.structs import replace

from storage.key_store import KeyRecord, KeyState


class CannotRotate(StrEnum):
    """Why a terminal's keys cannot be rotated."""

    NO_VALID_KEY = "it has no valid key that could hand over: enrol one"
    SEVERAL_ROLES = "it has valid keys of several roles: enrol the new key, and revoke the others"
    KEY_ENDED = "this key was revoked or has expired: take a new one"
    NO_EXPIRY = "its newest key expires: say when the new one is to"


class Rotation(NamedTuple):
    """What a rotation comes to.

    Attributes:
      key: the new one.
      ending: older valid keys, as they are from now on.
      changes: records to write; none when the same rotation was done before.
    """

    key: KeyRecord
    ending: list[KeyRecord]
    changes: list[KeyRecord]


def rotation(
    records: Sequence[KeyRecord], wanted: KeyRecord, *, until_ms: int
) -> Rotation | CannotRotate:
    """Work out a rotation; to do the same again changes nothing.

    Args:
      records: all keys of the terminal.
      wanted: the new key, enrolled now; its role is that of the older ones, whatever it says.
      until_ms: when the older ones expire at the latest. None gets longer to live by it.
    """
    now_ms = wanted.enrolled_ms
    known = next((record for record in records if record.public_key == wanted.public_key), None)
    if known is not None and known.state(now_ms) is not KeyState.VALID:
        return CannotRotate.KEY_ENDED
    valid = [record for record in records if record.state(now_ms) is KeyState.VALID]
    if not valid:
        return CannotRotate.NO_VALID_KEY
    if len({record.role for record in valid}) > 1:
        return CannotRotate.SEVERAL_ROLES
    if known is not None:
        # This was done before, and keys may have come since that are none of the older ones.
        older = [r for r in valid if r is not known and r.enrolled_ms <= known.enrolled_ms]
        return _made(known, older, [], until_ms)
    newest = max(valid, key=lambda record: record.enrolled_ms)
    if newest.expires_ms is not None and wanted.expires_ms is None:
        return CannotRotate.NO_EXPIRY
    key = replace(wanted, role=newest.role)
    return _made(key, valid, [key], until_ms)


def _made(
    key: KeyRecord, older: list[KeyRecord], enrolled: list[KeyRecord], until_ms: int
) -> Rotation:
    ending = [_ending(record, until_ms) for record in older]
    changes = [now for now, before in zip(ending, older, strict=True) if now != before]
    return Rotation(key, ending, [*changes, *enrolled])


def _ending(record: KeyRecord, until_ms: int) -> KeyRecord:
    expires_ms = until_ms if record.expires_ms is None else min(record.expires_ms, until_ms)
    return replace(record, expires_ms=expires_ms)
