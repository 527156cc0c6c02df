"""The registry: every terminal that ever connected, and those that are connected now."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol

from actors import limits
from actors.fleet.news import News
from engine.fleet.lists import ListName
from engine.fleet.terminals import Selection
from protocol.messages import FromNode, Heartbeat, HeldList, Offer, Register
from storage.fleet.terminal_store import TerminalRecord, packed

_SILENT: Final = f"silent for more than {limits.SILENT_S:g} s"
_CLOCK_OFF: Final = f"clock off by more than {limits.CLOCK_OFF_MS // 1_000} s"


class Peer(Protocol):
    """A connection, as the fleet sees it."""

    def tell(self, message: FromNode) -> None:
        """Send a message; it must not raise, and must not wait."""
        ...

    @property
    def unsent_bytes(self) -> int:
        """What was told and not sent yet."""
        ...


class Link:
    """One connection of a terminal.

    Attributes:
      held: the lists that it says it holds.
      offered: what was offered last, of each list.
      told_s: when it was last told all its commands.
    """

    __slots__ = ("held", "offered", "peer", "record", "told_s")

    def __init__(self, peer: Peer, record: TerminalRecord) -> None:
        self.peer = peer
        self.record = record
        self.held: dict[ListName, HeldList] = {}
        self.offered: dict[ListName, Offer] = {}
        self.told_s = 0.0


class Registry:
    """The terminals of a node.

    Args:
      now_ms: the host's clock.
      news: takes what an operator should know.

    Attributes:
      records: by name.
      links: the connected terminals.
      silent: the names of those not heard of for long.
    """

    def __init__(self, *, now_ms: Callable[[], int], news: News) -> None:
        self.records: dict[str, TerminalRecord] = {}
        self.links: dict[Peer, Link] = {}
        self.silent: dict[str, None] = {}
        self._now_ms = now_ms
        self._news = news
        self._names: list[str] = []
        self._by_name: dict[str, dict[Link, None]] = {}
        self._dirty: dict[str, None] = {}
        self._unwritten: dict[str, None] = {}
        self._clock_off: dict[str, None] = {}

    def load(self, records: Iterable[TerminalRecord]) -> None:
        """Take what was written before; what is known already is newer."""
        for record in records:
            if record.terminal not in self.records:
                self._add(record)
                del self._unwritten[record.terminal]

    def _add(self, record: TerminalRecord) -> None:
        self.records[record.terminal] = record
        self._unwritten[record.terminal] = None
        insort(self._names, record.terminal)

    # --- connections --------------------------------------------------------------------------

    def arrive(self, peer: Peer, terminal: str, firmware: str, key: bytes) -> Link:
        """Take a terminal that has proven who it is."""
        record = self.records.get(terminal) or TerminalRecord(terminal)
        if terminal not in self.records and len(self.records) < limits.TERMINALS_KNOWN_MAX:
            self._add(record)
        record.firmware, record.key = firmware, key
        link = self.links[peer] = Link(peer, record)
        self._by_name.setdefault(terminal, {})[link] = None
        self._heard(record)
        return link

    def leave(self, peer: Peer) -> Link | None:
        """Let go of a connection; return what it was, if it was one of a terminal."""
        link = self.links.pop(peer, None)
        if link is None:
            return None
        terminal = link.record.terminal
        of_terminal = self._by_name[terminal]
        del of_terminal[link]
        if not of_terminal:
            del self._by_name[terminal]
        self._heard(link.record)
        return link

    def links_of(self, terminal: str) -> Iterable[Link]:
        """Return the connections of a terminal."""
        return self._by_name.get(terminal, ())

    @property
    def connected(self) -> int:
        """How many terminals are connected."""
        return len(self._by_name)

    def is_connected(self, terminal: str) -> bool:
        """Tell whether a terminal is connected."""
        return terminal in self._by_name

    # --- what a terminal tells ----------------------------------------------------------------

    def heartbeat(self, link: Link, message: Heartbeat) -> None:
        """Note how a terminal is."""
        record = link.record
        record.backlog = message.backlog
        record.battery, record.reader = message.battery, message.reader
        record.clock_offset_ms = self._now_ms() - message.at_ms
        self._heard(record)
        self._watch_clock(record)

    def hold(self, link: Link) -> None:
        """Note the lists that a terminal holds."""
        link.record.lists = {
            name: held.version for name, held in link.held.items() if held.state != "mismatch"
        }
        self._heard(link.record)

    def register(self, message: Register) -> tuple[str, bytes]:
        """Note what a terminal is, also before it ever came; return the row to be written."""
        record = self.records.get(message.terminal)
        if record is None:
            record = TerminalRecord(message.terminal)
            self._add(record)
        record.kind, record.place = message.kind, message.place
        record.operator = message.operator
        return packed(record)

    def _heard(self, record: TerminalRecord) -> None:
        record.last_seen_ms = self._now_ms()
        self._dirty[record.terminal] = None
        if record.terminal in self.silent:
            del self.silent[record.terminal]
            self._news.add("heard of again", record.terminal)

    def _watch_clock(self, record: TerminalRecord) -> None:
        terminal, is_off = record.terminal, abs(record.clock_offset_ms) > limits.CLOCK_OFF_MS
        if is_off and terminal not in self._clock_off:
            self._clock_off[terminal] = None
            self._news.add(_CLOCK_OFF, terminal)
        elif not is_off:
            self._clock_off.pop(terminal, None)

    # --- looking ------------------------------------------------------------------------------

    def take_dirty(self) -> list[tuple[str, bytes]]:
        """Return the rows of terminals that changed since the last call."""
        rows = [packed(self.records[name]) for name in self._dirty if name in self.records]
        self._dirty.clear()
        self._unwritten.clear()
        return rows

    def rows_unwritten(self, terminals: Iterable[str]) -> list[tuple[str, bytes]]:
        """Return the rows of those terminals that nothing on disk tells of yet."""
        return [packed(self.records[name]) for name in terminals if name in self._unwritten]

    def keep_dirty(self, rows: Iterable[tuple[str, bytes]]) -> None:
        """Have rows written the next time, which found no room."""
        names = dict.fromkeys(name for name, _ in rows)
        self._dirty.update(names)
        self._unwritten.update(names)

    def look_for_silent(self) -> None:
        """Find the terminals that have not been heard of for long."""
        before_ms = self._now_ms() - int(limits.SILENT_S * 1_000)
        found = [
            name
            for name, record in self.records.items()
            if 0 < record.last_seen_ms < before_ms
            and name not in self._by_name
            and name not in self.silent
        ]
        self.silent.update(dict.fromkeys(found))
        for name in found:
            self._news.add(_SILENT, name)

    def behind(self, name: str) -> Iterator[TerminalRecord]:
        """Walk the terminals behind a name, in the order of their names."""
        for number in range(bisect_right(self._names, name), len(self._names)):
            yield self.records[self._names[number]]

    def selected(self, selection: Selection) -> list[str]:
        """Return the terminals that meet all conditions; those that are named have to be known."""
        named = selection.terminals or self._names
        return [
            name
            for name in dict.fromkeys(named)
            if (record := self.records.get(name)) is not None
            and selection.kind in ("", record.kind)
            and selection.place in ("", record.place)
            and selection.operator in ("", record.operator)
        ]
