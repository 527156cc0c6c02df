"""The key of a terminal: Ed25519, kept in a file as the 32-byte seed in hex.

`jakarta-one keys enroll --key-out` writes such a file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from terminals.errors import KeyFileError

SEED_BYTES: Final = 32


def new_key() -> Ed25519PrivateKey:
    """Return a key that nobody else has."""
    return Ed25519PrivateKey.generate()


def public_bytes(key: Ed25519PrivateKey) -> bytes:
    """Return the public half of a key: what the node enrols, 32 bytes."""
    return key.public_key().public_bytes_raw()


def save_key(path: Path, key: Ed25519PrivateKey) -> None:
    """Write a key to a new file that only its owner may read.

    Raises:
      FileExistsError: a key is never overwritten.
      OSError: the file cannot be written.

    Durability: flushed before return; a key that a node knows must not be lost to a power cut.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{key.private_bytes_raw().hex()}\n")
        file.flush()
        os.fsync(file.fileno())


def load_key(path: Path) -> Ed25519PrivateKey:
    """Read a key from its file.

    Raises:
      KeyFileError: the file is missing, cannot be read, or holds something else.
    """
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError:
        text = ""
    try:
        seed = bytes.fromhex(text)
    except ValueError:
        seed = b""
    if len(seed) != SEED_BYTES:
        raise KeyFileError(f"{path}: expected the {SEED_BYTES} bytes of a key in hex, and no more")
    return Ed25519PrivateKey.from_private_bytes(seed)
