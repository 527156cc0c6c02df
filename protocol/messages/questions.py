"""Questions and answers."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from engine.explaining.explanation import ExplainedLine
from engine.seen import Gap
from engine.transaction import (
    AccountOwner,
    ChipUid,
    Counter,
    Entry,
    Name,
    OptionalName,
    TimeMs,
    Transaction,
)
from protocol import limits
from protocol.messages.base import AccountKindNumber, Message, Position, QueryId
from protocol.messages.fleet import FleetAnswer, FleetQuestion
from protocol.messages.transactions import Outcome

SumRp = Annotated[int, Meta(ge=0, le=limits.SHIFT_RP_MAX)]


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


class Explain(Message, frozen=True, tag="explain"):
    """Why a transaction became what it became."""

    terminal: Name
    counter: Counter


class DryRun(Message, frozen=True, tag="dry_run"):
    """What would become of a transaction now; nothing is posted or remembered."""

    transaction: Transaction


class ChipOf(Message, frozen=True, tag="chip"):
    """Which counts of a chip were taken: of the one that a card is bound to, or of any by its UID.

    One of the two is given.
    """

    card: OptionalName = ""
    uid: ChipUid | None = None


class ShiftOf(Message, frozen=True, tag="shift"):
    """Whether all of a shift has come: the counters of a terminal from the first to the last.

    `taken_rp` and `added_rp` are what the terminal has taken from chips and added to them.
    """

    terminal: Name
    first: Counter
    last: Counter
    taken_rp: SumRp
    added_rp: SumRp


Question: TypeAlias = (
    BalanceOf | StatementOf | TransactionOf | Explain | DryRun | ChipOf | ShiftOf | FleetQuestion
)


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


class Explanation(Message, frozen=True, tag="explain"):
    """Why a transaction became what it became, line by line."""

    position: int
    lines: tuple[ExplainedLine, ...]


class ChipFound(Message, frozen=True, tag="chip"):
    """The counts of a chip as they stand before the entry at `position`.

    Attributes:
      card: that the chip is bound to; empty: to none.
      counter: the highest count that was taken.
      missing: how many below it were not.
      gaps: first and last of them, in their order.
    """

    uid: bytes
    card: str
    counter: int
    missing: int
    gaps: tuple[Gap, ...]
    position: int


class Shift(Message, frozen=True, tag="shift"):
    """What the node has of a shift.

    Attributes:
      complete: no counter is missing, and the sums are those that the terminal told.
      count: transactions.
      taken_rp, added_rp: on chips, without what no chip has proved.
      unproved: advices that no chip has proved.
      missing: how many counters are missing.
      gaps: first and last of them, in their order; of very many the first.
    """

    complete: bool
    count: int
    taken_rp: int
    added_rp: int
    unproved: int
    missing: int
    gaps: tuple[Gap, ...]


class Failed(Message, frozen=True, tag="failed"):
    """The question has no answer: why, which field, and when to ask again (0: not)."""

    code: str
    field: str
    text: str
    retry_after_ms: int = 0


AnswerBody: TypeAlias = (
    Balance | Statement | Found | Explanation | Trial | ChipFound | Shift | FleetAnswer | Failed
)


class Answer(Message, frozen=True, tag="answer"):
    """Node to terminal: the answer to the query of this id."""

    id: QueryId
    answer: AnswerBody
