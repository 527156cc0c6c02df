"""What a node says, as values. docs/protocol.md is the contract; terminals.wire reads the bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from terminals.chip_answers import ChipFinding, ChipFound, ShiftFound

Result: TypeAlias = Literal["posted", "refused", "conflict", "in_progress", "busy"]

FINAL_RESULTS: frozenset[Result] = frozenset({"posted", "refused", "conflict"})
"""With these the transaction is over; with the others it is sent again."""


class Challenge(NamedTuple):
    """Prove that you hold the key, over this nonce."""

    version: int
    nonce: bytes
    server_time_ms: int


class Ready(NamedTuple):
    """You are in; these are your limits and where your counter stands."""

    server_time_ms: int
    last_counter: int
    credits: int
    heartbeat_s: int
    frame_bytes_max: int
    transactions_per_frame_max: int
    capabilities: tuple[str, ...] = ()


class Outcome(NamedTuple):
    """What became of one transaction; the fields are those of docs/protocol.md."""

    counter: int
    result: Result
    balance_rp: int = 0
    position: int = -1
    repeated: bool = False
    reason: str = ""
    rule: str = ""
    detail: str = ""
    exceptions: tuple[str, ...] = ()
    retry_after_ms: int = 0
    article: str = ""


class Outcomes(NamedTuple):
    """Outcomes, and the credits that come back with them."""

    outcomes: tuple[Outcome, ...]
    credits: int


class Pulse(NamedTuple):
    """The answer to a heartbeat, with both clocks."""

    at_ms: int
    server_time_ms: int


class NodeError(NamedTuple):
    """Said before the node closes: what rule was broken, in which field."""

    code: str
    field: str
    text: str


class Entry(NamedTuple):
    """One record of the journal: a transaction and what was decided about it."""

    terminal: str
    counter: int
    at_ms: int
    intent: Sequence[object]
    decided_ms: int
    reason: str
    rule: str
    detail: str
    balance_rp: int
    exceptions: tuple[str, ...]
    postings: tuple[tuple[int, str, int], ...]
    previous: int
    rating: Sequence[object] | None = None
    middle: Sequence[object] | None = None
    tally: Sequence[object] | None = None
    chip: ChipFinding | None = None


class Balance(NamedTuple):
    """A balance in rupiah as it stands before the entry at `position`."""

    balance_rp: int
    position: int
    at_ms: int


class StatementLine(NamedTuple):
    """One entry of a statement and the amount that it moved on the account."""

    position: int
    amount_rp: int
    entry: Entry


class Statement(NamedTuple):
    """Lines, newest first; `next` continues the search as `before` (-1: that was all)."""

    lines: tuple[StatementLine, ...]
    next: int


class Found(NamedTuple):
    """A transaction's entry and where it stands in the journal."""

    position: int
    entry: Entry


class ExplainedLine(NamedTuple):
    """One line of an explanation, in Indonesian and in English."""

    part: str
    rule: str
    article: str
    text_id: str
    text_en: str


class Explanation(NamedTuple):
    """Why a transaction became what it became."""

    position: int
    lines: tuple[ExplainedLine, ...]


class Trial(NamedTuple):
    """The outcome that a dry run came to."""

    outcome: Outcome


class Failed(NamedTuple):
    """The question has no answer: why, which field, and when to ask again (0: not)."""

    code: str
    field: str
    text: str
    retry_after_ms: int = 0


class TerminalRow(NamedTuple):
    """One terminal, as its node knows it; the fields are those of docs/protocol.md."""

    terminal: str
    kind: str
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
    reader: str
    counter: int
    missing: int
    gaps: tuple[tuple[int, int], ...]
    lists: tuple[tuple[str, int], ...]


class Terminals(NamedTuple):
    """Some terminals; `next` continues the search as `after` (empty: that was all)."""

    terminals: tuple[TerminalRow, ...]
    next: str
    known: int
    connected: int
    silent: int


class TreeRow(NamedTuple):
    """A place in the supervision tree; `depth` tells whose child it is."""

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


class Tree(NamedTuple):
    """The supervision tree, parents first."""

    rows: tuple[TreeRow, ...]
    server_time_ms: int
    quarantined: int
    position: int


class ListRow(NamedTuple):
    """One list, and how far its version has spread."""

    name: str
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


class DraftRow(NamedTuple):
    """A draft that waits for a second officer."""

    draft: str
    name: str
    officer: str
    changes: int
    made_ms: int
    note: str


class Lists(NamedTuple):
    """All lists that were published, and the drafts that wait."""

    lists: tuple[ListRow, ...]
    drafts: tuple[DraftRow, ...]


