"""Native commands that our cards understand, by what they do.

Each is a `Command` for a session. What its file demands, MAC or full, is for who sends it.

Source: NXP AN12343, tables 5 to 40; MF2DL(H)x0 data sheet, 11.
"""

from __future__ import annotations

import zlib
from enum import IntEnum
from typing import Final

from protocol.chip.aes import KEY_BYTES
from protocol.chip.errors import Malformed, exactly, number
from protocol.chip.secure import Command
from protocol.chip.transaction_mac import (
    POSITION_BYTES,
    READER_BYTES,
    VALUE_BYTES,
    DataCommand,
    ValueCommand,
)

FREE: Final = 0xE
NEVER: Final = 0xF
"""Who has a right: everybody, nobody; else the number of a key."""

VALUE_CONFIGURATION: Final = 0x09
"""Option of SetConfiguration: limits and content of a value file."""
_WITH_PROOF: Final = b"\x01"
_AES_KEY: Final = b"\x02"
_CRC_MASK: Final = 0xFFFFFFFF


class Ins(IntEnum):
    """Commands by the byte that is sent; those on files stand in `transaction_mac`, too."""

    READ_RECORDS = 0xAB
    COMMIT_READER = 0xC8
    COMMIT = 0xC7
    ABORT = 0xA7
    GET_UID = 0x51
    CLEAR_RECORDS = 0xEB
    GET_KEY_VERSION = 0x64
    CHANGE_KEY = 0xC4
    GET_FILE_IDS = 0x6F
    GET_FILE_SETTINGS = 0xF5
    CHANGE_FILE_SETTINGS = 0x5F
    CREATE_MAC_FILE = 0xCE
    DELETE_FILE = 0xDF
    SET_CONFIGURATION = 0x5C
    GET_VERSION = 0x60


def get_value(file: int) -> Command:
    """Ask for the value; four bytes, the least first, signed."""
    return Command(ValueCommand.GET, _file(file))


def debit(file: int, amount: int) -> Command:
    """Take from the value, with the next commit."""
    return Command(ValueCommand.DEBIT, _file(file), _amount(amount))


def credit(file: int, amount: int) -> Command:
    """Add to the value, with the next commit."""
    return Command(ValueCommand.CREDIT, _file(file), _amount(amount))


def read_records(file: int, first: int, count: int) -> Command:
    """Ask for records, counted back from the newest, which is 0; a count of 0 asks for all.

    They come oldest first.
    """
    return Command(Ins.READ_RECORDS, _file(file) + _position(first) + _position(count))


def write_record(file: int, data: bytes) -> Command:
    """Write a record, with the next commit."""
    place = _position(0) + _position(len(data))
    return Command(DataCommand.WRITE_RECORD, _file(file) + place, data)


def clear_records(file: int) -> Command:
    """Let go of all records of a file, with the next commit."""
    return Command(Ins.CLEAR_RECORDS, _file(file))


def read_data(file: int, offset: int, length: int) -> Command:
    """Ask for bytes of a file; a length of 0 asks for all."""
    return Command(DataCommand.READ, _file(file) + _position(offset) + _position(length))


def write_data(file: int, offset: int, data: bytes) -> Command:
    """Write bytes of a file, at once."""
    place = _position(offset) + _position(len(data))
    return Command(DataCommand.WRITE, _file(file) + place, data)


def commit_reader(reader: bytes) -> Command:
    """Name the reader; the answer is the one before it, enciphered for the host."""
    return Command(Ins.COMMIT_READER, data=exactly("the reader's identity", reader, READER_BYTES))


def commit() -> Command:
    """Make all changes since the last commit, or none; the answer is the count and the MAC."""
    return Command(Ins.COMMIT, _WITH_PROOF)


def commit_unproved() -> Command:
    """Make all changes, or none, on a card without a file of the MAC, which has no proof."""
    return Command(Ins.COMMIT)


def abort() -> Command:
    """Forget all changes, and all reads, since the last commit."""
    return Command(Ins.ABORT)


def get_uid() -> Command:
    """Ask for the UID."""
    return Command(Ins.GET_UID)


def get_key_version(key_number: int) -> Command:
    """Ask for the version of a key."""
    return Command(Ins.GET_KEY_VERSION, number("the number of the key", key_number, 1))


def get_file_ids() -> Command:
    """Ask for the numbers of all files, one byte each."""
    return Command(Ins.GET_FILE_IDS)


def get_file_settings(file: int) -> Command:
    """Ask for the settings of a file."""
    return Command(Ins.GET_FILE_SETTINGS, _file(file))


def change_own_key(key_number: int, key: bytes, version: int) -> Command:
    """Change the key of the session itself, which ends it: the answer carries no MAC."""
    data = exactly("the key", key, KEY_BYTES) + number("the version", version, 1)
    return Command(Ins.CHANGE_KEY, number("the number of the key", key_number, 1), data)


def change_key(key_number: int, old: bytes, key: bytes, version: int) -> Command:
    """Change another key than that of the session; whoever does must know the old one."""
    exactly("the old key", old, KEY_BYTES)
    mixed = bytes(a ^ b for a, b in zip(exactly("the key", key, KEY_BYTES), old, strict=True))
    data = mixed + number("the version", version, 1) + checksum(key)
    return Command(Ins.CHANGE_KEY, number("the number of the key", key_number, 1), data)


def rights(*, read_write: int, change: int, read: int, write: int) -> bytes:
    """Return who may do what with a file, each the number of a key, FREE or NEVER."""
    assert all(0 <= right <= NEVER for right in (read_write, change, read, write))
    return bytes((read_write << 4 | change, read << 4 | write))


def change_file_settings(file: int, mode: int, access: bytes) -> Command:
    """Change how a file is spoken of (00 plain, 01 MAC, 03 full), and who may do what with it."""
    return Command(Ins.CHANGE_FILE_SETTINGS, _file(file), bytes((mode,)) + access)


def create_mac_file(file: int, mode: int, access: bytes, key: bytes, version: int) -> Command:
    """Make the file of the transaction MAC, with its key."""
    header = _file(file) + bytes((mode,)) + access + _AES_KEY
    data = exactly("the key", key, KEY_BYTES) + number("the version", version, 1)
    return Command(Ins.CREATE_MAC_FILE, header, data)


def delete_file(file: int) -> Command:
    """Delete a file; of a DESFire Light only the one of the MAC can be."""
    return Command(Ins.DELETE_FILE, _file(file))


def configure_value(file: int, lower: int, upper: int, value: int, option: int = 0) -> Command:
    """Set the limits and the content of a value file; option 1 lets everybody read it."""
    amounts = (("the lower limit", lower), ("the upper limit", upper), ("the value", value))
    data = b"".join(number(name, amount, VALUE_BYTES, signed=True) for name, amount in amounts)
    header = bytes((VALUE_CONFIGURATION,))
    return Command(Ins.SET_CONFIGURATION, header, _file(file) + data + bytes((option,)))


def checksum(key: bytes) -> bytes:
    """Return the CRC32 that the chip wants of a key: without the last inversion (JAMCRC)."""
    return (zlib.crc32(key) ^ _CRC_MASK).to_bytes(4, "little")


def _file(file: int) -> bytes:
    return number("the number of the file", file, 1)


def _amount(amount: int) -> bytes:
    if amount < 0:
        raise Malformed(f"an amount of {amount}: the command says which way it goes")
    return number("the amount", amount, VALUE_BYTES, signed=True)


def _position(value: int) -> bytes:
    return number("a position", value, POSITION_BYTES)
