"""The journal: the chain of blocks, which is the truth; everything else can be rebuilt from it.

A block is one row: its key is the position of its first entry, so that blocks are appended in the
order of their keys and the block of any position is one look away.

Torn tails. A crash can cut a write in two at any sector, but the store shows a write only when all
of it is on the disk: a block that was being written when the power went is not there afterwards.
That is the cut, and nothing in it was acknowledged, as answers leave after the write returns.
Whatever can be seen was written whole and may have been acknowledged; so if it is not what was
written, it is refused with its number, and never cut off.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from engine.transaction import Entry
from storage.block import GENESIS, Block, SealedBlock, damaged, open_block, seal
from storage.errors import StorageDamaged, StorageVersion
from storage.store import Change, Store

FORMAT: Final = 1
"""The form of blocks that this program writes."""

BLOCKS: Final = "blocks"
META: Final = "meta"
TABLES: Final = (BLOCKS, META)
"""The tables of the journal's store."""

_FORMAT_KEY: Final = b"format"

WRITTEN_BLOCKS_MAX: Final = 16
"""Decoded blocks kept of the last ones written."""

READ_ENTRIES_MAX: Final = 65_536
"""Entries of decoded blocks kept of those read, the block looked at last always among them: a
thousand take about a megabyte. After a crash all terminals ask for those of the last second."""


PASSED_ENTRIES_MAX: Final = 32_768
"""Entries of decoded blocks kept for those who walk along the journal: a large block is looked at
several times on the way, and takes no room from what terminals ask for."""


class Head(Struct, frozen=True, gc=False):
    """The end of the journal.

    Attributes:
      next_position: where the next entry goes.
      number: of the last block, -1 before the first.
      hash: of the last block, `GENESIS` before the first.
      at_ms: when the last block was sealed.
    """

    next_position: int
    number: int
    hash: bytes
    at_ms: int


