"""Transactions and what becomes of them."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from engine.errors import Reason
from engine.transaction import Transaction
from protocol import limits
from protocol.messages.base import Message


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
      rule: behind it or the first exception, or by which a return, a fare or a grant goes.
      detail: for `conflict` the first field that differs; for a group the part refused.
      exceptions: what the ledger dislikes in an advice that it posted.
      retry_after_ms: for `busy` and `in_progress`: when to send again.
      article: where the rule stands: instrument and article.
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
    article: str = ""


class Outcomes(Message, frozen=True, tag="outcome"):
    """Node to terminal: outcomes, and the credits that come back with them."""

    outcomes: tuple[Outcome, ...]
    credits: int
