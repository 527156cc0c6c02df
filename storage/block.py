"""Blocks: the entries of one group commit, sealed by a hash that the next block repeats.

Stored form: SHA-256 (32 bytes) of what follows, then the block in msgpack as the array
`[number, first_position, previous, at_ms, [entry, ...]]`. As every block carries the hash of the
one before, the hash of the last one stands for the whole journal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final

import msgspec
from msgspec import Struct

from engine.transaction import Entry
from storage.errors import StorageDamaged

HASH_BYTES: Final = 32

GENESIS: Final = bytes(HASH_BYTES)
"""What the first block names as the hash before it."""


class Block(Struct, frozen=True, gc=False):
    """A block as it stands in the journal.

    Attributes:
      number: 0, 1, 2, ... without a gap.
      first_position: position of its first entry.
      previous: hash of the block before, `GENESIS` for the first.
      at_ms: when it was sealed, on the host's clock; never before its entries were decided.
      entries: at least one.
      hash: its own.
    """

    number: int
    first_position: int
    previous: bytes
    at_ms: int
    entries: tuple[Entry, ...]
    hash: bytes

    @property
    def next_position(self) -> int:
        """Position after its last entry."""
        return self.first_position + len(self.entries)


class SealedBlock(Struct, frozen=True, gc=False):
    """What a committed block is known by, without its entries."""

    number: int
    first_position: int
    count: int
    hash: bytes


class _Content(Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    number: int
    first_position: int
    previous: bytes
    at_ms: int
    entries: tuple[Entry, ...]


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(_Content)


def seal(
    number: int, first_position: int, previous: bytes, at_ms: int, entries: Sequence[Entry]
) -> tuple[Block, bytes]:
    """Return a block of these entries, and its stored form."""
    assert entries, "a block without entries says nothing"
    assert len(previous) == HASH_BYTES
    held = tuple(entries)
    payload = _ENCODER.encode(_Content(number, first_position, previous, at_ms, held))
    own = sha256(payload).digest()
    return Block(number, first_position, previous, at_ms, held, own), own + payload


def open_block(value: bytes, number_of: Callable[[], int]) -> Block:
    """Return the block of a stored form.

    Args:
      value: the stored form.
      number_of: tells the number of the block from where it stands; asked only about a block
        whose own word cannot be trusted.

    Raises:
      StorageDamaged: it is not what was written.
    """
    own, payload = value[:HASH_BYTES], memoryview(value)[HASH_BYTES:]
    if sha256(payload).digest() != own:
        raise damaged(number_of(), "its hash does not fit its content")
    try:
        content = _DECODER.decode(payload)
    except msgspec.MsgspecError as error:
        raise damaged(number_of(), f"it cannot be read ({error})") from error
    return Block(
        content.number,
        content.first_position,
        content.previous,
        content.at_ms,
        content.entries,
        own,
    )


def damaged(number: int, finding: str) -> StorageDamaged:
    """Return the error that refuses a block, with what to do about it."""
    return StorageDamaged(
        f"block {number} of the journal is damaged: {finding}. Its entries may have been "
        "acknowledged, so it is not cut off: restore the folder from a backup.",
        block=number,
    )
