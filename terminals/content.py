"""The content of a list as a terminal holds it: packed, in blocks, in the order of its keys.

A deny list of a million cards takes some thirty megabytes this way, a tenth of what a dict of it
would; finding a card unpacks one block. A change makes new blocks where it changes something, and
shares all others with the content before it, so that several versions cost little more than one.
Nothing here is ever changed in place: who looks up a card meanwhile sees one version or the other.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import groupby
from operator import ge
from typing import Final, TypeAlias, cast

import msgpack

from engine.limits import LIST_KEY_LENGTH_MAX, LIST_VALUE_LENGTH_MAX
from terminals.errors import ListUnusable

Put: TypeAlias = tuple[str, str | None]
"""A key and its new value; None removes it."""

BLOCK_ENTRIES: Final = 64
"""Entries of a new block: finding one takes some ten microseconds."""
BLOCK_ENTRIES_MAX: Final = 2 * BLOCK_ENTRIES
"""Of a block that grew with changes: what is longer is cut."""

UTF8_BYTES_MAX: Final = 4
"""Bytes of one character."""

_SLICE_BYTES: Final = 16 * 1024
_PIECE_BYTES: Final = 64 * 1024
"""Taken and given by an inflater at once."""

_PACK: Final = msgpack.Packer().pack


class Content:
    """What a list maps at one version.

    Attributes:
      entries: how many.
      size_bytes: their length, packed.
      hash: SHA-256 over all of them.
    """

    __slots__ = ("_blocks", "_firsts", "entries", "hash", "size_bytes")

    def __init__(self, firsts: list[str], blocks: list[bytes], entries: int) -> None:
        self._firsts = firsts
        self._blocks = blocks
        self.entries = entries
        self.size_bytes = sum(map(len, blocks))
        digest = sha256()
        for block in blocks:
            digest.update(block)
        self.hash = digest.digest()

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Walk the entries, in the order of their keys."""
        for block in self._blocks:
            yield from _entries_of(block)

    def get(self, key: str) -> str | None:
        """Return the value of a key, or None if the list does not name it."""
        at = bisect_right(self._firsts, key) - 1
        return dict(_entries_of(self._blocks[at])).get(key) if at >= 0 else None

    def pieces(self) -> Iterable[bytes]:
        """Return the whole content, packed, in pieces."""
        return self._blocks

    def changed(self, puts: Iterable[Put]) -> Content:
        """Return the content after a change, whose keys come in ascending order."""
        firsts: list[str] = []
        blocks: list[bytes] = []
        entries = self.entries
        done = 0

        def block_of(put: Put) -> int:
            return max(0, bisect_right(self._firsts, put[0]) - 1)

        for at, here in groupby(puts, block_of):
            firsts += self._firsts[done:at]
            blocks += self._blocks[done:at]
            before = dict(_entries_of(self._blocks[at])) if at < len(self._blocks) else {}
            after = before | dict(here)
            left = sorted((key, value) for key, value in after.items() if value is not None)
            entries += len(left) - len(before)
            for part in _split(left):
                firsts.append(part[0][0])
                blocks.append(b"".join(map(_PACK, part)))
            done = at + 1
        firsts += self._firsts[done:]
        blocks += self._blocks[done:]
        return Content(firsts, blocks, entries)


def _entries_of(block: bytes) -> Iterable[tuple[str, str]]:
    unpacker = msgpack.Unpacker(use_list=False)
    unpacker.feed(block)
    return cast("Iterable[tuple[str, str]]", unpacker)


