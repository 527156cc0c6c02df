"""A key for each card out of one that no card holds: who opens one card has opened no other.

Source: NXP AN10922, 2.2 (AES-128); RFC 4493, 2.3 (the subkeys of a CMAC).
"""

from __future__ import annotations

from typing import Final

from protocol.chip.aes import BLOCK_BYTES, ZERO_IV, encrypt, pad
from protocol.chip.errors import Malformed, exactly

UID_BYTES: Final = 7
APPLICATION_BYTES: Final = 3
INPUT_BYTES_MAX: Final = 31

_AES_128: Final = b"\x01"
"""Says which kind of key is derived."""
_WHOLE_BYTES: Final = 2 * BLOCK_BYTES
_BLOCK_BITS: Final = 8 * BLOCK_BYTES
_FIELD_POLYNOMIAL: Final = 0x87


def input_of_card(uid: bytes, application: bytes, system: bytes) -> bytes:
    """Return what tells a card's key from all others: its UID, the application, and our name."""
    return (
        exactly("the UID", uid, UID_BYTES)
        + exactly("the application's identifier", application, APPLICATION_BYTES)
        + system
    )


def diversified_key(master_key: bytes, diversification: bytes) -> bytes:
    """Derive the key of one card from 1 to 31 bytes that are its own.

    It is a CMAC, always over two blocks: a short input is filled up to two, where a plain CMAC
    would take one and come to another key.

    Raises:
      Malformed: the input is empty or too long, or the key has another size.
    """
    message = derivation_message(diversification, subkeys(master_key))
    return encrypt(master_key, ZERO_IV, message)[BLOCK_BYTES:]


def derivation_message(diversification: bytes, of_master: tuple[bytes, bytes]) -> bytes:
    """Return the two blocks of which the second, enciphered in CBC, is the key of one card.

    A master key that does not leave its hardware is asked for that; `of_master` are its subkeys.

    Raises:
      Malformed: the input is empty or too long.
    """
    if not 1 <= len(diversification) <= INPUT_BYTES_MAX:
        raise Malformed(
            f"{len(diversification)} bytes to derive a key from, outside 1 to {INPUT_BYTES_MAX}"
        )
    once, twice = of_master
    message = _AES_128 + diversification
    last_key = once
    if len(message) < _WHOLE_BYTES:
        message, last_key = pad(message).ljust(_WHOLE_BYTES, b"\0"), twice
    first, last = message[:BLOCK_BYTES], message[BLOCK_BYTES:]
    masked = bytes(a ^ b for a, b in zip(last, last_key, strict=True))
    return first + masked


def subkeys(key: bytes) -> tuple[bytes, bytes]:
    """Return K1 and K2 of a CMAC: for a last block that was whole, and for one filled up."""
    once = _doubled(encrypt(key, ZERO_IV, bytes(BLOCK_BYTES)))
    return once, _doubled(once)


def _doubled(block: bytes) -> bytes:
    """Multiply by x in the field of 2^128 elements, in the same steps for every block."""
    value = int.from_bytes(block, "big") << 1
    carry = value >> _BLOCK_BITS
    reduced = value ^ (carry << _BLOCK_BITS) ^ (carry * _FIELD_POLYNOMIAL)
    return reduced.to_bytes(BLOCK_BYTES, "big")
