"""How our cards are laid out: files, who may do what with them, and what stands in them.

The application of a MIFARE DESFire Light is made in the factory; personalising gives it keys,
rights and content. A card says of itself what a reader must know before any key is used, in the
answer to its selection: its number, which keys it has, until when it is valid, and the group that
its holder belonged to when it was last written. A seal binds that to the chip: copied to another
one, or changed, it does not fit.

Source: NXP MF2DL(H)x0 data sheet (files of the application); AN12343, tables 10 and 34 (rights).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import Final

from protocol.chip.aes import MAC_BYTES, is_mac_of, truncated
from protocol.chip.diversify import UID_BYTES
from protocol.chip.errors import Malformed, NotAuthentic, exactly, number
from protocol.chip.keys import ChipKey, Role

APPLICATION_NAME: Final = bytes.fromhex("A00000039656434103F015400000000B")
"""The DF name that a DESFire Light has when it is delivered."""

FCI_FILE: Final = 0x1F
VALUE_FILE: Final = 0x03
RECORD_FILE: Final = 0x01
MAC_FILE: Final = 0x0F

KEY_NUMBERS: Final[dict[Role, int]] = {Role.ADMIN: 0, Role.DEBIT: 1, Role.LOAD: 2}
"""Those by which a reader proves itself. The key of proofs has no number, and that of seals is not
on the card at all."""

FCI_BYTES: Final = 32
RECORD_BYTES: Final = 16
RECORDS_KEPT: Final = 6
"""The file has room for so many, of which the oldest is given up for a new one."""

UPPER_LIMIT_RP: Final = 20_000_000
"""Of the value; far above what any rule allows, so a rule that changes needs no new cards."""

_FCI_TEMPLATE: Final = bytes((0x6F, FCI_BYTES - 2, 0x85, FCI_BYTES - 4))
"""File control information with one object, whose content is our own (ISO/IEC 7816-4, 5.3.3)."""
_CONTENT_VERSION: Final = 1
_CONTENT_BYTES: Final = FCI_BYTES - len(_FCI_TEMPLATE) - MAC_BYTES
_NUMBER_BYTES: Final = 8
_DAY_BYTES: Final = 2
_RECORD_VERSION: Final = 0x10
_KIND_MASK: Final = 0x0F
_TIME_BYTES: Final = 4
_AMOUNT_BYTES: Final = 3
PLACE_BYTES: Final = 4
_SEQUENCE_BYTES: Final = 4
SEQUENCES: Final = 1 << (8 * _SEQUENCE_BYTES)


@dataclass(frozen=True, slots=True)
class CardFace:
    """What a card says of itself.

    Attributes:
      number: sixteen digits, as they are printed on it.
      key_version: of all its keys.
      expires_day: the last day on which it is valid; days of Jakarta since 1970.
      group: of its holder, by number; 0 for none.
      group_until_day: the last day on which the group is known to hold.
    """

    number: str
    key_version: int
    expires_day: int
    group: int = 0
    group_until_day: int = 0

    def __post_init__(self) -> None:
        if len(self.number) != 2 * _NUMBER_BYTES or not (
            self.number.isascii() and self.number.isdigit()
        ):
            raise Malformed("the number of a card has sixteen digits")

    def seal(self, uid: bytes, key: ChipKey) -> bytes:
        """Return the content of the card's file, which its seal binds to this chip."""
        content = self._content()
        covered = exactly("the UID", uid, UID_BYTES) + content
        return _FCI_TEMPLATE + content + truncated(key.cmac(covered))

    def _content(self) -> bytes:
        try:
            content = (
                bytes((_CONTENT_VERSION, self.key_version))
                + bytes.fromhex(self.number)
                + self.expires_day.to_bytes(_DAY_BYTES, "big")
                + bytes((self.group,))
                + self.group_until_day.to_bytes(_DAY_BYTES, "big")
            )
        except (OverflowError, ValueError) as error:
            raise Malformed(f"what a card says of itself has no room for it: {error}") from None
        return content.ljust(_CONTENT_BYTES, b"\0")