class Journal:
    """The journal in a store.

    Any thread may read while one appends.

    Args:
      store: with the tables `TABLES`.

    Raises:
      StorageDamaged: the last block is not what was written, or blocks are missing.
      StorageVersion: it was written by a newer version of this program.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._head = _head(store)
        self._written = _Written(WRITTEN_BLOCKS_MAX)
        self._read = _Read(READ_ENTRIES_MAX)
        self._passed = _Read(PASSED_ENTRIES_MAX)

    @property
    def head(self) -> Head:
        """The end of the journal; what stands before it is durable."""
        return self._head

    def append(self, entries: Sequence[Entry], at_ms: int) -> SealedBlock:
        """Seal entries in a block and write it.

        Args:
          entries: at least one, in the order of their positions.
          at_ms: the host's clock, not before that of the last block.

        Durability: on return the block is on disk.

        Raises:
          StorageFull: no room; nothing was written, and the same entries may be appended again.
          StorageFailed: the write failed; the journal must not be used any more.
        """
        head = self._head
        assert at_ms >= head.at_ms, "the host's clock runs forward along the journal"
        block, value = seal(head.number + 1, head.next_position, head.hash, at_ms, entries)
        changes: list[Change] = [(BLOCKS, _key(block.first_position), value)]
        if block.number == 0:
            changes.append((META, _FORMAT_KEY, str(FORMAT).encode()))
        self._store.write(changes)
        self._written.add(block)
        self._head = Head(block.next_position, block.number, block.hash, at_ms)
        return SealedBlock(block.number, block.first_position, len(entries), block.hash)

    def block_at(self, position: int) -> Block:
        """Return the block that holds a position of the journal.

        Raises:
          StorageDamaged: it is not what was written.
        """
        assert 0 <= position < self._head.next_position
        block = self._written.find(position) or self._read.find(position)
        if block is None:
            block = _load(self._store, position)
            self._read.add(block)
        return block

    def passing(self, position: int) -> Block:
        """Return the block that holds a position, to one who walks on from there.

        Raises:
          StorageDamaged: it is not what was written.
        """
        assert 0 <= position < self._head.next_position
        block = self._written.find(position) or self._passed.find(position)
        if block is None:
            block = _load(self._store, position)
            self._passed.add(block)
        return block

    def at_hand(self, position: int) -> bool:
        """Tell whether the block of a position is decoded already, so that reading costs little."""
        return (self._written.find(position) or self._read.find(position)) is not None

    def entry_at(self, position: int) -> Entry:
        """Return the entry at a position of the journal."""
        block = self.block_at(position)
        return block.entries[position - block.first_position]

    def blocks(self, from_position: int = 0) -> Iterator[Block]:
        """Walk the blocks from the one that holds a position to the end; see `chain`."""
        return chain(self._store, from_position)

    def block_before_time(self, at_ms: int) -> Block | None:
        """Return the last block that was sealed at a time or before, or None."""
        found = None
        low, high = 0, self._head.next_position
        while low < high:
            block = _load(self._store, (low + high) // 2)
            if block.at_ms <= at_ms:
                found, low = block, block.next_position
            else:
                high = block.first_position
        return found


def chain(store: Store, from_position: int = 0) -> Iterator[Block]:
    """Walk the blocks of a journal's store, verifying each, and that each follows the one before.

    It begins with the block that holds a position and ends at the last one that can be seen. No
    reader is held between two blocks, so appending may go on.

    Raises:
      StorageDamaged: a block is not what was written, or does not follow the one before.
    """
    rows = store.scan_back(BLOCKS, _key(from_position), limit=2)
    key = rows[0][0] if rows else _key(0)
    before = _open(store, *rows[1]) if len(rows) > 1 else None
    while rows := store.scan(BLOCKS, key, limit=1):
        block = _open(store, *rows[0])
        _check_follows(before, block)
        if block.next_position > from_position:
            yield block
        before = block
        key = _key(block.next_position)


def _head(store: Store) -> Head:
    # Another process may append between any two looks: what is seen later may only be more.
    count = store.count(BLOCKS)
    written_by = store.get(META, _FORMAT_KEY)
    if written_by is None and not count:
        return Head(0, -1, GENESIS, 0)
    rows = store.scan_back(BLOCKS, limit=2)
    if written_by is None or not written_by.isdigit() or not rows:
        raise StorageDamaged(
            "the journal has no blocks or no format. Restore the folder from a backup."
        )
    if int(written_by) > FORMAT:
        raise StorageVersion(
            f"the journal has format {int(written_by)}; this program knows up to {FORMAT}: "
            "run the newer version."
        )
    last = _open(store, *rows[0])
    _check_follows(_open(store, *rows[1]) if len(rows) > 1 else None, last)
    if not count <= last.number + 1 <= store.count(BLOCKS):
        raise damaged(last.number, f"{count} blocks stand up to it")
    return Head(last.next_position, last.number, last.hash, last.at_ms)


def _load(store: Store, position: int) -> Block:
    rows = store.scan_back(BLOCKS, _key(position), limit=1)
    if rows:
        block = _open(store, *rows[0])
        if position < block.next_position:
            return block
    raise StorageDamaged(
        f"the journal has no entry {position}, which was written. Restore the folder from a backup."
    )


def _open(store: Store, key: bytes, value: bytes) -> Block:
    block = open_block(value, lambda: _number_at(store, key))
    if _key(block.first_position) != key:
        raise damaged(_number_at(store, key), f"block {block.number} stands in its place")
    return block


def _number_at(store: Store, key: bytes) -> int:
    """Return the number of a block whose content cannot be trusted: from the sound one before."""
    steps = 0
    while rows := store.scan_back(BLOCKS, key, limit=2)[1:]:
        steps += 1
        key, value = rows[0]
        try:
            return open_block(value, lambda: 0).number + steps
        except StorageDamaged:
            continue
    return steps


def _check_follows(before: Block | None, block: Block) -> None:
    number, position, at_ms, previous = 0, 0, 0, GENESIS
    if before is not None:
        number, position = before.number + 1, before.next_position
        at_ms, previous = before.at_ms, before.hash
    if block.number != number or block.first_position != position:
        raise damaged(number, f"block {block.number} follows instead of it")
    if block.previous != previous:
        raise damaged(number, "it does not follow from the block before")
    if block.at_ms < at_ms:
        raise damaged(number, "it was sealed before the block before")


def _key(position: int) -> bytes:
    return position.to_bytes(8)


class _Written:
    """The last blocks that were added."""

    def __init__(self, size: int) -> None:
        self._blocks: deque[Block] = deque(maxlen=size)
        self._lock = threading.Lock()

    def add(self, block: Block) -> None:
        with self._lock:
            self._blocks.append(block)

    def find(self, position: int) -> Block | None:
        with self._lock:
            for block in reversed(self._blocks):
                if block.first_position <= position < block.next_position:
                    return block
        return None


class _Read:
    """The blocks that were looked at last, as long as they are not too many entries together."""

    def __init__(self, entries_max: int) -> None:
        # By first position; the one looked at last comes last.
        self._blocks: dict[int, Block] = {}
        self._starts: list[int] = []
        self._entries = 0
        self._entries_max = entries_max
        self._lock = threading.Lock()

    def add(self, block: Block) -> None:
        with self._lock:
            start = block.first_position
            if start in self._blocks:
                return
            self._blocks[start] = block
            insort(self._starts, start)
            self._entries += len(block.entries)
            while self._entries > self._entries_max and len(self._blocks) > 1:
                oldest = next(iter(self._blocks))
                self._entries -= len(self._blocks.pop(oldest).entries)
                del self._starts[bisect_left(self._starts, oldest)]

    def find(self, position: int) -> Block | None:
        with self._lock:
            at = bisect_right(self._starts, position) - 1
            if at < 0:
                return None
            start = self._starts[at]
            block = self._blocks[start]
            if position >= block.next_position:
                return None
            self._blocks[start] = self._blocks.pop(start)
            return block
