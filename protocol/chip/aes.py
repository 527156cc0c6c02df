"""AES-128 as chips use it: CBC without and with padding, CMAC, and its truncation.

Source: NIST SP 800-38A (CBC) and 800-38B (CMAC), RFC 4493; NXP NT4H2421Gx data sheet, 9.1.
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives import constant_time
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from protocol.chip.errors import Malformed, NotAuthentic, exactly

KEY_BYTES: Final = 16
BLOCK_BYTES: Final = 16
MAC_BYTES: Final = 8
ZERO_IV: Final = bytes(BLOCK_BYTES)

_PADDING_MARK: Final = b"\x80"


def cmac(key: bytes, message: bytes) -> bytes:
    """Return the CMAC of a message, 16 bytes."""
    state = CMAC(algorithms.AES(exactly("the key", key, KEY_BYTES)))
    state.update(message)
    return state.finalize()


def truncated_mac(key: bytes, message: bytes) -> bytes:
    """Return the 8 bytes of a CMAC that a chip sends."""
    return truncated(cmac(key, message))


def truncated(whole: bytes) -> bytes:
    """Return what a chip sends of a whole CMAC.

    NXP counts from the right, and says "the even-numbered bytes": from the left these are 1, 3, 5
    to 15.
    """
    return whole[1::2]


def is_mac(mac: bytes, key: bytes, message: bytes) -> bool:
    """Tell whether a MAC fits, in a time that does not tell how much of it does."""
    return is_mac_of(mac, cmac(key, message))


def is_mac_of(mac: bytes, whole: bytes) -> bool:
    """Tell whether a MAC is what a chip would send of a whole CMAC, in the same way."""
    return constant_time.bytes_eq(mac, truncated(whole))


def encrypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    """Encipher whole blocks."""
    _whole_blocks(data)
    step = _cbc(key, iv).encryptor()
    return step.update(data) + step.finalize()


def decrypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    """Decipher whole blocks."""
    _whole_blocks(data)
    step = _cbc(key, iv).decryptor()
    return step.update(data) + step.finalize()


def pad(data: bytes) -> bytes:
    """Append 80 and zeros up to a whole block: a block more where it already is one."""
    marked = data + _PADDING_MARK
    return marked + bytes(-len(marked) % BLOCK_BYTES)


def unpad(data: bytes) -> bytes:
    """Take the padding away.

    Only what a MAC has vouched for is deciphered, so what is said of the padding tells nothing.

    Raises:
      NotAuthentic: there is none.
    """
    content = data.rstrip(b"\0")
    if not content.endswith(_PADDING_MARK) or len(data) - len(content) >= BLOCK_BYTES:
        raise NotAuthentic("what was deciphered has no padding")
    return content[:-1]


def _cbc(key: bytes, iv: bytes) -> Cipher[modes.CBC]:
    return Cipher(
        algorithms.AES(exactly("the key", key, KEY_BYTES)),
        modes.CBC(exactly("the IV", iv, BLOCK_BYTES)),
    )


def _whole_blocks(data: bytes) -> None:
    if len(data) % BLOCK_BYTES:
        raise Malformed(f"{len(data)} bytes are no whole blocks of {BLOCK_BYTES}")
