"""How keys are written on the command line and in files."""

from __future__ import annotations

from typing import Final

from engine.keys import KEY_BYTES, is_of_small_order
from ops.values import Written


def public_key(text: str) -> bytes:
    """Read a public key that somebody can hold the private half of.

    Raises:
      ValueError: it is none; the message says why.
    """
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError(f"expected {KEY_BYTES} bytes in hex")
    if is_of_small_order(key):
        raise ValueError("a key of small order: anybody can prove it, without a private key")
    return key


PUBLIC_KEY: Final = Written("hex", public_key)
