"""Commands on the card itself: what it is, its keys, its files and their settings.

Each takes header and data of its command, opened and allowed, and returns the answer's data.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from ops.virtual_card.chip import Chip
from ops.virtual_card.files import MODES, KeySlot, MacFile, ValueFile, nibbles, settings_of
from ops.virtual_card.statuses import Refused, Status
from ops.virtual_card.transaction import Transaction
from protocol.chip.aes import KEY_BYTES
from protocol.chip.commands import NEVER, VALUE_CONFIGURATION, checksum
from protocol.chip.transaction_mac import VALUE_BYTES

VERSION_PARTS: Final = (7, 14)
"""Where the three parts of GetVersion are cut."""
_HARDWARE: Final = bytes.fromhex("04080130001305")
"""NXP, type 08 (DESFire Light); AN12343, table 4."""
_SOFTWARE: Final = bytes.fromhex("04080130001305")
_BATCH_BYTES: Final = 7
_CONFIGURATION_BYTES: Final = 2 + 3 * VALUE_BYTES
_AES_KEY: Final = 0x02
_OWN_KEY_BYTES: Final = KEY_BYTES + 1
_OTHER_KEY_BYTES: Final = _OWN_KEY_BYTES + 4


def get_version(chip: Chip, _header: bytes, data: bytes) -> bytes:
    """Answer what the chip is, all three parts of it."""
    _exactly(data, 0)
    return _HARDWARE + _SOFTWARE + chip.state.uid + bytes(_BATCH_BYTES)


def get_uid(chip: Chip, _header: bytes, data: bytes) -> bytes:
    """Answer the UID."""
    _exactly(data, 0)
    return chip.state.uid


def get_key_version(chip: Chip, header: bytes, data: bytes) -> bytes:
    """Answer the version of a key."""
    _exactly(data, 0)
    return bytes((_key(chip, header[0]).version,))


def change_key(chip: Chip, header: bytes, data: bytes) -> bytes:
    """Change a key: that of the session, which ends it, or another one."""
    chip.ensure_admin()
    number = header[0]
    old = _key(chip, number)
    if number == chip.secured().key_number:
        _exactly(data, _OWN_KEY_BYTES)
        key, version = data[:KEY_BYTES], data[KEY_BYTES]
    else:
        _exactly(data, _OTHER_KEY_BYTES)
        mixed, version = data[:KEY_BYTES], data[KEY_BYTES]
        key = bytes(a ^ b for a, b in zip(mixed, old.key, strict=True))
        if checksum(key) != data[_OWN_KEY_BYTES:]:
            raise Refused(Status.INTEGRITY)
    chip.state = chip.state.with_key(number, KeySlot(key, version))
    return b""


def get_file_ids(chip: Chip, _header: bytes, data: bytes) -> bytes:
    """Answer the numbers of all files."""
    _exactly(data, 0)
    return bytes(chip.state.files)


def get_file_settings(chip: Chip, header: bytes, data: bytes) -> bytes:
    """Answer the settings of a file."""
    _exactly(data, 0)
    return settings_of(chip.state.file(header[0]))


def change_file_settings(chip: Chip, header: bytes, data: bytes) -> bytes:
    """Change how a file is spoken of, and who may do what with it."""
    _exactly(data, 3)
    file, mode, access = chip.state.file(header[0]), data[0], data[1:]
    if mode not in MODES or (isinstance(file, MacFile) and nibbles(access)[3] != NEVER):
        raise Refused(Status.PARAMETER)
    chip.change_file(header[0], replace(file, mode=mode, access=access))
    return b""


def create_mac_file(chip: Chip, header: bytes, data: bytes) -> bytes:
    """Make the file of the transaction MAC, with its key; its count begins at zero."""
    number, mode, access, kind = header[0], header[1], header[2:4], header[4]
    chip.ensure_admin()
    _exactly(data, KEY_BYTES + 1)
    if number in chip.state.files or chip.state.mac_file is not None:
        raise Refused(Status.DUPLICATE)
    if mode not in MODES or kind != _AES_KEY or nibbles(access)[3] != NEVER:
        raise Refused(Status.PARAMETER)
    # The chip names it first, and commits it with the others.
    made = {number: MacFile(mode, access, data[:KEY_BYTES], data[KEY_BYTES])}
    chip.state = replace(chip.state, files=made | chip.state.files)
    chip.transaction = Transaction()
    return b""


def delete_file(chip: Chip, header: bytes, data: bytes) -> bytes:
    """Delete the file of the transaction MAC; no other can be."""
    chip.ensure_admin()
    _exactly(data, 0)
    if not isinstance(chip.state.file(header[0]), MacFile):
        raise Refused(Status.PERMISSION)
    chip.state = chip.state.without_file(header[0])
    chip.transaction = Transaction()
    return b""


def set_configuration(chip: Chip, header: bytes, data: bytes) -> bytes:
    """Set limits and content of a value file, at once; no other option is known here."""
    chip.ensure_admin()
    if header[0] != VALUE_CONFIGURATION:
        raise Refused(Status.PARAMETER)
    _exactly(data, _CONFIGURATION_BYTES)
    lower, upper, value = (
        int.from_bytes(data[at : at + VALUE_BYTES], "little", signed=True)
        for at in range(1, _CONFIGURATION_BYTES - 1, VALUE_BYTES)
    )
    file = chip.value_file(data[0])
    if not lower <= value <= upper:
        raise Refused(Status.PARAMETER)
    made = ValueFile(file.mode, file.access, lower, upper, value, 0, data[-1])
    chip.change_file(data[0], made)
    chip.transaction = Transaction()
    return b""


def _key(chip: Chip, number: int) -> KeySlot:
    if number >= len(chip.state.keys):
        raise Refused(Status.NO_KEY)
    return chip.state.keys[number]


def _exactly(data: bytes, length: int) -> None:
    if len(data) != length:
        raise Refused(Status.LENGTH)
