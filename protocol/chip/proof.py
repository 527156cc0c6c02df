"""The proof that goes with an advice: all that the host needs to know that the chip did just this.

A terminal tells what it took, and when. The MAC of the chip covers the value and the record that
were read before, what was taken or added, the record that was written, and the reader. What of
that the advice does not say itself, the proof carries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from protocol.chip.aes import MAC_BYTES
from protocol.chip.diversify import UID_BYTES
from protocol.chip.errors import Malformed
from protocol.chip.keys import ChipKey
from protocol.chip.profile import RECORD_BYTES, RECORD_FILE, VALUE_FILE, Record
from protocol.chip.transaction_mac import (
    COUNTER_BYTES,
    READER_BYTES,
    VALUE_BYTES,
    Committed,
    DataCommand,
    ValueCommand,
    data_piece,
    is_genuine,
    previous_reader,
    reader_piece,
    records_piece,
    transaction_keys,
    value_piece,
)

_VERSION: Final = 1
_HEAD_BYTES: Final = 2 + UID_BYTES + COUNTER_BYTES + MAC_BYTES
PROOF_BYTES: Final = _HEAD_BYTES + READER_BYTES + VALUE_BYTES + 2 * RECORD_BYTES


@dataclass(frozen=True, slots=True)
class Effect:
    """What a transaction did to the value of a chip: nothing, or so many rupiah in one way."""

    command: ValueCommand | None
    amount_rp: int

    @classmethod
    def of(cls, change_rp: int) -> Effect:
        """Return what leads to a change of the value; below zero: less."""
        if not change_rp:
            return cls(None, 0)
        return cls(ValueCommand.CREDIT if change_rp > 0 else ValueCommand.DEBIT, abs(change_rp))


@dataclass(frozen=True, slots=True)
class Proof:
    """What a terminal keeps of one transaction of a chip.

    Attributes:
      key_version: of the card's keys.
      uid: of the chip.
      committed: the chip's count of commits with this one, and its MAC.
      sealed_reader: the reader before this one, enciphered for the host.
      value_rp: the value before.
      before: the newest record before.
      record: the record that was written.
    """

    key_version: int
    uid: bytes
    committed: Committed
    sealed_reader: bytes
    value_rp: int
    before: bytes
    record: bytes

    def encode(self) -> bytes:
        """Return its bytes."""
        raw = (
            bytes((_VERSION, self.key_version))
            + self.uid
            + self.committed.counter.to_bytes(COUNTER_BYTES, "little")
            + self.committed.mac
            + self.sealed_reader
            + self.value_rp.to_bytes(VALUE_BYTES, "little", signed=True)
            + self.before
            + self.record
        )
        assert len(raw) == PROOF_BYTES
        return raw

    @classmethod
    def decode(cls, raw: bytes) -> Proof:
        """Read a proof.

        Raises:
          Malformed: it is none, or of a version not known here.
        """
        if len(raw) != PROOF_BYTES or raw[0] != _VERSION:
            raise Malformed("no proof of a version that is known here")
        uid, rest = raw[2 : 2 + UID_BYTES], raw[2 + UID_BYTES :]
        committed, rest = (
            Committed.decode(rest[: COUNTER_BYTES + MAC_BYTES]),
            rest[COUNTER_BYTES + MAC_BYTES :],
        )
        sealed, rest = rest[:READER_BYTES], rest[READER_BYTES:]
        value_rp = int.from_bytes(rest[:VALUE_BYTES], "little", signed=True)
        before, record = rest[VALUE_BYTES : VALUE_BYTES + RECORD_BYTES], rest[-RECORD_BYTES:]
        return cls(raw[1], uid, committed, sealed, value_rp, before, record)

    def is_genuine(self, key: ChipKey, reader: bytes, effect: Effect) -> bool:
        """Tell whether the chip did just this, for this reader.

        Args:
          key: the chip's key for the MAC of transactions.
          reader: the identity of the terminal that tells of it.
          effect: what the advice says was taken or added.

        Raises:
          Malformed: an amount that no chip can count.
        """
        pieces = [
            value_piece(ValueCommand.GET, VALUE_FILE, self.value_rp),
            records_piece(RECORD_FILE, 0, 1, self.before),
        ]
        if effect.command is not None:
            pieces.append(value_piece(effect.command, VALUE_FILE, effect.amount_rp))
        pieces.append(data_piece(DataCommand.WRITE_RECORD, RECORD_FILE, 0, self.record))
        pieces.append(reader_piece(reader, self.sealed_reader))
        return is_genuine(key, self.uid, self.committed, pieces)

    def reader_before(self, key: ChipKey) -> bytes:
        """Return the reader of the commit before; sixteen zeros before the first."""
        keys = transaction_keys(key, self.uid, self.committed.counter)
        return previous_reader(keys, self.sealed_reader)

    def told(self) -> Record:
        """Return the record that was written.

        Raises:
          Malformed: it is none of ours.
        """
        return Record.decode(self.record)
