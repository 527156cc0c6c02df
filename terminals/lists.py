"""The lists that a terminal holds: what it says of them, and how it comes to what it lacks.

    holds ──> offer ──> fetch, chunk, fetch, chunk ... ──> work out ──> settle ──> holds
                                                             │
                                                             └── another hash ──> holds: mismatch

It asks for one file at a time, for the node keeps one wish of each terminal. What has come of a
file outlives its connection: it goes on from there when the same file is offered again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, TypeAlias

from engine.fleet.lists import ListName
from terminals import content
from terminals.content import Content, Put
from terminals.errors import KeeperFailed, ListUnusable
from terminals.keeper import Keeper
from terminals.list_shelf import Fresh, ListShelf
from terminals.messages import Chunk, Offer

FILE_BYTES_MAX: Final = 64 * 1024 * 1024
"""Of a file on its way, which is held in memory: a list of a million cards has four million."""
CONTENT_BYTES_MAX: Final = 128 * 1024 * 1024
"""Of a list: five million cards."""
CHANGE_BYTES_MAX: Final = 32 * 1024 * 1024
CHANGE_ENTRIES_MAX: Final = 500_000
"""Of a change, before it was compressed: of more than that the whole list is the better way."""

NO_HASH: Final = b""


class Held(NamedTuple):
    """What a terminal says of one list."""

    name: str
    version: int
    hash: bytes
    state: str


class Wish(NamedTuple):
    """What a terminal asks for: a file, from a byte on."""

    name: str
    version: int
    base: int
    offset: int


class Download:
    """A file on its way.

    Attributes:
      offer: what was offered.
      data: what has come.
      pieced: whether that came over several connections.
    """

    __slots__ = ("data", "offer", "pieced")

    def __init__(self, offer: Offer) -> None:
        self.offer = offer
        self.data = bytearray()
        self.pieced = False

    @property
    def complete(self) -> bool:
        """Whether all of it has come."""
        return len(self.data) >= self.offer.file_bytes

    @property
    def wish(self) -> Wish:
        """What it lacks."""
        return Wish(self.offer.name, self.offer.version, self.offer.base, len(self.data))


class Mismatch(NamedTuple):
    """A version that did not come to what was offered.

    Attributes:
      hash: that it came to; empty: it came to nothing.
      why: for people.
    """

    version: int
    hash: bytes
    why: str


Worked: TypeAlias = Fresh | Mismatch


class ListHolder:
    """What a terminal holds, and what it fetches.

    `load`, `work_out`, `keep` and `activate` block, and one thread at a time calls them; all else
    may be called meanwhile.

    Args:
      names: the lists that it wants to hear of; those named first are fetched first.
      keeper: where they are kept.

    Attributes:
      changed: whether the node has to be told anew what it holds.
    """

    def __init__(self, names: Iterable[ListName], keeper: Keeper) -> None:
        self.changed = False
        self._shelves: dict[str, ListShelf] = {name: ListShelf(name, keeper) for name in names}
        self._downloads: dict[str, Download] = {}
        self._mismatches: dict[str, Mismatch] = {}

    # --- what it holds ------------------------------------------------------------------------

    def active(self, name: str) -> Content | None:
        """Return the content of a list that is in use, or None if there is none."""
        kept = self._shelves[name].active
        return None if kept is None else kept.content

    def version(self, name: str) -> int:
        """Return the version of a list that is in use, 0 for none."""
        kept = self._shelves[name].active
        return 0 if kept is None else kept.version

    def holds(self) -> list[Held]:
        """Return what the node is to be told."""
        self.changed = False
        return [self._held(shelf) for shelf in self._shelves.values()]

    def _held(self, shelf: ListShelf) -> Held:
        if (mismatch := self._mismatches.get(shelf.name)) is not None:
            return Held(shelf.name, mismatch.version, mismatch.hash, "mismatch")
        newest = shelf.newest
        if newest is None:
            return Held(shelf.name, 0, NO_HASH, "active")
        state = "active" if newest.active else "pending"
        return Held(shelf.name, newest.version, newest.content.hash, state)

    # --- what the node says -------------------------------------------------------------------

    def begin(self) -> None:
        """Begin a connection: what did not match is told no more, so the node offers anew."""
        self._mismatches.clear()
        for download in self._downloads.values():
            download.pieced = bool(download.data)
        self.changed = True

    def take_offer(self, offer: Offer) -> None:
        """Take an offer, in place of any other of this list."""
        shelf = self._shelves.get(offer.name)
        if shelf is None:
            return
        if not self._lacks(offer):
            return
        before = self._downloads.pop(offer.name, None)
        if why := _too_much(offer):
            self._mismatch(offer, Mismatch(offer.version, NO_HASH, why))
            return
        again = before is not None and before.offer == offer
        self._downloads[offer.name] = before if before and again else Download(offer)

    def _lacks(self, offer: Offer) -> bool:
        """Tell whether an offer is of use with what is held now."""
        newest = self._shelves[offer.name].newest
        if newest is None:
            return not offer.base
        if offer.base and offer.base != newest.version:
            # Made before the node knew what is held now: it offers again when it does.
            return False
        return (newest.version, newest.content.hash) != (offer.version, offer.hash)

    def take_chunk(self, chunk: Chunk) -> bool:
        """Take some of a file; tell whether it is what was lacking."""
        download = self._downloads.get(chunk.name)
        if download is None or download.complete or download.wish != chunk[:4]:
            return False
        offer = download.offer
        download.data += chunk.data
        if not chunk.data or len(download.data) > offer.file_bytes:
            why = f"the file has not {offer.file_bytes} bytes"
            self.settle(download, Mismatch(offer.version, NO_HASH, why))
        return True

    def wish(self) -> Wish | None:
        """Return what to ask for, or None if nothing lacks."""
        for name in self._shelves:
            download = self._downloads.get(name)
            if download is not None and not download.complete:
                return download.wish
        return None

    # --- what has come whole ------------------------------------------------------------------

    def load(self) -> list[str]:
        """Take what was kept before, and return what was wrong with it, for people.

        Raises:
          KeeperFailed: the keeper cannot say what it keeps; nothing is held.
        """
        self.changed = True
        return [trouble for shelf in self._shelves.values() for trouble in shelf.load()]

    def complete(self) -> Download | None:
        """Return a file that has come whole and waits to be worked out."""
        return next((one for one in self._downloads.values() if one.complete), None)

    def work_out(self, download: Download) -> Worked:
        """Work out what a file leads to."""
        offer = download.offer
        try:
            fresh = self._unpacked(download)
        except ListUnusable as error:
            return Mismatch(offer.version, NO_HASH, str(error))
        if fresh.content.hash != offer.hash:
            return Mismatch(offer.version, fresh.content.hash, "its content has another hash")
        return fresh

    def _unpacked(self, download: Download) -> Fresh:
        offer, data = download.offer, download.data

        def pieces() -> Iterator[bytes]:
            return content.inflated(data, offer.content_bytes)

        if not offer.base:
            return Fresh(offer.version, offer.activate_ms, content.whole(pieces()))
        newest = self._shelves[offer.name].newest
        if newest is None or newest.version != offer.base:
            raise ListUnusable("what it changes is not held")
        after = newest.content.changed(_not_too_many(content.puts(pieces())))
        if after.size_bytes > CONTENT_BYTES_MAX:
            raise ListUnusable(f"it leads to more than {CONTENT_BYTES_MAX} bytes")
        return Fresh(offer.version, offer.activate_ms, after, pieces, offer.content_bytes)

    def keep(self, download: Download, worked: Worked, now_ms: int) -> None:
        """Keep what a file led to, so that the node can be told.

        Raises:
          KeeperFailed: it is not kept; what was held before still is.
        """
        offer = download.offer
        if isinstance(worked, Fresh):
            self._shelves[offer.name].put(worked, now_ms)

    def settle(self, download: Download, worked: Worked) -> None:
        """Be done with a file that was kept, or that did not match."""
        offer = download.offer
        if isinstance(worked, Mismatch) and download.pieced:
            # The node may have made the file anew, with other bytes: all of it from one connection
            # may be right.
            if self._downloads.get(offer.name) is download:
                self._downloads[offer.name] = Download(offer)
            return
        self.drop(download)
        if isinstance(worked, Mismatch):
            self._mismatch(offer, worked)
            return
        self._mismatches.pop(offer.name, None)
        self.changed = True
        other = self._downloads.get(offer.name)
        if other is not None and not self._lacks(other.offer):
            del self._downloads[offer.name]

    def drop(self, download: Download) -> None:
        """Let go of a file, unless another one has taken its place already."""
        if self._downloads.get(download.offer.name) is download:
            del self._downloads[download.offer.name]

    def _mismatch(self, offer: Offer, mismatch: Mismatch) -> None:
        self._mismatches[offer.name] = mismatch
        self.changed = True

    # --- time ---------------------------------------------------------------------------------

    def activate(self, now_ms: int) -> tuple[list[str], list[str]]:
        """Begin to use the versions whose time has come.

        Returns:
          Their lists, and what went wrong, for people: then they are in use all the same, and the
          next start has to find out anew that they are.
        """
        begun: list[str] = []
        troubles: list[str] = []
        for shelf in self._shelves.values():
            before = shelf.active
            try:
                shelf.activate(now_ms)
            except KeeperFailed as error:
                troubles.append(str(error))
            if shelf.active is not before:
                begun.append(shelf.name)
                self.changed = True
        return begun, troubles

    def next_activation_ms(self) -> int | None:
        """Return when the next version's time comes, or None if none waits."""
        waiting = [
            kept.activate_ms
            for shelf in self._shelves.values()
            for kept in shelf.versions
            if not kept.active
        ]
        return min(waiting, default=None)


def _too_much(offer: Offer) -> str:
    """Tell why a file is not even asked for, or return the empty text."""
    content_max = CHANGE_BYTES_MAX if offer.base else CONTENT_BYTES_MAX
    if offer.file_bytes > FILE_BYTES_MAX:
        return f"a file of {offer.file_bytes} bytes"
    if offer.content_bytes > content_max:
        return f"a content of {offer.content_bytes} bytes"
    return ""


def _not_too_many(puts: Iterable[Put]) -> Iterator[Put]:
    for number, put in enumerate(puts):
        if number == CHANGE_ENTRIES_MAX:
            raise ListUnusable(f"it changes more than {CHANGE_ENTRIES_MAX} entries")
        yield put
