"""The messages of protocol v1: msgpack arrays that begin with their name.

docs/protocol.md is the contract; these types are its one implementation, and decoding them checks
every type and bound in C. A field is added at the end, with a default, or by a new version.
"""

from __future__ import annotations

from typing import TypeAlias

from protocol.messages.base import (
    SUBPROTOCOL,
    VERSION,
)
from protocol.messages.handshake import (
    CAPABILITIES,
    Challenge,
    Error,
    Heartbeat,
    Hello,
    Prove,
    Pulse,
    Ready,
    proof_text,
)
from protocol.messages.questions import (
    Answer,
    AnswerBody,
    Balance,
    BalanceOf,
    DryRun,
    Failed,
    Found,
    Query,
    Question,
    Statement,
    StatementLine,
    StatementOf,
    TransactionOf,
    Trial,
)
from protocol.messages.transactions import (
    Outcome,
    Outcomes,
    Result,
    Submit,
)

FromTerminal: TypeAlias = Hello | Prove | Submit | Query | Heartbeat
FromNode: TypeAlias = Challenge | Ready | Outcomes | Answer | Pulse | Error

__all__ = [
    "CAPABILITIES",
    "SUBPROTOCOL",
    "VERSION",
    "Answer",
    "AnswerBody",
    "Balance",
    "BalanceOf",
    "Challenge",
    "DryRun",
    "Error",
    "Failed",
    "Found",
    "FromNode",
    "FromTerminal",
    "Heartbeat",
    "Hello",
    "Outcome",
    "Outcomes",
    "Prove",
    "Pulse",
    "Query",
    "Question",
    "Ready",
    "Result",
    "Statement",
    "StatementLine",
    "StatementOf",
    "Submit",
    "TransactionOf",
    "Trial",
    "proof_text",
]
