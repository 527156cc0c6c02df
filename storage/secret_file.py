"""A secret of the node in a file of its own, which only its owner may read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from storage.errors import StorageDamaged, refused_by_system
from storage.files import sync_names

SECRET_BYTES: Final = 32


def kept_secret(path: Path, fresh: Callable[[], bytes]) -> bytes:
    """Return the secret in a file, which is made if there is none.

    Args:
      path: of the file; nobody else makes it at the same time.
      fresh: 32 bytes of chance.

    Durability: on return it is on disk.

    Raises:
      StorageDamaged: the file holds something else.
      StorageFull: there is no room for it.
      StorageFailed: the system does not let us.
    """
    try:
        if not path.exists():
            _make(path, fresh())
    except OSError as error:
        raise refused_by_system(f"{path} cannot be used", error, error.errno) from error
    return read_secret(path)


def read_secret(path: Path) -> bytes:
    """Return the secret in a file, which is only read.

    Raises:
      StorageDamaged: the file holds something else.
      StorageFailed: there is none, or the system does not let us.
    """
    try:
        text = path.read_text(encoding="ascii", errors="replace").strip()
    except OSError as error:
        raise refused_by_system(f"{path} cannot be used", error, error.errno) from error
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise StorageDamaged(
            f"{path} holds no secret: take it from a backup, or delete it; then all cards get "
            "other pseudonyms."
        )
    return secret


def _make(path: Path, secret: bytes) -> None:
    assert len(secret) == SECRET_BYTES
    draft = path.with_name(path.name + ".new")
    # What an interrupted start has left may have been made with other rights.
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{secret.hex()}\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_names(path.parent)
