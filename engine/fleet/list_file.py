"""List files: how the content of a list, or a change of it, travels.

A file is compressed (zlib, RFC 1950). Inside stand the entries one behind the other, in the order
of their keys' bytes: each a MessagePack array of key and value, in the shortest formats. In a
change the value is nil where the key is removed.

The hash of a list is SHA-256 over its whole content in that form, before compression.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from hashlib import sha256
from itertools import islice
from typing import Final

import msgspec
from msgspec import Struct

from engine.fleet.lists import Put

_ENCODE: Final = msgspec.msgpack.Encoder().encode
_BATCH: Final = 1_000
"""Entries compressed at once: too few cost calls, too many hold up the other threads."""

LEVEL: Final = 6
"""Of compression: what zlib itself takes for a good bargain."""


class ListFile(Struct, frozen=True):
    """A list file, with what is known of its content.

    Attributes:
      data: the compressed bytes.
      content_bytes: their length before.
      hash: SHA-256 over the content.
      entries: how many.
    """

    data: bytes
    content_bytes: int
    hash: bytes
    entries: int


def make_file(puts: Iterable[Put]) -> ListFile:
    """Make a file of entries that come in order."""
    packer, digest = zlib.compressobj(LEVEL), sha256()
    parts: list[bytes] = []
    content_bytes = entries = 0
    walk = iter(puts)
    while batch := list(islice(walk, _BATCH)):
        content = b"".join(map(_ENCODE, batch))
        digest.update(content)
        parts.append(packer.compress(content))
        content_bytes += len(content)
        entries += len(batch)
    parts.append(packer.flush())
    return ListFile(b"".join(parts), content_bytes, digest.digest(), entries)


def content_hash(puts: Iterable[Put]) -> bytes:
    """Return the hash of a whole content that comes in order."""
    digest = sha256()
    for put in puts:
        digest.update(_ENCODE(put))
    return digest.digest()


EMPTY_HASH: Final = content_hash(())
