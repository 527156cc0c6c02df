"""The list desk: sees what each terminal holds, and offers what it lacks.

    holds ──> is it what was published? ──> offer ──> fetch ──> chunk, through the pump
                                              │
                                              └── the file has to be made first: the clerk does

A terminal is offered the change from what it holds, or the whole list where it holds nothing that
was ever published, or the change would be the longer one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from actors import limits
from actors.fleet.news import News
from actors.fleet.registry import Link
from engine.fleet.coverage import Coverage
from engine.fleet.list_file import ListFile
from engine.fleet.lists import ListName
from protocol.limits import CHUNK_BYTES_MAX
from protocol.messages import Chunk, Fetch, HeldList, Offer
from storage.fleet.list_store import ListHead

FileId: TypeAlias = tuple[ListName, int, int]
"""A list, a version, and the version that the file changes (0: it is the whole list)."""


class Counts(Struct):
    """How far a version has spread among the connected terminals.

    Attributes:
      holders: those that hold it.
      holding: those that hold lists of this name at all.
      mismatches: those that came to another hash.
    """

    coverage: Coverage
    holders: int = 0
    holding: int = 0
    mismatches: int = 0


class ListDesk:
    """Offers lists.

    Args:
      now_ms: the host's clock.
      news: takes what an operator should know.
      wake: called when a file has to be made.

    Attributes:
      heads: the lists as they were published last.
      counts: of each of them.
    """

    def __init__(
        self,
        *,
        now_ms: Callable[[], int],
        news: News,
        wake: Callable[[], None],
    ) -> None:
        self.heads: dict[ListName, ListHead] = {}
        self.counts: dict[ListName, Counts] = {}
        self._now_ms = now_ms
        self._news = news
        self._wake = wake
        self._hashes: dict[ListName, dict[int, bytes]] = {}
        # The file that was asked for last comes last.
        self._files: dict[FileId, ListFile] = {}
        self._files_bytes = 0
        self._longer: set[FileId] = set()
        self._awaited: dict[FileId, dict[Link, None]] = {}

    def load(self, head: ListHead, hashes: dict[int, bytes], links: Iterable[Link]) -> None:
        """Take a list as it was published before."""
        self.heads[head.name] = head
        self._hashes[head.name] = hashes
        self._count_anew(head, links)
        self.counts[head.name].coverage.reached_ms = list(head.reached_ms)

    def publish(self, head: ListHead, file: ListFile, links: Iterable[Link]) -> None:
        """Take a version that was published now; the caller has it offered to each link."""
        self.heads[head.name] = head
        self._hashes.setdefault(head.name, {})[head.version] = head.hash
        for old in [known for known in self._files if known[0] == head.name]:
            self._files_bytes -= len(self._files.pop(old).data)
        self._longer = {known for known in self._longer if known[0] != head.name}
        self._keep((head.name, head.version, 0), file)
        self._count_anew(head, links)

    def _count_anew(self, head: ListHead, links: Iterable[Link]) -> None:
        counts = self.counts[head.name] = Counts(Coverage(head.published_ms))
        for link in links:
            if head.name in link.held:
                self._count(link, head.name, 1)
        self._look(counts)

    # --- what terminals hold ------------------------------------------------------------------

    def hold(self, link: Link, lists: Iterable[HeldList]) -> None:
        """Note what a terminal holds, and offer it what it lacks."""
        before = link.held
        for name in before:
            self._count(link, name, -1)
        link.held = {held.name: held for held in lists}
        for name, held in link.held.items():
            self._count(link, name, 1)
            # It is told again with every change of another list.
            if held.state == "mismatch" and held != before.get(name):
                self._note_mismatch(link, held)
        for name in link.held:
            self.consider(link, name)
        for counts in self.counts.values():
            self._look(counts)

    def leave(self, link: Link) -> None:
        """Let go of a terminal that is gone."""
        for name in link.held:
            self._count(link, name, -1)
        for waiting in self._awaited.values():
            waiting.pop(link, None)

    def _count(self, link: Link, name: ListName, step: int) -> None:
        counts, held = self.counts.get(name), link.held.get(name)
        if counts is not None and held is not None:
            counts.holding += step
            counts.holders += step * self._is_current(held)

    def _look(self, counts: Counts) -> None:
        counts.coverage.look(counts.holders, counts.holding, self._now_ms())

    def _is_current(self, held: HeldList) -> bool:
        head = self.heads[held.name]
        return held.version == head.version and held.hash == head.hash and held.state != "mismatch"

    def _note_mismatch(self, link: Link, held: HeldList) -> None:
        if (counts := self.counts.get(held.name)) is not None:
            counts.mismatches += 1
            what = f"{held.name} {held.version} came to another hash"
            self._news.add(what, link.record.terminal)

    # --- offers -------------------------------------------------------------------------------

    def consider(self, link: Link, name: ListName) -> None:
        """Offer a terminal a list, unless it holds it, or does not want to hear of it."""
        head, held = self.heads.get(name), link.held.get(name)
        if head is None or held is None or self._is_current(held):
            return
        offered = link.offered.get(name)
        had_whole = offered is not None and (offered.version, offered.base) == (head.version, 0)
        if had_whole and held.state == "mismatch":
            # The whole list did not help: another version, or a person, has to.
            return
        self._offer(link, (name, head.version, self._base(head, held)))

    def _base(self, head: ListHead, held: HeldList) -> int:
        """Return the version that a terminal can build on, 0 for none."""
        if held.state == "mismatch" or not 0 < held.version < head.version:
            return 0
        if self._hashes[head.name].get(held.version) != held.hash:
            return 0
        return 0 if (head.name, head.version, held.version) in self._longer else held.version

    def _offer(self, link: Link, wanted: FileId) -> None:
        file = self._files.get(wanted)
        if file is None:
            self._awaited.setdefault(wanted, {})[link] = None
            self._wake()
            return
        self._files[wanted] = self._files.pop(wanted)
        name, version, base = wanted
        head = self.heads[name]
        offer = Offer(
            name,
            version,
            base,
            head.hash,
            head.activate_ms,
            len(file.data),
            file.content_bytes,
            head.entries,
        )
        link.offered[name] = offer
        link.peer.tell(offer)

    # --- files --------------------------------------------------------------------------------

    def next_wanted(self) -> FileId | None:
        """Return a file that has to be made, or None."""
        return next(iter(self._awaited), None)

    def made(self, wanted: FileId, file: ListFile | None) -> None:
        """Take a file that was made, or learn that there is no such change."""
        name, version, base = wanted
        waiting = self._awaited.pop(wanted, {})
        head = self.heads[name]
        if version == head.version:
            if file is None or (base and len(file.data) >= head.file_bytes):
                assert base, "the whole list can always be made"
                self._longer.add(wanted)
            else:
                self._keep(wanted, file)
        for link in waiting:
            self.consider(link, name)

    def chunk(self, fetch: Fetch) -> Chunk | None:
        """Return what a terminal fetches, or None if there is no such file any more."""
        file = self._files.get((fetch.name, fetch.version, fetch.base))
        if file is None:
            return None
        data = file.data[fetch.offset : fetch.offset + CHUNK_BYTES_MAX]
        return Chunk(fetch.name, fetch.version, fetch.base, fetch.offset, data)

    def _keep(self, wanted: FileId, file: ListFile) -> None:
        self._files[wanted] = file
        self._files_bytes += len(file.data)
        while self._files_bytes > limits.LIST_FILES_BYTES_MAX and len(self._files) > 1:
            oldest = next(iter(self._files))
            self._files_bytes -= len(self._files.pop(oldest).data)

    def spread(self, name: ListName) -> ListHead:
        """Return a list with how far it has spread by now."""
        return replace(self.heads[name], reached_ms=tuple(self.counts[name].coverage.reached_ms))
