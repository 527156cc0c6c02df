"""Keys of terminals: who may connect, as what, and since when no more."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from engine.keys import KEY_BYTES, is_of_small_order
from storage.errors import StorageDamaged
from storage.store import Store, all_rows

KEYS: Final = "keys"
KEYS_TABLES: Final = (KEYS,)

KEYS_REMEDY: Final = "Take the folder `keys` from a backup, or delete it and enrol the keys anew."
"""What to do about damaged keys: the journal needs no backup for their sake."""

KeyRole: TypeAlias = Literal["terminal", "service"]


class KeyRecord(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A key enrolled for a terminal.

    Attributes:
      public_key: 32 bytes.
      role: what it may do.
      enrolled_ms: since when, milliseconds since 1970.
      revoked_ms: since when it may do nothing; None while it may.
      note: who enrolled it, or why.
    """

    terminal: str
    public_key: bytes
    role: KeyRole
    enrolled_ms: int
    revoked_ms: int | None = None
    note: str = ""


class KeyStore:
    """The keys of all terminals, looked up fresh each time: another process may write them.

    Args:
      store: with the tables `KEYS_TABLES`.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._decoder = msgspec.msgpack.Decoder(KeyRecord)

    def find(self, terminal: str, public_key: bytes) -> KeyRecord | None:
        """Return the record of a key, also of a revoked one."""
        value = self._store.get(KEYS, _key(terminal, public_key))
        return None if value is None else self._decoded(value)

    def enroll(
        self, terminal: str, public_key: bytes, *, role: KeyRole, at_ms: int, note: str = ""
    ) -> KeyRecord:
        """Enrol a key; one that is enrolled already stays as it is, revoked ones too.

        A key of small order is the caller's to refuse: whoever names it can prove it.

        Durability: on return it is on disk.
        """
        assert len(public_key) == KEY_BYTES
        assert not is_of_small_order(public_key), "anybody could prove this key"
        known = self.find(terminal, public_key)
        if known is not None:
            return known
        record = KeyRecord(terminal, public_key, role, at_ms, note=note)
        self._save(record)
        return record

    def revoke(self, terminal: str, *, at_ms: int, public_key: bytes | None = None) -> int:
        """Revoke one key of a terminal, or all; return how many were valid before."""
        keys = [
            record
            for record in self.records(terminal)
            if record.revoked_ms is None and public_key in (None, record.public_key)
        ]
        for record in keys:
            self._save(replace(record, revoked_ms=at_ms))
        return len(keys)

    def records(self, terminal: str | None = None) -> list[KeyRecord]:
        """Return all keys, or those of one terminal."""
        records = [self._decoded(value) for _, value in all_rows(self._store, KEYS)]
        return [record for record in records if terminal in (None, record.terminal)]

    def version(self) -> int:
        """Return a number that is another one when any key was enrolled or revoked."""
        return self._store.version()

    def _save(self, record: KeyRecord) -> None:
        row = (KEYS, _key(record.terminal, record.public_key), msgspec.msgpack.encode(record))
        self._store.write([row])

    def _decoded(self, value: bytes) -> KeyRecord:
        try:
            return self._decoder.decode(value)
        except msgspec.MsgspecError as error:
            raise StorageDamaged("a key cannot be read: enrol the terminals again") from error


def _key(terminal: str, public_key: bytes) -> bytes:
    return terminal.encode() + b"\0" + public_key
