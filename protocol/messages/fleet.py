"""Questions about the fleet, its lists, its commands and the node itself, and their answers."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from engine.fleet.commands import CommandBody, CommandState
from engine.fleet.lists import ListName
from engine.fleet.terminals import ReaderState, TerminalKind
from engine.seen import Gap
from engine.transaction import Name, OptionalName, Transaction
from protocol import limits
from protocol.messages.base import Message
from protocol.messages.commands import CommandId, ReportText

Limit = Annotated[int, Meta(ge=1, le=limits.ROWS_MAX)]


class TerminalsOf(Message, frozen=True, tag="terminals"):
    """The terminals of the node, in the order of their names; empty conditions let all through."""

    after: OptionalName = ""
    limit: Limit = 50
    kind: TerminalKind = ""
    place: OptionalName = ""
    operator: OptionalName = ""
    silent: bool = False


class TreeOf(Message, frozen=True, tag="tree"):
    """The supervision tree of the node as it is now."""


class ListsOf(Message, frozen=True, tag="lists"):
    """The lists, how far each has spread, and the drafts that wait for a second officer."""


class CommandsOf(Message, frozen=True, tag="commands"):
    """The commands, newest first."""

    before: Annotated[int, Meta(ge=0, le=2**53 - 1)] | None = None
    limit: Limit = 20


class CommandOf(Message, frozen=True, tag="command"):
    """Where one command stands at each terminal, in the order of their names."""

    id: CommandId
    after: OptionalName = ""
    limit: Limit = 50


class JournalOf(Message, frozen=True, tag="journal"):
    """What a terminal sent of its own journal."""

    id: CommandId
    terminal: Name
    part: Annotated[int, Meta(ge=0, le=limits.JOURNAL_PARTS_MAX - 1)] = 0


FleetQuestion: TypeAlias = TerminalsOf | TreeOf | ListsOf | CommandsOf | CommandOf | JournalOf


class _Record(Struct, frozen=True, array_like=True, gc=False):
    """A row of an answer."""


class TerminalRow(_Record, frozen=True):
    """One terminal.

    Attributes:
      firmware: what it says it runs.
      key: the first eight bytes of the key it proved last.
      last_seen_ms: when something of it came last, 0: never.
      backlog: transactions that it has yet to send, as it says.
      clock_offset_ms: the node's clock less its own, when it told it last.
      counter: the highest seen.
      missing: counters below it that have not come.
      gaps: the first ranges of them.
      lists: the lists it holds, and their versions.
    """

    terminal: str
    kind: TerminalKind
    place: str
    operator: str
    firmware: str
    key: bytes
    connected: bool
    silent: bool
    last_seen_ms: int
    backlog: int
    clock_offset_ms: int
    battery: int
    reader: ReaderState
    counter: int
    missing: int
    gaps: tuple[Gap, ...]
    lists: tuple[tuple[ListName, int], ...]


class Terminals(Message, frozen=True, tag="terminals"):
    """Some terminals; `next` continues the search as `after` (empty: that was all)."""

    terminals: tuple[TerminalRow, ...]
    next: str
    known: int
    connected: int
    silent: int


class TreeRow(_Record, frozen=True):
    """A place in the supervision tree; `depth` tells whose child it is.

    Attributes:
      age_ms: how long it has been in its state.
      waiting, waiting_max, oldest_ms, accepted, refused: its mailbox; all 0 where it has none.
      live, started, crashed: its children that come and go, counted.
      last_end: how its last life ended, with the kind of failure.
    """

    depth: int
    name: str
    kind: str
    state: str
    age_ms: int
    restarts: int
    waiting: int
    waiting_max: int
    oldest_ms: int
    accepted: int
    refused: int
    live: int
    started: int
    crashed: int
    last_end: str


class Tree(Message, frozen=True, tag="tree"):
    """The tree, parents first."""

    rows: tuple[TreeRow, ...]
    server_time_ms: int
    quarantined: int
    position: int


class ListRow(_Record, frozen=True):
    """One list.

    Attributes:
      holders: connected terminals that hold this version.
      connected: connected terminals that hold lists of this name at all.
      reached_ms: time until 50, 95 and 100 per cent of them held it; -1: not yet.
      mismatches: terminals whose content came to another hash.
    """

    name: ListName
    version: int
    hash: bytes
    entries: int
    file_bytes: int
    published_ms: int
    activate_ms: int
    officer: str
    second_officer: str
    note: str
    holders: int
    connected: int
    reached_ms: tuple[int, ...]
    mismatches: int


class DraftRow(_Record, frozen=True):
    """A draft that waits for a second officer."""

    draft: str
    name: ListName
    officer: str
    changes: int
    made_ms: int
    note: str


class Lists(Message, frozen=True, tag="lists"):
    """All lists that were published, and the drafts that wait."""

    lists: tuple[ListRow, ...]
    drafts: tuple[DraftRow, ...]


class CommandRow(_Record, frozen=True):
    """One command, and how many terminals it stands at in each state."""

    number: int
    id: str
    body: CommandBody
    officer: str
    ordered_ms: int
    expires_ms: int
    accepted: int
    delivered: int
    done: int
    failed: int
    expired: int


class Commands(Message, frozen=True, tag="commands"):
    """Some commands; `next` continues as `before` (-1: that was all)."""

    commands: tuple[CommandRow, ...]
    next: int


class CommandPlace(_Record, frozen=True):
    """Where a command stands at one terminal, since when, and what it said of it."""

    terminal: str
    state: CommandState
    at_ms: int
    text: ReportText


class CommandFound(Message, frozen=True, tag="command"):
    """One command; `next` continues as `after` (empty: that was all)."""

    command: CommandRow
    terminals: tuple[CommandPlace, ...]
    next: str


class JournalLine(_Record, frozen=True):
    """A transaction of a terminal's own journal.

    Attributes:
      position: of its entry here; -1: it never came.
    """

    transaction: Transaction
    position: int


class JournalFound(Message, frozen=True, tag="journal"):
    """A part of a terminal's journal; `next` is the part behind it (-1: that was the last)."""

    lines: tuple[JournalLine, ...]
    next: int


FleetAnswer: TypeAlias = Terminals | Tree | Lists | Commands | CommandFound | JournalFound
