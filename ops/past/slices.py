"""Records of cards, sorted by card in a folder of files: more of them than memory holds.

    records, in the order of the journal ──> slices, each with all records of its cards

A card that takes over from another one is in the slice of that one, so that what it is entitled to
goes on. One that an advice told of before is, for the time before, in a slice of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Generic, TypeVar
from zlib import crc32

import msgspec
from msgspec import Struct

from engine.advance import advance, successor
from engine.card import Card, Granted
from engine.fares.rehearsal import NO_GROUP
from engine.transaction import Close, Entry, Grant, Intent, Replace, Revoke

T = TypeVar("T")

SLICE_RECORDS: Final = 200_000
"""About as many of a slice are read at once: some 100 MB of taps."""

BUFFER_BYTES_MAX: Final = 32 << 20
"""So much is kept back of all slices together before it is written: few files are open then."""

GRANTING: Final[tuple[type[Intent], ...]] = (Grant, Revoke, Replace, Close)
"""Intents that change what a card is entitled to."""

_ENCODE: Final = msgspec.json.Encoder().encode


class Granting(Struct, frozen=True, array_like=True, tag=True, gc=False):
    """An entry that changes what its card is entitled to."""

    position: int
    entry: Entry


class Slices(Generic[T]):
    """Records of cards in files.

    Args:
      folder: an empty one.
      decoder: of a record.
      records: how many are to be expected, about.
      buffer_bytes_max: what is kept in memory before it is written.
    """

    def __init__(
        self,
        folder: Path,
        decoder: msgspec.json.Decoder[T],
        *,
        records: int,
        buffer_bytes_max: int = BUFFER_BYTES_MAX,
    ) -> None:
        self._decode = decoder.decode_lines
        self._paths = [folder / f"{number}" for number in range(1 + records // SLICE_RECORDS)]
        self._buffers = [bytearray() for _ in self._paths]
        self._buffered = 0
        self._buffer_bytes_max = buffer_bytes_max
        self._first_of: dict[str, str] = {}

    def add(self, card: str, record: T) -> None:
        """Add a record of a card.

        Raises:
          OSError: it cannot be written.
        """
        line = _ENCODE(record)
        first = self._first_of.get(card, card)
        buffer = self._buffers[crc32(first.encode()) % len(self._buffers)]
        buffer += line
        buffer += b"\n"
        self._buffered += len(line) + 1
        if self._buffered >= self._buffer_bytes_max:
            self._write()

    def join(self, card: str, new_card: str) -> None:
        """Let later records of a card stand in the slice of another one."""
        self._first_of[new_card] = self._first_of.get(card, card)

    def __iter__(self) -> Iterator[list[T]]:
        """Yield the records of each slice, in the order in which they were added.

        Raises:
          OSError: a file cannot be written or read.
        """
        self._write()
        for path in self._paths:
            if path.exists():
                yield self._decode(path.read_bytes())

    def _write(self) -> None:
        for path, buffer in zip(self._paths, self._buffers, strict=True):
            if buffer:
                with path.open("ab") as file:
                    file.write(buffer)
                buffer.clear()
        self._buffered = 0


class Entitled:
    """What the cards of a slice are entitled to, as one goes along their entries."""

    def __init__(self) -> None:
        self._cards: dict[str, Card] = {}

    def follow(self, granting: Granting) -> None:
        """Take an entry that was posted."""
        entry, position = granting.entry, granting.position
        intent = entry.intent
        before = self._cards.get(intent.card)
        after = self._cards[intent.card] = advance(before, entry, position)
        if isinstance(intent, Replace):
            old = before or after
            self._cards[intent.new_card] = successor(old, None, entry, position)

    def grants_of(self, card: str) -> tuple[Granted, ...]:
        """Return what a card is entitled to by now."""
        found = self._cards.get(card)
        return () if found is None else found.grants

    def group_of(self, card: str, programme: str) -> str:
        """Return the group by which a card, or the one that took over, has a programme by now."""
        found = self._cards.get(card)
        while found is not None and found.successor:
            found = self._cards.get(found.successor)
        granted = None if found is None else found.last_grant(programme)
        return NO_GROUP if granted is None else granted.group