@dataclass(frozen=True, slots=True)
class SealedFace:
    """What a card said of itself, of which nobody knows yet whether it is true."""

    face: CardFace
    content: bytes
    mac: bytes

    @classmethod
    def decode(cls, raw: bytes) -> SealedFace:
        """Read what a card answers to its selection.

        Raises:
          Malformed: it is not one of our cards, or of a version not known here.
        """
        if len(raw) != FCI_BYTES or not raw.startswith(_FCI_TEMPLATE):
            raise Malformed("not one of our cards: it says nothing of itself that we know")
        content, mac = raw[len(_FCI_TEMPLATE) : -MAC_BYTES], raw[-MAC_BYTES:]
        version, key_version = content[:2]
        if version != _CONTENT_VERSION:
            raise Malformed(f"a card of version {version}, and only {_CONTENT_VERSION} is known")
        number, rest = content[2 : 2 + _NUMBER_BYTES].hex(), content[2 + _NUMBER_BYTES :]
        expires, group, until = rest[:_DAY_BYTES], rest[_DAY_BYTES], rest[_DAY_BYTES + 1 :]
        face = CardFace(
            number,
            key_version,
            int.from_bytes(expires, "big"),
            group,
            int.from_bytes(until[:_DAY_BYTES], "big"),
        )
        return cls(face, content, mac)

    def opened(self, uid: bytes, key: ChipKey) -> CardFace:
        """Return what the card says, once its seal is found to be whole.

        Raises:
          NotAuthentic: it was changed, or belongs to another chip.
        """
        if not is_mac_of(self.mac, key.cmac(uid + self.content)):
            raise NotAuthentic("what the card says of itself is not sealed for this chip")
        return self.face


class Use(IntEnum):
    """What a card was used for."""

    ISSUED = 0
    TAP_IN = 1
    TAP_OUT = 2
    RESET = 3
    PURCHASE = 4
    TOP_UP = 5


@dataclass(frozen=True, slots=True)
class Record:
    """One use of a card, as its chip keeps it.

    Attributes:
      use: what it was.
      at_s: when, by the terminal, in seconds since 1970 (UTC).
      amount_rp: what was taken, or put on it.
      place: where: `place_mark` of its name.
      sequence: a number that the terminal counts on, below `SEQUENCES`.
    """

    use: Use
    at_s: int
    amount_rp: int
    place: bytes
    sequence: int

    def encode(self) -> bytes:
        """Return the bytes of the record.

        Raises:
          Malformed: an amount or a time that has no room.
        """
        try:
            return (
                bytes((_RECORD_VERSION | self.use,))
                + self.at_s.to_bytes(_TIME_BYTES, "big")
                + self.amount_rp.to_bytes(_AMOUNT_BYTES, "big")
                + exactly("the place", self.place, PLACE_BYTES)
                + self.sequence.to_bytes(_SEQUENCE_BYTES, "big")
            )
        except OverflowError as error:
            raise Malformed(f"a record has no room for it: {error}") from None

    @classmethod
    def decode(cls, raw: bytes) -> Record:
        """Read a record.

        Raises:
          Malformed: it is none of ours.
        """
        exactly("a record", raw, RECORD_BYTES)
        if raw[0] & ~_KIND_MASK != _RECORD_VERSION or raw[0] & _KIND_MASK > max(Use):
            raise Malformed(f"a record begins with {raw[0]:02X}, which is not known here")
        at, amount = raw[1:5], raw[5:8]
        return cls(
            Use(raw[0] & _KIND_MASK),
            int.from_bytes(at, "big"),
            int.from_bytes(amount, "big"),
            raw[8:12],
            int.from_bytes(raw[12:], "big"),
        )


def place_mark(service: int, place: str) -> bytes:
    """Return the four bytes that stand for a place in a record.

    Args:
      service: its number, from 1 on; 0 where it is of none.
      place: its name.

    Raises:
      Malformed: the number does not fit one byte.
    """
    digest = sha256(b"jakarta-one place\0" + place.encode()).digest()
    return number("the number of the service", service, 1) + digest[: PLACE_BYTES - 1]


def reader_identity(terminal: str) -> bytes:
    """Return the sixteen bytes by which a terminal names itself to a chip."""
    return sha256(b"jakarta-one reader\0" + terminal.encode()).digest()[:16]
