"""What a node says, as values. docs/protocol.md is the contract; terminals.wire reads the bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

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


class Trial(NamedTuple):
    """The outcome that a dry run came to."""

    outcome: Outcome


class Failed(NamedTuple):
    """The question has no answer: why, which field, and when to ask again (0: not)."""

    code: str
    field: str
    text: str
    retry_after_ms: int = 0


AnswerBody: TypeAlias = Balance | Statement | Found | Trial | Failed


class Answer(NamedTuple):
    """The answer to the query of this id."""

    id: int
    body: AnswerBody


FromNode: TypeAlias = Challenge | Ready | Outcomes | Answer | Pulse | NodeError
