"""Lists on disk: their content, their versions, and the drafts that become versions.

A version is published in one write: its content, what it changed, its file and its number. So
whatever is there after a crash is one version or the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Final

import msgspec
from msgspec import Struct

from engine.fleet.list_file import EMPTY_HASH, ListFile, make_file
from engine.fleet.lists import ListName, Put, difference, in_order, merged
from storage.fleet.tables import (
    CHANGES,
    DRAFT_ENTRIES,
    DRAFTS,
    ENTRIES,
    FILES,
    HASHES,
    LISTS,
    PUBLISHED,
    encode,
    key_of,
    number,
    read,
    rows_under,
)
from storage.store import Change, Store

CHANGES_KEPT_MAX: Final = 100_000
"""Keys that one version may change and still be sent as a change; past it the whole is sent."""

VERSIONS_KEPT: Final = 1_000
"""Versions whose changes are kept: a terminal that was away for longer gets the whole list."""

_REMOVED: Final = b"\0"
_PUT: Final = b"\1"
_LOOKED_UP_AT_ONCE: Final = 1_000


class ListHead(Struct, frozen=True, array_like=True):
    """The version of a list that was published last.

    Attributes:
      hash: SHA-256 of its content.
      file_bytes: length of its file.
      content_bytes: length of its content.
      reached_ms: how long it took until 50, 95 and 100 per cent of the terminals held it; -1:
        not yet.
    """

    name: ListName
    version: int = 0
    hash: bytes = EMPTY_HASH
    entries: int = 0
    file_bytes: int = 0
    content_bytes: int = 0
    published_ms: int = 0
    activate_ms: int = 0
    officer: str = ""
    second_officer: str = ""
    note: str = ""
    reached_ms: tuple[int, ...] = (-1, -1, -1)


class Draft(Struct, frozen=True, array_like=True):
    """A version in the making.

    Attributes:
      parts: the numbers of the parts that have come.
      waits: whether it is whole, and waits for a second officer.
      base, whole, activate_ms, note: as it was to be published.
      changes: keys that it would change.
    """

    draft: str
    name: ListName
    officer: str
    made_ms: int
    parts: frozenset[int] = frozenset()
    waits: bool = False
    base: int = 0
    whole: bool = False
    activate_ms: int = 0
    note: str = ""
    changes: int = 0


_HEAD: Final = msgspec.msgpack.Decoder(ListHead)
_DRAFT: Final = msgspec.msgpack.Decoder(Draft)
_CHANGE: Final = msgspec.msgpack.Decoder(tuple[tuple[str, str | None], ...])


class ListStore:
    """The lists in the fleet's store. Any thread may read; one at a time writes.

    Args:
      store: with the tables of the fleet.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def head(self, name: ListName) -> ListHead:
        """Return a list as it is now; version 0 is empty."""
        value = self._store.get(LISTS, name.encode())
        return ListHead(name) if value is None else read(_HEAD, value)

    def save_reached(self, head: ListHead) -> None:
        """Write how far a version has spread, unless another one was published meanwhile."""
        if self.head(head.name).version == head.version:
            self._store.write([(LISTS, head.name.encode(), encode(head))])

    def file(self, head: ListHead) -> ListFile:
        """Return the whole list as a file."""
        data = self._store.get(FILES, head.name.encode())
        assert data is not None, "what was published has a file"
        return ListFile(data, head.content_bytes, head.hash, head.entries)

    def content(self, name: ListName) -> Iterator[tuple[str, str]]:
        """Walk the content of a list, in order."""
        for key, value in rows_under(self._store, ENTRIES, key_of(name)):
            yield key.decode(), value.decode()

    def hashes(self, name: ListName) -> dict[int, bytes]:
        """Return the hashes of the versions that were published, but for those long ago."""
        return {
            int.from_bytes(version): value
            for version, value in rows_under(self._store, HASHES, key_of(name))
        }

    def change_from(self, name: ListName, base: int, version: int) -> ListFile | None:
        """Return what leads from one version to a later one, or None if that is not kept."""
        changes: list[Sequence[Put]] = []
        for step in range(base + 1, version + 1):
            value = self._store.get(CHANGES, key_of(name, number(step)))
            if value is None:
                return None
            puts = read(_CHANGE, value)
            changes.append(puts)
        return make_file(in_order(merged(changes)))

    def version_of(self, draft: str) -> int | None:
        """Return the version that a draft became, or None if it has not become one."""
        value = self._store.get(PUBLISHED, draft.encode())
        return None if value is None else int.from_bytes(value)

    # --- drafts -------------------------------------------------------------------------------

    def drafts(self) -> list[Draft]:
        """Return all drafts."""
        return [read(_DRAFT, value) for _, value in rows_under(self._store, DRAFTS, b"")]

    def draft(self, name: str) -> Draft | None:
        """Return a draft by its name."""
        value = self._store.get(DRAFTS, name.encode())
        return None if value is None else read(_DRAFT, value)

    def save_draft(self, draft: Draft, order: Sequence[Change] = ()) -> None:
        """Write a draft as it is now, and the order behind that."""
        self._store.write([*order, (DRAFTS, draft.draft.encode(), encode(draft))])

    def save_parts(self, parts: Sequence[tuple[Draft, Sequence[Put]]]) -> None:
        """Write entries that were added to drafts, and each draft as it is with them."""
        # Of a draft that stands here several times the last row counts, as it does of a key.
        self._store.write(chain.from_iterable(_part_changes(*part) for part in parts))

    def drop_draft(self, name: str, order: Sequence[Change] = ()) -> None:
        """Throw a draft away, and write the order behind that."""
        self._store.write([*order, *self._without(name)])

    def changes_of(self, draft: Draft) -> Iterator[Put]:
        """Walk what a draft would change in its list, in order."""
        if draft.whole:
            named = ((key, value) for key, value in self._drafted(draft.draft) if value is not None)
            return difference(self.content(draft.name), named)
        return self._effective(draft)

    def publish(
        self,
        draft: Draft,
        *,
        second_officer: str,
        at_ms: int,
        order: Callable[[ListHead], Sequence[Change]],
    ) -> tuple[ListHead, ListFile]:
        """Make a version of a draft, which is gone afterwards; return it and its whole file.

        Args:
          draft: all of it has come, and its base is the version of now.
          second_officer: who approved it, or empty.
          at_ms: the host's clock.
          order: makes what is written of the order behind it.

        Durability: on return it is on disk.

        Raises:
          StorageFull: no room; nothing was written.
        """
        before = self.head(draft.name)
        assert draft.base == before.version, "the list has moved on since the draft was looked at"
        file = make_file(self._after(draft))
        version = before.version + 1
        head = ListHead(
            draft.name,
            version,
            file.hash,
            file.entries,
            len(file.data),
            file.content_bytes,
            at_ms,
            draft.activate_ms or at_ms,
            draft.officer,
            second_officer,
            draft.note,
        )
        self._store.write([*order(head), *self._publication(draft, head, file)])
        return head, file

    def _publication(self, draft: Draft, head: ListHead, file: ListFile) -> Iterator[Change]:
        name = draft.name
        kept: list[Put] = []
        count = 0
        for key, value in self.changes_of(draft):
            count += 1
            if count <= CHANGES_KEPT_MAX:
                kept.append((key, value))
            row = None if value is None else value.encode()
            yield ENTRIES, key_of(name, key.encode()), row
        yield HASHES, key_of(name, number(head.version)), head.hash
        if count <= CHANGES_KEPT_MAX:
            yield CHANGES, key_of(name, number(head.version)), encode(kept)
        if head.version > VERSIONS_KEPT:
            long_ago = key_of(name, number(head.version - VERSIONS_KEPT))
            yield from ((HASHES, long_ago, None), (CHANGES, long_ago, None))
        yield FILES, name.encode(), file.data
        yield LISTS, name.encode(), encode(head)
        yield PUBLISHED, draft.draft.encode(), number(head.version)
        yield from self._without(draft.draft)

    def _without(self, draft: str) -> Iterator[Change]:
        yield DRAFTS, draft.encode(), None
        for key, _ in rows_under(self._store, DRAFT_ENTRIES, key_of(draft)):
            yield DRAFT_ENTRIES, key_of(draft, key), None

    def _drafted(self, draft: str) -> Iterator[Put]:
        for key, value in rows_under(self._store, DRAFT_ENTRIES, key_of(draft)):
            yield key.decode(), None if value == _REMOVED else value[1:].decode()

    def _effective(self, draft: Draft) -> Iterator[Put]:
        """Walk the entries of a draft that are not so already."""
        batch: list[Put] = []
        for put in self._drafted(draft.draft):
            batch.append(put)
            if len(batch) == _LOOKED_UP_AT_ONCE:
                yield from self._news(draft.name, batch)
                batch = []
        yield from self._news(draft.name, batch)

    def _news(self, name: ListName, batch: Sequence[Put]) -> Iterator[Put]:
        keys = [key_of(name, key.encode()) for key, _ in batch]
        for (key, value), known in zip(batch, self._store.get_many(ENTRIES, keys), strict=True):
            if value != (None if known is None else known.decode()):
                yield key, value

    def _after(self, draft: Draft) -> Iterator[tuple[str, str]]:
        """Walk the content that a draft leads to, in order."""
        changes = self.changes_of(draft)
        change = next(changes, None)
        for key, value in self.content(draft.name):
            while change is not None and change[0] < key:
                assert change[1] is not None, "what is removed is there"
                yield change[0], change[1]
                change = next(changes, None)
            if change is None or change[0] != key:
                yield key, value
                continue
            if change[1] is not None:
                yield key, change[1]
            change = next(changes, None)
        while change is not None:
            assert change[1] is not None, "what is removed is there"
            yield change[0], change[1]
            change = next(changes, None)


def _part_changes(draft: Draft, puts: Sequence[Put]) -> Iterator[Change]:
    yield DRAFTS, draft.draft.encode(), encode(draft)
    for key, value in puts:
        row = _REMOVED if value is None else _PUT + value.encode()
        yield DRAFT_ENTRIES, key_of(draft.draft, key.encode()), row