def _split(entries: Sequence[tuple[str, str]]) -> Iterator[Sequence[tuple[str, str]]]:
    """Cut what grew too long into parts of about the same length."""
    parts = -(-len(entries) // BLOCK_ENTRIES_MAX)
    for part in range(parts):
        yield entries[part * len(entries) // parts : (part + 1) * len(entries) // parts]


EMPTY: Final = Content([], [], 0)


def whole(pieces: Iterable[bytes | memoryview]) -> Content:
    """Return the content that stands in these bytes.

    Raises:
      ListUnusable: they are no content of a list.
    """
    firsts: list[str] = []
    blocks: list[bytes] = []
    entries = 0
    for batch, block in _batches(pieces):
        if any(value is None for _, value in batch):
            raise ListUnusable("a whole list removes a key")
        firsts.append(batch[0][0])
        blocks.append(block)
        entries += len(batch)
    return Content(firsts, blocks, entries)


def puts(pieces: Iterable[bytes | memoryview]) -> Iterator[Put]:
    """Yield the change that stands in these bytes.

    Raises:
      ListUnusable: they are no change of a list.
    """
    for batch, _ in _batches(pieces):
        yield from batch


def inflated(data: bytes | bytearray, content_bytes: int) -> Iterator[bytes]:
    """Yield what stands in a list file, piece by piece, and never more than was told.

    Raises:
      ListUnusable: it is not compressed as it should be, or not of this length.
    """
    inflater = zlib.decompressobj()
    view = memoryview(data)
    # Cut, because what an inflater leaves over is copied each time.
    slices = (view[at : at + _SLICE_BYTES] for at in range(0, len(view), _SLICE_BYTES))
    compressed: bytes | memoryview = b""
    left = content_bytes
    while not inflater.eof:
        compressed = compressed or next(slices, b"")
        try:
            # One byte more than is left tells that there are too many.
            piece = inflater.decompress(compressed, min(_PIECE_BYTES, left + 1))
        except zlib.error as error:
            raise ListUnusable(f"not compressed with zlib: {error}") from error
        if not (piece or compressed):
            raise ListUnusable("compressed, but cut off")
        compressed = inflater.unconsumed_tail
        left -= len(piece)
        if left < 0:
            raise ListUnusable(f"longer than {content_bytes} bytes")
        yield piece
    if left or inflater.unused_data or next(slices, b""):
        raise ListUnusable(f"not {content_bytes} bytes, or more behind them")


def _batches(pieces: Iterable[bytes | memoryview]) -> Iterator[tuple[Sequence[Put], bytes]]:
    """Yield what is packed in these bytes, checked, in batches of the length of a block.

    Each comes with its bytes, packed anew: that these are as long as what was given tells that
    nothing is left over, and that nothing was longer than it need be.
    """
    last, difference_bytes = "", 0
    waiting: list[object] = []
    for taken_bytes in _unpack(pieces, waiting):
        difference_bytes += taken_bytes
        # At the end of the pieces nothing is taken, and what waits is all there is.
        full = len(waiting) - (len(waiting) % BLOCK_ENTRIES if taken_bytes else 0)
        for at in range(0, full, BLOCK_ENTRIES):
            entries = _checked(waiting[at : at + BLOCK_ENTRIES], last)
            last = entries[-1][0]
            block = b"".join(map(_PACK, entries))
            difference_bytes -= len(block)
            yield entries, block
        del waiting[:full]
    if difference_bytes:
        raise ListUnusable("ends within an entry, or is longer than it need be")


def _unpack(pieces: Iterable[bytes | memoryview], into: list[object]) -> Iterator[int]:
    """Unpack piece by piece; yield how many bytes were taken, and 0 at the end."""
    unpacker = msgpack.Unpacker(
        use_list=False,
        max_array_len=2,
        max_str_len=UTF8_BYTES_MAX * LIST_VALUE_LENGTH_MAX,
        max_bin_len=0,
        max_map_len=0,
        max_ext_len=0,
    )
    for piece in filter(len, pieces):
        unpacker.feed(piece)
        try:
            into.extend(unpacker)
        except ValueError as error:
            raise ListUnusable(f"not packed as a list is: {error}") from error
        yield len(piece)
    yield 0


def _checked(batch: Sequence[object], last: str) -> Sequence[Put]:
    """Return entries that are such, and come in order behind a key."""
    entries = cast("Sequence[tuple[str, str | None]]", batch)
    if not all(type(entry) is tuple and len(entry) == 2 for entry in entries):  # noqa: PLR2004
        raise ListUnusable("an entry is no pair")
    keys = [key for key, _ in entries]
    values = [value for _, value in entries if value is not None]
    if {*map(type, keys), *map(type, values)} - {str}:
        raise ListUnusable("a key or a value is no text")
    if max(map(len, keys)) > LIST_KEY_LENGTH_MAX:
        raise ListUnusable(f"a key has more than {LIST_KEY_LENGTH_MAX} characters")
    if max(map(len, values), default=0) > LIST_VALUE_LENGTH_MAX:
        raise ListUnusable(f"a value has more than {LIST_VALUE_LENGTH_MAX} characters")
    # Also the empty key, which is not greater than the one before.
    if any(map(ge, [last, *keys], keys)):
        raise ListUnusable("the keys do not ascend")
    return entries
