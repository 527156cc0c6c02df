"""The messages of protocol v1: msgpack arrays that begin with their name.

docs/protocol.md is the contract; these types are its one implementation, and decoding them checks
every type and bound in C. A field is added at the end, with a default, or by a new version.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta, Struct

from engine.errors import Reason
from engine.transaction import AccountOwner, Counter, Entry, Name, TimeMs, Transaction
from protocol import limits

SUBPROTOCOL: Final = "jakarta-one.v1"
VERSION: Final = 1
CAPABILITIES: Final = ("submit", "query", "dry_run")

Key = Annotated[bytes, Meta(min_length=32, max_length=32)]
Signature = Annotated[bytes, Meta(min_length=64, max_length=64)]
ShortText = Annotated[str, Meta(max_length=limits.SHORT_TEXT_LENGTH_MAX)]
QueryId = Annotated[int, Meta(ge=0, le=2**32 - 1)]
Position = Annotated[int, Meta(ge=0, le=2**53 - 1)]
AccountKindNumber = Annotated[int, Meta(ge=1, le=10)]


class Message(Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True, tag=True):
    """What all messages have in common."""


class Hello(Message, frozen=True, tag="hello"):
    """Terminal to node, first: who I am, what I speak."""

    versions: Annotated[tuple[int, ...], Meta(min_length=1, max_length=limits.VERSIONS_MAX)]
    terminal: Name
    public_key: Key
    software: ShortText = ""
    capabilities: Annotated[tuple[ShortText, ...], Meta(max_length=limits.CAPABILITIES_MAX)] = ()


class Challenge(Message, frozen=True, tag="challenge"):
    """Node to terminal: prove that you hold the key, over this nonce."""

    version: int
    nonce: Key
    server_time_ms: int


class Prove(Message, frozen=True, tag="prove"):
    """Terminal to node: Ed25519 signature over `proof_text`."""

    signature: Signature


class Ready(Message, frozen=True, tag="ready"):
    """Node to terminal: you are in; these are your limits and where your counter stands."""

    server_time_ms: int
    last_counter: int
    credits: int
    heartbeat_s: int
    frame_bytes_max: int
    transactions_per_frame_max: int
    capabilities: tuple[str, ...]


class Submit(Message, frozen=True, tag="submit"):
    """Terminal to node: decide and post these. Each transaction takes one credit."""

    transactions: Annotated[
        tuple[Transaction, ...],
        Meta(min_length=1, max_length=limits.TRANSACTIONS_PER_FRAME_MAX),
    ]


Result: TypeAlias = Literal["posted", "refused", "conflict", "in_progress", "busy"]


class Outcome(Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """What became of one transaction.

    Attributes:
      position: of its entry in the journal; -1 where none was written.
      repeated: the transaction had been decided before, and this is the original answer.
      reason: stable code of a refusal.
      rule: the rule behind it.
      detail: for `conflict` the first field that differs; for a group the part refused.
      exceptions: what the ledger dislikes in an advice that it posted.
      retry_after_ms: for `busy` and `in_progress`: when to send again.
    """

    counter: int
    result: Result
    balance_rp: int = 0
    position: int = -1
    repeated: bool = False
    reason: str = ""
    rule: str = ""
    detail: str = ""
    exceptions: tuple[Reason, ...] = ()
    retry_after_ms: int = 0


class Outcomes(Message, frozen=True, tag="outcome"):
    """Node to terminal: outcomes, and the credits that come back with them."""

    outcomes: tuple[Outcome, ...]
    credits: int


class BalanceOf(Message, frozen=True, tag="balance"):
    """Balance of an account, now, or at a past position or time (not both)."""

    kind: AccountKindNumber
    owner: AccountOwner
    position: Position | None = None
    at_ms: TimeMs | None = None


class StatementOf(Message, frozen=True, tag="statement"):
    """Entries that moved an account, newest first: before a position, or decided up to a time.

    Neither: from the newest on.
    """

    kind: AccountKindNumber
    owner: AccountOwner
    before: Position | None = None
    limit: Annotated[int, Meta(ge=1, le=limits.STATEMENT_LINES_MAX)] = 20
    at_ms: TimeMs | None = None


class TransactionOf(Message, frozen=True, tag="transaction"):
    """One transaction by its identity."""

    terminal: Name
    counter: Counter


class DryRun(Message, frozen=True, tag="dry_run"):
    """What would become of a transaction now; nothing is posted or remembered."""

    transaction: Transaction


Question: TypeAlias = BalanceOf | StatementOf | TransactionOf | DryRun


class Query(Message, frozen=True, tag="query"):
    """Ask; the answer carries the same id, chosen by the asker."""

    id: QueryId
    question: Question


class Balance(Message, frozen=True, tag="balance"):
    """A balance in rupiah as it stands before the entry at `position`."""

    balance_rp: int
    position: int
    at_ms: int


class StatementLine(Struct, frozen=True, array_like=True, gc=False):
    """One entry of a statement: the amount moved on the account, and the entry itself."""

    position: int
    amount_rp: int
    entry: Entry


class Statement(Message, frozen=True, tag="statement"):
    """Lines, newest first; `next` continues the search as `before` (-1: that was all)."""

    lines: tuple[StatementLine, ...]
    next: int


class Found(Message, frozen=True, tag="transaction"):
    """A transaction's entry and where it stands in the journal."""

    position: int
    entry: Entry


class Trial(Message, frozen=True, tag="dry_run"):
    """The outcome that a dry run came to."""

    outcome: Outcome


class Failed(Message, frozen=True, tag="failed"):
    """The question has no answer: why, which field, and when to ask again (0: not)."""

    code: str
    field: str
    text: str
    retry_after_ms: int = 0


AnswerBody: TypeAlias = Balance | Statement | Found | Trial | Failed


class Answer(Message, frozen=True, tag="answer"):
    """Node to terminal: the answer to the query of this id."""

    id: QueryId
    answer: AnswerBody


class Heartbeat(Message, frozen=True, tag="heartbeat"):
    """Terminal to node: I am alive, my clock, and how much I have yet to send."""

    at_ms: TimeMs
    backlog: Annotated[int, Meta(ge=0, le=2**53 - 1)] = 0


class Pulse(Message, frozen=True, tag="pulse"):
    """Node to terminal: the answer to a heartbeat, with both clocks."""

    at_ms: int
    server_time_ms: int


class Error(Message, frozen=True, tag="error"):
    """Node to terminal, before it closes: what rule was broken, in which field."""

    code: str
    field: str
    text: str


FromTerminal: TypeAlias = Hello | Prove | Submit | Query | Heartbeat
FromNode: TypeAlias = Challenge | Ready | Outcomes | Answer | Pulse | Error


def proof_text(nonce: bytes, public_key: bytes, terminal: str) -> bytes:
    """Return the bytes that a terminal signs: bound to this protocol, nonce, key and name."""
    return SUBPROTOCOL.encode() + b"\0" + nonce + public_key + terminal.encode()