class CommandRow(NamedTuple):
    """One command, and how many terminals it stands at in each state."""

    number: int
    id: str
    body: Sequence[object]
    officer: str
    ordered_ms: int
    expires_ms: int
    accepted: int
    delivered: int
    done: int
    failed: int
    expired: int


class Commands(NamedTuple):
    """Some commands, newest first; `next` continues as `before` (-1: that was all)."""

    commands: tuple[CommandRow, ...]
    next: int


class CommandPlace(NamedTuple):
    """Where a command stands at one terminal, since when, and what that said of it."""

    terminal: str
    state: str
    at_ms: int
    text: str


class CommandFound(NamedTuple):
    """One command; `next` continues as `after` (empty: that was all)."""

    command: CommandRow
    terminals: tuple[CommandPlace, ...]
    next: str


class OwnTransaction(NamedTuple):
    """A transaction as its terminal has written it down."""

    counter: int
    at_ms: int
    intent: Sequence[object]


class JournalLine(NamedTuple):
    """A transaction of a terminal's own journal, and its position at the node (-1: it has none)."""

    transaction: OwnTransaction
    position: int


class JournalFound(NamedTuple):
    """A part of a terminal's journal; `next` is the part behind it (-1: that was the last)."""

    lines: tuple[JournalLine, ...]
    next: int


FleetAnswer: TypeAlias = Terminals | Tree | Lists | Commands | CommandFound | JournalFound
AnswerBody: TypeAlias = (
    Balance
    | Statement
    | Found
    | Explanation
    | Trial
    | ChipFound
    | ShiftFound
    | FleetAnswer
    | Failed
)


class Answer(NamedTuple):
    """The answer to the query of this id."""

    id: int
    body: AnswerBody


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of an order, or of a part of a journal.

    Attributes:
      id: of the order, or of the command that the journal belongs to.
      result: `done` and `waiting` (for a second officer) are on disk at the node.
      code, field, text: why it was refused or waits, the field at fault, and words for people.
      version: of the list that was published.
      count: keys that a draft changes, parts of it that have come, terminals that a command goes
        to; the number of a part of a journal.
    """

    id: str
    result: Literal["done", "waiting", "refused", "busy"]
    code: str = ""
    field: str = ""
    text: str = ""
    version: int = 0
    count: int = 0


class Offer(NamedTuple):
    """A version of a list that the terminal lacks, as a file; `base` 0: it is whole."""

    name: str
    version: int
    base: int
    hash: bytes
    activate_ms: int
    file_bytes: int
    content_bytes: int
    entries: int


class Chunk(NamedTuple):
    """Some of a list file, from `offset` on."""

    name: str
    version: int
    base: int
    offset: int
    data: bytes


class ChangeChip(NamedTuple):
    """Change the chip of a card when it is next presented: block, unblock, reset_journey."""

    card: str
    action: str


class RestartTerminal(NamedTuple):
    """Start again: `now`, or when nobody is in front of it (`idle`)."""

    when: str = "idle"


class SetLogLevel(NamedTuple):
    """Log more, or less, for a while."""

    level: str
    for_s: int = 3600


class SetLane(NamedTuple):
    """Open or close the lane that a gate stands in."""

    lane: str


class SendJournal(NamedTuple):
    """Send what the terminal has written down of its transactions, between two counters."""

    first: int
    last: int


class UnknownCommand(NamedTuple):
    """A command of a later version of the protocol."""

    name: str


CommandBody: TypeAlias = (
    ChangeChip | RestartTerminal | SetLogLevel | SetLane | SendJournal | UnknownCommand
)


class Command(NamedTuple):
    """Carry this out, once, unless its time is over; the time is the node's."""

    id: str
    body: CommandBody
    expires_ms: int


class FeedEntry(NamedTuple):
    """An entry and where it stands in the journal."""

    position: int
    entry: Entry


class Feed(NamedTuple):
    """Entries that are wanted; `next` is where to go on, `head` where the journal ended."""

    id: int
    entries: tuple[FeedEntry, ...]
    next: int
    head: int


class FeedEnd(NamedTuple):
    """The last word about a subscription: why it ended, and when to subscribe again (0: not)."""

    id: int
    code: str = ""
    field: str = ""
    text: str = ""
    retry_after_ms: int = 0


FromNode: TypeAlias = (
    Challenge
    | Ready
    | Outcomes
    | Answer
    | Feed
    | FeedEnd
    | Pulse
    | Offer
    | Chunk
    | Command
    | Receipt
    | NodeError
)
