"""The card's side of a session: it proves a key, opens commands and protects answers.

Source: NXP NT4H2421Gx data sheet, 9.1; AN12343, tables 16 and 20 to 26.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives import constant_time

from ops.virtual_card.statuses import Refused, Status
from protocol.chip.aes import (
    BLOCK_BYTES,
    MAC_BYTES,
    ZERO_IV,
    decrypt,
    encrypt,
    is_mac,
    pad,
    truncated_mac,
    unpad,
)
from protocol.chip.authentication import rotated
from protocol.chip.errors import NotAuthentic
from protocol.chip.keys import SoftwareKey
from protocol.chip.limits import COMMANDS_MAX
from protocol.chip.secure import (
    COUNTER_BYTES,
    IDENTIFIER_BYTES,
    RANDOM_BYTES,
    Mode,
    SessionKeys,
    answer_iv,
    command_iv,
    session_keys,
)

_DONE: Final = b"\x00"
_CAPABILITIES_BYTES: Final = 6


class CardSession:
    """A session, from the first command after a key was proved.

    Args:
      keys: of the session.
      identifier: four bytes that the card drew.
      counter: of the commands that were answered.
      key_number: of the key that was proved, which is what rights are given to.
    """

    __slots__ = ("counter", "identifier", "key_number", "keys")

    def __init__(self, keys: SessionKeys, identifier: bytes, counter: int, key_number: int) -> None:
        self.keys = keys
        self.identifier = identifier
        self.counter = counter
        self.key_number = key_number

    def open_command(
        self, ins: int, payload: bytes, header_bytes: int, mode: Mode
    ) -> tuple[bytes, bytes]:
        """Return header and data of a command, once its MAC is found to fit.

        Raises:
          Refused: it does not, or the session has counted as far as it can.
        """
        if self.counter >= COMMANDS_MAX:
            raise Refused(Status.AUTHENTICATION)
        if mode is Mode.PLAIN:
            return payload[:header_bytes], payload[header_bytes:]
        if len(payload) < header_bytes + MAC_BYTES:
            raise Refused(Status.LENGTH)
        body, mac = payload[:-MAC_BYTES], payload[-MAC_BYTES:]
        if not is_mac(mac, self.keys.mac, bytes((ins,)) + self._place() + body):
            raise Refused(Status.INTEGRITY)
        data = body[header_bytes:]
        if mode is Mode.FULL and data:
            data = self._deciphered(data)
        return body[:header_bytes], data

    def protect_answer(self, data: bytes, mode: Mode) -> bytes:
        """Count the command, and return what its answer carries."""
        self.counter += 1
        if mode is Mode.PLAIN:
            return data
        if mode is Mode.FULL and data:
            iv = answer_iv(self.keys, self.identifier, self.counter)
            data = encrypt(self.keys.encryption, iv, pad(data))
        return data + truncated_mac(self.keys.mac, _DONE + self._place() + data)

    def _deciphered(self, data: bytes) -> bytes:
        if len(data) % BLOCK_BYTES:
            raise Refused(Status.LENGTH)
        iv = command_iv(self.keys, self.identifier, self.counter)
        try:
            return unpad(decrypt(self.keys.encryption, iv, data))
        except NotAuthentic:
            raise Refused(Status.INTEGRITY) from None

    def _place(self) -> bytes:
        return self.counter.to_bytes(COUNTER_BYTES, "little") + self.identifier


@dataclass(frozen=True, slots=True)
class Challenge:
    """A card between the two parts of an authentication.

    Attributes:
      key: that is to be proved.
      key_number: of it.
      drawn: what the card drew.
      capabilities: of the reader, as far as it told any; six bytes.
      before: the session that goes on with another key; None begins a new one.
    """

    key: SoftwareKey
    key_number: int
    drawn: bytes
    capabilities: bytes
    before: CardSession | None

    def sent(self) -> bytes:
        """Return what the card sends the reader."""
        return self.key.encrypt(ZERO_IV, self.drawn)

    def answered(self, data: bytes, identifier: bytes) -> tuple[CardSession, bytes]:
        """Return the session that the reader's answer leads to, and the card's own proof.

        Raises:
          Refused: the reader does not know the key.
        """
        if len(data) != 2 * RANDOM_BYTES:
            raise Refused(Status.LENGTH)
        told = self.key.decrypt(ZERO_IV, data)
        theirs, mine = told[:RANDOM_BYTES], told[RANDOM_BYTES:]
        if not constant_time.bytes_eq(mine, rotated(self.drawn)):
            raise Refused(Status.AUTHENTICATION)
        keys = session_keys(self.key, theirs, self.drawn)
        proof = rotated(theirs)
        if self.before is not None:
            counter, identifier = self.before.counter, self.before.identifier
        else:
            assert len(identifier) == IDENTIFIER_BYTES
            counter = 0
            proof = identifier + proof + bytes(_CAPABILITIES_BYTES) + self.capabilities
        session = CardSession(keys, identifier, counter, self.key_number)
        return session, self.key.encrypt(ZERO_IV, proof)


def capabilities(told: bytes) -> bytes:
    """Return a reader's capabilities, filled up, from the part that begins an authentication.

    Raises:
      Refused: the length does not fit.
    """
    if not told or len(told) != 1 + told[0] or told[0] > _CAPABILITIES_BYTES:
        raise Refused(Status.LENGTH)
    return told[1:].ljust(_CAPABILITIES_BYTES, b"\0")
