"""What a card keeps without power: keys and files. One value, which changes as a whole or not.

Source: NXP MF2DL(H)x0 data sheet (files at delivery); AN12343, tables 10, 12 and 34.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final, TypeAlias

import msgspec
from msgspec.structs import replace

from ops.virtual_card.statuses import Refused, Status
from protocol.chip.aes import MAC_BYTES
from protocol.chip.card_layout import (
    FACTORY_FILES,
    FACTORY_KEY,
    FACTORY_LIMIT,
    FACTORY_MAC_RIGHTS,
    FACTORY_VALUE_OPTION,
    FACTORY_VERSION,
    PLAIN_FILE,
)
from protocol.chip.diversify import UID_BYTES
from protocol.chip.errors import Malformed, exactly
from protocol.chip.profile import (
    FCI_BYTES,
    FCI_FILE,
    MAC_FILE,
    RECORD_BYTES,
    RECORD_FILE,
    RECORDS_KEPT,
    VALUE_FILE,
)
from protocol.chip.secure import Mode
from protocol.chip.transaction_mac import COUNTER_BYTES, READER_BYTES, VALUE_BYTES

KEYS: Final = 5
FREE_READING: Final = 0x01
LIMITED_CREDIT: Final = 0x02
"""Options of a value file: everybody may read it; what was just debited may be given back."""

MODES: Final = {0: Mode.PLAIN, 1: Mode.MAC, 2: Mode.PLAIN, 3: Mode.FULL}
"""How a file is spoken of, by the byte in its settings."""

_DATA_FILE_BYTES: Final = 256
_SIZE_BYTES: Final = 3
_AES_KEY: Final = 0x02
_MAGIC: Final = b"J1VC\x01"
_DIGEST_BYTES: Final = 8


class KeySlot(msgspec.Struct, frozen=True):
    """A key of the application, and its version."""

    key: bytes
    version: int

    def __repr__(self) -> str:
        return f"KeySlot(version={self.version})"


class DataFile(msgspec.Struct, frozen=True, tag=0x00):
    """Bytes, which are written at once."""

    mode: int
    access: bytes
    content: bytes

    def settings(self) -> bytes:
        """Return what GetFileSettings says beside type, mode and rights."""
        return _size(len(self.content))


class ValueFile(msgspec.Struct, frozen=True, tag=0x02):
    """A number between two limits; `limited` is how much may be given back."""

    mode: int
    access: bytes
    lower: int
    upper: int
    value: int
    limited: int
    option: int

    def settings(self) -> bytes:
        """Return what GetFileSettings says beside type, mode and rights."""
        numbers = (self.lower, self.upper, self.limited)
        told = b"".join(each.to_bytes(VALUE_BYTES, "little", signed=True) for each in numbers)
        return told + bytes((self.option,))


class RecordFile(msgspec.Struct, frozen=True, tag=0x04):
    """Records, the oldest first; the oldest is given up for a new one."""

    mode: int
    access: bytes
    records: tuple[bytes, ...]

    def settings(self) -> bytes:
        """Return what GetFileSettings says beside type, mode and rights."""
        # The chip counts the room for the record that is being written, too.
        return _size(RECORD_BYTES) + _size(RECORDS_KEPT + 1) + _size(len(self.records))


class MacFile(msgspec.Struct, frozen=True, tag=0x05):
    """The key of the transaction MAC, the count of commits, the last MAC and reader."""

    mode: int
    access: bytes
    key: bytes
    version: int
    counter: int = 0
    mac: bytes = bytes(MAC_BYTES)
    reader: bytes = bytes(READER_BYTES)

    def __repr__(self) -> str:
        return f"MacFile(version={self.version}, counter={self.counter})"

    @property
    def content(self) -> bytes:
        """What is read of it."""
        return self.counter.to_bytes(COUNTER_BYTES, "little") + self.mac

    def settings(self) -> bytes:
        """Return what GetFileSettings says beside type, mode and rights."""
        return bytes((_AES_KEY, self.version))


File: TypeAlias = DataFile | ValueFile | RecordFile | MacFile

_TYPES: Final[dict[type[File], int]] = {DataFile: 0, ValueFile: 2, RecordFile: 4, MacFile: 5}


class CardState(msgspec.Struct, frozen=True):
    """All that a card keeps.

    Attributes:
      uid: of the chip.
      keys: of the application, by number.
      files: by number, in the order in which the chip names them.
      failures: wrong keys since the last right one.
      delays: refusals to come before another key may be tried.
    """

    uid: bytes
    keys: tuple[KeySlot, ...]
    files: dict[int, File]
    failures: int = 0
    delays: int = 0

    def file(self, number: int) -> File:
        """Return a file.

        Raises:
          Refused: there is none of that number.
        """
        found = self.files.get(number)
        if found is None:
            raise Refused(Status.NO_FILE)
        return found

    @property
    def mac_file(self) -> MacFile | None:
        """The file of the transaction MAC, if there is one."""
        for file in self.files.values():
            if isinstance(file, MacFile):
                return file
        return None

    def with_files(self, changed: dict[int, File]) -> CardState:
        """Return the state with other files of these numbers."""
        return replace(self, files=self.files | changed)

    def without_file(self, number: int) -> CardState:
        """Return the state without a file."""
        return replace(self, files={n: file for n, file in self.files.items() if n != number})

    def with_key(self, number: int, key: KeySlot) -> CardState:
        """Return the state with another key."""
        return replace(self, keys=(*self.keys[:number], key, *self.keys[number + 1 :]))


def factory_state(uid: bytes) -> CardState:
    """Return what is on a card as it leaves the factory."""
    value = (0, FACTORY_LIMIT, 0, 0, FACTORY_VALUE_OPTION)
    files = FACTORY_FILES
    return CardState(
        exactly("the UID", uid, UID_BYTES),
        (KeySlot(FACTORY_KEY.raw, FACTORY_VERSION),) * KEYS,
        {
            MAC_FILE: MacFile(PLAIN_FILE, FACTORY_MAC_RIGHTS, FACTORY_KEY.raw, FACTORY_VERSION),
            FCI_FILE: DataFile(*files[FCI_FILE], bytes(FCI_BYTES)),
            VALUE_FILE: ValueFile(*files[VALUE_FILE], *value),
            0x00: DataFile(*files[0x00], bytes(_DATA_FILE_BYTES)),
            RECORD_FILE: RecordFile(*files[RECORD_FILE], ()),
            0x04: DataFile(*files[0x04], bytes(_DATA_FILE_BYTES)),
        },
    )


def settings_of(file: File) -> bytes:
    """Return what GetFileSettings answers."""
    return bytes((_TYPES[type(file)], file.mode)) + file.access + file.settings()


def nibbles(access: bytes) -> tuple[int, int, int, int]:
    """Return who may read and write, change, read, write."""
    first, second = access
    return first >> 4, first & 0xF, second >> 4, second & 0xF


def encode_state(state: CardState) -> bytes:
    """Return the image of a card."""
    body = _MAGIC + msgspec.msgpack.encode(state)
    return body + sha256(body).digest()[:_DIGEST_BYTES]


def decode_state(raw: bytes) -> CardState:
    """Read the image of a card.

    Raises:
      Malformed: it is none, or only a part of one, or of a version not known here.
    """
    body, digest = raw[:-_DIGEST_BYTES], raw[-_DIGEST_BYTES:]
    if not body.startswith(_MAGIC) or sha256(body).digest()[:_DIGEST_BYTES] != digest:
        raise Malformed("no whole image of a card")
    try:
        return msgspec.msgpack.decode(body[len(_MAGIC) :], type=CardState)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"no image of a card: {error}") from None


def _size(value: int) -> bytes:
    return value.to_bytes(_SIZE_BYTES, "little")
