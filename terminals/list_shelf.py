"""The versions of one list that a terminal keeps: the one in use, and those that wait their time.

Each version is a record of the keeper: the whole content, or what it changes in the version of the
record before it. So a change costs little wear of the terminal's memory chips; when the changes
come to a good part of the list, it is written whole. A record says what it leads to, with a hash,
and is believed only if that is right: what is damaged is as if it had never come, with all that
builds on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import chain
from operator import attrgetter
from typing import Final, NamedTuple, cast

import msgpack

from engine.fleet.lists import ListName
from terminals import content
from terminals.content import Content
from terminals.errors import KeeperFailed, ListUnusable
from terminals.keeper import Keeper

PENDING_MAX: Final = 4
"""Versions that wait their time: fares of next month, and their corrections."""

CHANGES_MAX: Final = 32
"""Changes behind a whole content: a start takes each of them in again."""
CHANGES_SHARE: Final = 4
"""They come to a fourth of the content at most."""

_MAGIC: Final = b"J1-LIST1"
_LENGTH_BYTES: Final = 2
_HASH_BYTES: Final = 32
_PIECE_BYTES: Final = 64 * 1024


class Head(NamedTuple):
    """What a record says of itself.

    Attributes:
      hash: of the content that it leads to.
      base: hash of the content that it changes; empty: it is whole.
    """

    name: str
    version: int
    activate_ms: int
    hash: bytes
    base: bytes


@dataclass(frozen=True, slots=True)
class Fresh:
    """A version to be kept.

    Attributes:
      version, activate_ms: as it was offered.
      change: makes what leads to it from the newest version kept, packed, in pieces.
      change_bytes: length of that; 0: it does not follow from that version.
    """

    version: int
    activate_ms: int
    content: Content
    change: Callable[[], Iterable[bytes]] = tuple
    change_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Kept:
    """A version.

    Attributes:
      sequence: of its record; a later one came later.
      active: whether its time has come.
    """

    sequence: int
    version: int
    activate_ms: int
    active: bool
    content: Content


class _Record(NamedTuple):
    """A record as it stands in the keeper."""

    active: bool
    whole: bool
    size_bytes: int


class ListShelf:
    """What a terminal keeps of one list.

    Its methods block, and one thread at a time calls them; `versions` may be read meanwhile.

    Args:
      name: the list.
      keeper: where records are kept; it may be shared with other lists.

    Attributes:
      versions: in the order in which they came. At most the first is active.
    """

    def __init__(self, name: ListName, keeper: Keeper) -> None:
        self.name: ListName = name
        self.versions: tuple[Kept, ...] = ()
        self._keeper = keeper
        self._records: dict[int, _Record] = {}

    @property
    def newest(self) -> Kept | None:
        """The version that came last, in use or not."""
        return self.versions[-1] if self.versions else None

    @property
    def active(self) -> Kept | None:
        """The version in use."""
        first = self.versions[0] if self.versions else None
        return first if first is not None and first.active else None

    def load(self) -> list[str]:
        """Take what was kept before, and return what was wrong with it, for people.

        Raises:
          KeeperFailed: the keeper cannot say what it keeps.
        """
        troubles: list[str] = []
        before: Content | None = None
        for sequence, active in _numbered(self.name, self._keeper.names()):
            try:
                before = self._load(sequence, active=active, before=before)
            except (ListUnusable, KeeperFailed) as error:
                before = None
                troubles.append(f"{_record_name(self.name, sequence, active=active)}: {error}")
                self._remove(sequence, active=active)
        self._tidy()
        return troubles

    def _load(self, sequence: int, *, active: bool, before: Content | None) -> Content:
        data = self._keeper.read(_record_name(self.name, sequence, active=active))
        head, body = _opened(data)
        if head.name != self.name:
            raise ListUnusable(f"a record of {head.name}")
        pieces = (body[at : at + _PIECE_BYTES] for at in range(0, len(body), _PIECE_BYTES))
        if not head.base:
            found = content.whole(pieces)
        elif before is not None and before.hash == head.base:
            found = before.changed(content.puts(pieces))
        else:
            raise ListUnusable("what it changes is missing")
        if found.hash != head.hash:
            raise ListUnusable("its content has another hash")
        self._records[sequence] = _Record(active, not head.base, len(data))
        self._arrange(Kept(sequence, head.version, head.activate_ms, active, found))
        return found

    def put(self, fresh: Fresh, now_ms: int) -> None:
        """Keep a version; if its time has come, it is in use at once.

        Durability: on return it is on disk.

        Raises:
          KeeperFailed: it is not; all is as it was.
        """
        sequence = max(self._records, default=0) + 1
        active = fresh.activate_ms <= now_ms
        base = self.newest if fresh.change_bytes and self._may_change(fresh) else None
        head = _sealed(
            Head(
                self.name,
                fresh.version,
                fresh.activate_ms,
                fresh.content.hash,
                base.content.hash if base else b"",
            )
        )
        pieces = fresh.change() if base else fresh.content.pieces()
        size_bytes = fresh.change_bytes if base else fresh.content.size_bytes
        self._keeper.write(_record_name(self.name, sequence, active=active), chain([head], pieces))
        self._records[sequence] = _Record(active, base is None, len(head) + size_bytes)
        self._arrange(Kept(sequence, fresh.version, fresh.activate_ms, active, fresh.content))
        self._tidy()

    def activate(self, now_ms: int) -> bool:
        """Begin to use what its time has come of; tell whether there was anything.

        Raises:
          KeeperFailed: it is in use now, and the next start will have to find that out anew.
        """
        due = [kept for kept in self.versions if not kept.active and kept.activate_ms <= now_ms]
        if not due:
            return False
        sequence = due[-1].sequence
        self._arrange(replace(due[-1], active=True))
        old = _record_name(self.name, sequence, active=False)
        self._keeper.rename(old, _record_name(self.name, sequence, active=True))
        self._records[sequence] = self._records[sequence]._replace(active=True)
        self._tidy()
        return True

    def _arrange(self, fresh: Kept) -> None:
        """Put a version in its place: what came before one in use is past."""
        others = [kept for kept in self.versions if kept.sequence != fresh.sequence]
        arranged: list[Kept] = []
        for kept in sorted([*others, fresh], key=attrgetter("sequence")):
            if kept.active:
                arranged = []
            # The node may go back: a version that waits and is no lower will never be.
            arranged = [one for one in arranged if one.active or one.version < kept.version]
            arranged.append(kept)
        first = 1 if arranged[0].active else 0
        self.versions = (*arranged[:first], *arranged[first:][-PENDING_MAX:])

    def _may_change(self, fresh: Fresh) -> bool:
        """Tell whether one more change may be kept, or the whole content should be."""
        newest = self.newest
        if newest is None:
            return False
        changes = [self._records[at] for at in self._chain(newest.sequence)][:-1]
        total_bytes = fresh.change_bytes + sum(record.size_bytes for record in changes)
        few_bytes = total_bytes * CHANGES_SHARE <= fresh.content.size_bytes
        return few_bytes and len(changes) < CHANGES_MAX

    def _chain(self, sequence: int) -> list[int]:
        """Return what leads to a record: itself, and those before it up to a whole one."""
        found: list[int] = []
        for at in sorted(self._records, reverse=True):
            if at <= sequence:
                found.append(at)
                if self._records[at].whole:
                    break
        return found

    def _tidy(self) -> None:
        """Remove the records that nothing is built on any more."""
        needed = {at for kept in self.versions for at in self._chain(kept.sequence)}
        # Changes before what they change: a crash leaves none that hangs in the air.
        for sequence in sorted(self._records.keys() - needed, reverse=True):
            self._remove(sequence, active=self._records.pop(sequence).active)

    def _remove(self, sequence: int, *, active: bool) -> None:
        # If it fails, the next start finds the record and removes it.
        with suppress(KeeperFailed):
            self._keeper.remove(_record_name(self.name, sequence, active=active))


def _record_name(name: ListName, sequence: int, *, active: bool) -> str:
    return f"{name}-{sequence:010}-{'active' if active else 'waiting'}"


def _numbered(name: ListName, names: Iterable[str]) -> list[tuple[int, bool]]:
    """Return the numbers of the records of a list, in order, and whether they are active."""
    pattern = re.compile(rf"{name}-([0-9]{{10}})-(active|waiting)")
    found = filter(None, map(pattern.fullmatch, names))
    return sorted((int(match[1]), match[2] == "active") for match in found)


def _sealed(head: Head) -> bytes:
    """Return a head as it stands before the content: with its length, and a hash of its own."""
    packed = cast("bytes", msgpack.packb(head))
    start = _MAGIC + len(packed).to_bytes(_LENGTH_BYTES) + packed
    return start + sha256(start).digest()


def _opened(data: bytes) -> tuple[Head, memoryview]:
    """Return the head of a record, and what stands behind it.

    Raises:
      ListUnusable: it is damaged.
    """
    fixed = len(_MAGIC) + _LENGTH_BYTES
    end = fixed + int.from_bytes(data[len(_MAGIC) : fixed])
    seal = data[end : end + _HASH_BYTES]
    if not data.startswith(_MAGIC) or seal != sha256(data[:end]).digest():
        raise ListUnusable("damaged at its head")
    head = Head(*msgpack.unpackb(data[fixed:end]))
    return head, memoryview(data)[end + _HASH_BYTES :]
