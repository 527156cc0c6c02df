"""Keys of terminals: who may connect, as what, and since when no more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from engine.keys import KEY_BYTES, Role, is_of_small_order
from storage.errors import StorageDamaged
from storage.store import Change, Store, all_rows

KEYS: Final = "keys"
KEYS_TABLES: Final = (KEYS,)

KEYS_REMEDY: Final = "Take the folder `keys` from a backup, or delete it and enrol the keys anew."
"""What to do about damaged keys: the journal needs no backup for their sake."""


class KeyState(StrEnum):
    """What a key is good for at some time."""

    VALID = "valid"
    EXPIRED = "expired"
    REVOKED = "revoked"


class KeyRecord(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A key enrolled for a terminal.

    Attributes:
      public_key: 32 bytes.
      role: what it may do.
      enrolled_ms: since when, milliseconds since 1970.
      revoked_ms: since when it may do nothing; None while it may.
      note: who enrolled it, or why.
      expires_ms: from when on it may do nothing; None: never.
    """

    terminal: str
    public_key: bytes
    role: Role
    enrolled_ms: int
    revoked_ms: int | None = None
    note: str = ""
    expires_ms: int | None = None

    def state(self, now_ms: int) -> KeyState:
        """Tell what the key is good for."""
        if self.revoked_ms is not None:
            return KeyState.REVOKED
        if self.expires_ms is not None and self.expires_ms <= now_ms:
            return KeyState.EXPIRED
        return KeyState.VALID


class KeyStore:
    """The keys of all terminals, looked up fresh each time: another process may write them.

    Args:
      store: with the tables `KEYS_TABLES`.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._decoder = msgspec.msgpack.Decoder(KeyRecord)

    def find(self, terminal: str, public_key: bytes) -> KeyRecord | None:
        """Return the record of a key, also of one that may do nothing any more."""
        value = self._store.get(KEYS, _key(terminal, public_key))
        return None if value is None else self._decoded(value)

    def find_many(self, names: Sequence[tuple[str, bytes]]) -> list[KeyRecord | None]:
        """Return the records of several keys, by terminal and public key, in one look."""
        values = self._store.get_many(KEYS, [_key(*name) for name in names])
        return [None if value is None else self._decoded(value) for value in values]

    def enroll(
        self,
        terminal: str,
        public_key: bytes,
        *,
        role: Role,
        at_ms: int,
        note: str = "",
        expires_ms: int | None = None,
    ) -> KeyRecord:
        """Enrol a key; one that is enrolled already stays as it is, revoked ones too.

        A key of small order is the caller's to refuse: whoever names it can prove it.

        Durability: on return it is on disk.
        """
        known = self.find(terminal, public_key)
        if known is not None:
            return known
        record = KeyRecord(terminal, public_key, role, at_ms, None, note, expires_ms)
        self.save([record])
        return record

    def revoke(self, terminal: str, *, at_ms: int, public_key: bytes | None = None) -> int:
        """Revoke one key of a terminal, or all; return how many were not revoked before."""
        keys = [
            record
            for record in self.records(terminal)
            if record.revoked_ms is None and public_key in (None, record.public_key)
        ]
        self.save(replace(record, revoked_ms=at_ms) for record in keys)
        return len(keys)

    def records(self, terminal: str | None = None) -> list[KeyRecord]:
        """Return all keys, or those of one terminal."""
        records = [self._decoded(value) for _, value in all_rows(self._store, KEYS)]
        return [record for record in records if terminal in (None, record.terminal)]

    def version(self) -> int:
        """Return a number that is another one when any record was written."""
        return self._store.version()

    def save(self, records: Iterable[KeyRecord]) -> None:
        """Write records, all or none, in the place of those that stand there.

        Two who read, and then write what they made of it, undo each other's work: whoever does
        that holds the keys (`DataFolder.hold_keys`).

        Durability: on return they are on disk.
        """
        self._store.write([_row(record) for record in records])

    def _decoded(self, value: bytes) -> KeyRecord:
        try:
            return self._decoder.decode(value)
        except msgspec.MsgspecError as error:
            raise StorageDamaged("a key cannot be read: enrol the terminals again") from error


def _row(record: KeyRecord) -> Change:
    assert len(record.public_key) == KEY_BYTES
    assert not is_of_small_order(record.public_key), "anybody could prove this key"
    key = _key(record.terminal, record.public_key)
    return KEYS, key, msgspec.msgpack.encode(record)


def _key(terminal: str, public_key: bytes) -> bytes:
    return terminal.encode() + b"\0" + public_key
