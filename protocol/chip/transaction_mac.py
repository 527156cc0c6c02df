"""The MAC that a chip puts on a whole transaction, and how the host that knows its key checks it.

A terminal passes on what it did with a card; the card says with one MAC what was done to it, under
a key that no terminal has. The chip counts its commits, so none can be told twice: that each count
of a card is taken once is for whoever keeps them.

An abort takes all pieces before it out of the transaction. Reads of the file that holds the MAC
never are in it.

Source: NXP MF2DL(H)x0 data sheet, 10.3; AN12343, table 32.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from protocol.chip.aes import BLOCK_BYTES, MAC_BYTES, ZERO_IV, decrypt, is_mac, truncated_mac
from protocol.chip.diversify import UID_BYTES
from protocol.chip.errors import Malformed, exactly, number
from protocol.chip.keys import ChipKey

READER_BYTES: Final = 16
COUNTER_BYTES: Final = 4
VALUE_BYTES: Final = 4
POSITION_BYTES: Final = 3
"""An offset, a length, or the number of a record."""

_MAC_LABEL: Final = bytes.fromhex("5A00010080")
_ENCRYPTION_LABEL: Final = bytes.fromhex("A500010080")
_READ_RECORDS: Final = b"\xab"
_COMMIT_READER: Final = b"\xc8"


class ValueCommand(IntEnum):
    """Commands on a value file, by the byte that is sent."""

    GET = 0x6C
    CREDIT = 0x0C
    DEBIT = 0xDC
    LIMITED_CREDIT = 0x1C


class DataCommand(IntEnum):
    """Commands on bytes of a file or of its newest record, by the byte that is sent."""

    READ = 0xAD
    WRITE = 0x8D
    WRITE_RECORD = 0x8B


@dataclass(frozen=True, slots=True)
class Committed:
    """What a chip tells of its last commit: its count of commits, this one included, and the MAC.

    CommitTransaction answers it, and the file of the MAC holds it, for when that answer was lost.
    """

    counter: int
    mac: bytes

    @classmethod
    def decode(cls, raw: bytes) -> Committed:
        """Read it as the chip sends it.

        Raises:
          Malformed: not 12 bytes.
        """
        exactly("the answer to a commit", raw, COUNTER_BYTES + MAC_BYTES)
        return cls(int.from_bytes(raw[:COUNTER_BYTES], "little"), raw[COUNTER_BYTES:])


@dataclass(frozen=True, slots=True)
class TransactionKeys:
    """The two keys of one commit of one card; no text shows them."""

    mac: bytes = field(repr=False)
    encryption: bytes = field(repr=False)


def transaction_keys(key: ChipKey, uid: bytes, counter: int) -> TransactionKeys:
    """Derive the keys of one commit from the card's key for it; `counter` counts this commit.

    Raises:
      Malformed: the UID or the counter has another size.
    """
    context = number("the counter of commits", counter, COUNTER_BYTES)
    context += exactly("the UID", uid, UID_BYTES)
    return TransactionKeys(key.cmac(_MAC_LABEL + context), key.cmac(_ENCRYPTION_LABEL + context))


def value_piece(command: ValueCommand, file_number: int, value: int) -> bytes:
    """Return what a command on a value adds; of a GetValue, `value` is what the card answered.

    Raises:
      Malformed: an amount below zero, or without room in four bytes.
    """
    if value < 0 and command is not ValueCommand.GET:
        raise Malformed(f"an amount of {value}: the command says which way it goes")
    amount = number("the value", value, VALUE_BYTES, signed=True)
    return _filled(bytes((command,)) + _file(file_number) + amount)


def data_piece(command: DataCommand, file_number: int, offset: int, data: bytes) -> bytes:
    """Return what reading or writing bytes adds: in every mode the plain data, all of it."""
    place = _position("the offset", offset) + _position("the length", len(data))
    return _filled(bytes((command,)) + _file(file_number) + place) + _filled(data)


def records_piece(file_number: int, first: int, count: int, data: bytes) -> bytes:
    """Return what reading records adds: `count` of them from the `first`, the newest being 0."""
    place = _position("the record", first) + _position("the count of records", count)
    return _filled(_READ_RECORDS + _file(file_number) + place) + _filled(data)


def reader_piece(reader: bytes, encrypted_previous: bytes | None = None) -> bytes:
    """Return what naming the reader adds, with what the card answered; None without a session."""
    piece = _COMMIT_READER + exactly("the reader's identity", reader, READER_BYTES)
    if encrypted_previous is not None:
        piece += exactly("the enciphered identity", encrypted_previous, READER_BYTES)
    return _filled(piece)


def transaction_mac(keys: TransactionKeys, pieces: Iterable[bytes]) -> bytes:
    """Return the MAC over the pieces of a transaction, in the order of its commands."""
    return truncated_mac(keys.mac, b"".join(pieces))


def is_genuine(key: ChipKey, uid: bytes, committed: Committed, pieces: Iterable[bytes]) -> bool:
    """Tell whether the card with this UID and key did just this, in its commit of that count.

    The comparison takes the same time however much of the MAC fits.

    Raises:
      Malformed: the UID or the counter has another size.
    """
    keys = transaction_keys(key, uid, committed.counter)
    return is_mac(committed.mac, keys.mac, b"".join(pieces))


def previous_reader(keys: TransactionKeys, encrypted: bytes) -> bytes:
    """Return the reader of the commit before this one; before the first there is one of zeros."""
    whole = exactly("the enciphered identity", encrypted, READER_BYTES)
    return decrypt(keys.encryption, ZERO_IV, whole)


def _file(file_number: int) -> bytes:
    return number("the number of the file", file_number, 1)


def _position(name: str, value: int) -> bytes:
    return number(name, value, POSITION_BYTES)


def _filled(data: bytes) -> bytes:
    """Fill up with zeros to whole blocks; what is whole, or empty, stays."""
    return data + bytes(-len(data) % BLOCK_BYTES)
