"""A key by what it can do, wherever it lies: in memory, in a terminal's SAM, in a host's HSM.

What speaks with a chip asks a key to encipher, to decipher and to make MACs, and never for its
bytes: a key in hardware has none to give.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from protocol.chip import aes
from protocol.chip.diversify import diversified_key, input_of_card
from protocol.chip.errors import ChipError, exactly

APPLICATION_ID: Final = bytes.fromhex("F55130")
"""Names our application in a key's derivation; no chip asks for it."""

SYSTEM: Final = b"jakarta-one"

KEY_VERSION_MAX: Final = 0xFF


class KeyMissing(ChipError):
    """A store has no such key; the text names it."""


class KeyStoreFailed(ChipError):
    """A store cannot be opened, or does not answer; the text says why, and never a key."""


class Role(StrEnum):
    """What a key of a card is for. A terminal has no more of them than its work needs.

    The number of each on the card is with the files that it opens (`profile`).
    """

    ADMIN = "admin"
    """Changes keys and files: where cards are personalised."""
    DEBIT = "debit"
    """Takes from the value and writes records: gates, buses, shops."""
    LOAD = "load"
    """Adds to the value: kiosks."""
    SEAL = "seal"
    """Seals what a card says of itself: every terminal. It is not on the card."""
    PROOF = "proof"
    """The MAC on a whole transaction: the host alone."""


class ChipKey(Protocol):
    """An AES-128 key."""

    def encrypt(self, iv: bytes, data: bytes) -> bytes:
        """Encipher whole blocks in CBC."""
        ...

    def decrypt(self, iv: bytes, data: bytes) -> bytes:
        """Decipher whole blocks in CBC."""
        ...

    def cmac(self, message: bytes) -> bytes:
        """Return the CMAC of a message, 16 bytes."""
        ...


class CardKeys(Protocol):
    """Gives the keys of cards, each made out of a master key and the card's UID (AN10922).

    Raises, in each call:
      KeyMissing: the store does not have that master key.
      KeyStoreFailed: the store does not answer.
    """

    def card_key(self, role: Role, version: int, uid: bytes) -> ChipKey:
        """Return the key of one card."""
        ...


class OpenCardKeys(CardKeys, Protocol):
    """A store that gives the bytes of a card's keys as well, as whoever writes them on it needs."""

    def card_key_bytes(self, role: Role, version: int, uid: bytes) -> bytes:
        """Return the bytes of the key of one card."""
        ...


@dataclass(frozen=True, slots=True)
class SoftwareKey:
    """A key in memory; no text shows it.

    Raises:
      Malformed: not 16 bytes.
    """

    raw: bytes = field(repr=False)

    def __post_init__(self) -> None:
        exactly("the key", self.raw, aes.KEY_BYTES)

    def encrypt(self, iv: bytes, data: bytes) -> bytes:
        """Encipher whole blocks in CBC."""
        return aes.encrypt(self.raw, iv, data)

    def decrypt(self, iv: bytes, data: bytes) -> bytes:
        """Decipher whole blocks in CBC."""
        return aes.decrypt(self.raw, iv, data)

    def cmac(self, message: bytes) -> bytes:
        """Return the CMAC of a message."""
        return aes.cmac(self.raw, message)


class SoftwareCardKeys:
    """Keys of cards out of master keys in memory.

    Args:
      masters: the bytes of each master key, by role and version.
    """

    def __init__(self, masters: dict[tuple[Role, int], bytes]) -> None:
        for raw in masters.values():
            exactly("a master key", raw, aes.KEY_BYTES)
        self._masters = dict(masters)

    def card_key(self, role: Role, version: int, uid: bytes) -> SoftwareKey:
        """Return the key of one card, as `CardKeys` says."""
        return SoftwareKey(self.card_key_bytes(role, version, uid))

    def card_key_bytes(self, role: Role, version: int, uid: bytes) -> bytes:
        """Return the bytes of the key of one card, as `OpenCardKeys` says."""
        master = self._masters.get((role, version))
        if master is None:
            raise missing(role, version)
        return diversified_key(master, derivation_input(uid))


def derivation_input(uid: bytes) -> bytes:
    """Return what the keys of a card are made out of, beside the master keys."""
    return input_of_card(uid, APPLICATION_ID, SYSTEM)


def missing(role: Role, version: int) -> KeyMissing:
    """Return the error for a master key that a store does not have."""
    return KeyMissing(f"there is no key {role} of version {version} here")
