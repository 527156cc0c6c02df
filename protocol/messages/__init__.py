"""The messages of protocol v1: msgpack arrays that begin with their name.

docs/protocol.md is the contract; these types are its one implementation, and decoding them checks
every type and bound in C. A field is added at the end, with a default, or by a new version.
"""

from __future__ import annotations

from typing import TypeAlias

from protocol.messages.base import (
    SUBPROTOCOL,
    VERSION,
    AccountKindNumber,
    Key,
    Position,
    QueryId,
    ShortText,
    Signature,
)
from protocol.messages.commands import (
    Command,
    CommandId,
    CommandTerminals,
    JournalPart,
    Register,
    Report,
    ReportText,
)
from protocol.messages.feed import (
    Feed,
    FeedEnd,
    FeedEntry,
    Filter,
    IntentName,
    Subscribe,
    Unsubscribe,
)
from protocol.messages.fleet import (
    CommandFound,
    CommandOf,
    CommandPlace,
    CommandRow,
    Commands,
    CommandsOf,
    DraftRow,
    FleetAnswer,
    FleetQuestion,
    JournalFound,
    JournalLine,
    JournalOf,
    ListRow,
    Lists,
    ListsOf,
    TerminalRow,
    Terminals,
    TerminalsOf,
    Tree,
    TreeOf,
    TreeRow,
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
from protocol.messages.lists import (
    Chunk,
    Fetch,
    HeldList,
    Holds,
    ListApprove,
    ListEntry,
    ListPart,
    ListPublish,
    ListVersion,
    ListWithdraw,
    Offer,
    Offset,
)
from protocol.messages.orders import (
    Action,
    Order,
    Receipt,
)
from protocol.messages.questions import (
    Answer,
    AnswerBody,
    Balance,
    BalanceOf,
    ChipFound,
    ChipOf,
    DryRun,
    Explain,
    Explanation,
    Failed,
    Found,
    Query,
    Question,
    Shift,
    ShiftOf,
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

FromTerminal: TypeAlias = (
    Hello
    | Prove
    | Submit
    | Query
    | Subscribe
    | Unsubscribe
    | Heartbeat
    | Holds
    | Fetch
    | Report
    | JournalPart
    | Order
)
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
    | Error
)


def name_of(message: FromTerminal | FromNode) -> str:
    """Return the name that a message begins with."""
    return str(type(message).__struct_config__.tag)


__all__ = [
    "CAPABILITIES",
    "SUBPROTOCOL",
    "VERSION",
    "AccountKindNumber",
    "Action",
    "Answer",
    "AnswerBody",
    "Balance",
    "BalanceOf",
    "Challenge",
    "ChipFound",
    "ChipOf",
    "Chunk",
    "Command",
    "CommandFound",
    "CommandId",
    "CommandOf",
    "CommandPlace",
    "CommandRow",
    "CommandTerminals",
    "Commands",
    "CommandsOf",
    "DraftRow",
    "DryRun",
    "Error",
    "Explain",
    "Explanation",
    "Failed",
    "Feed",
    "FeedEnd",
    "FeedEntry",
    "Fetch",
    "Filter",
    "FleetAnswer",
    "FleetQuestion",
    "Found",
    "FromNode",
    "FromTerminal",
    "Heartbeat",
    "HeldList",
    "Hello",
    "Holds",
    "IntentName",
    "JournalFound",
    "JournalLine",
    "JournalOf",
    "JournalPart",
    "Key",
    "ListApprove",
    "ListEntry",
    "ListPart",
    "ListPublish",
    "ListRow",
    "ListVersion",
    "ListWithdraw",
    "Lists",
    "ListsOf",
    "Offer",
    "Offset",
    "Order",
    "Outcome",
    "Outcomes",
    "Position",
    "Prove",
    "Pulse",
    "Query",
    "QueryId",
    "Question",
    "Ready",
    "Receipt",
    "Register",
    "Report",
    "ReportText",
    "Result",
    "Shift",
    "ShiftOf",
    "ShortText",
    "Signature",
    "Statement",
    "StatementLine",
    "StatementOf",
    "Submit",
    "Subscribe",
    "TerminalRow",
    "Terminals",
    "TerminalsOf",
    "TransactionOf",
    "Tree",
    "TreeOf",
    "TreeRow",
    "Trial",
    "Unsubscribe",
    "name_of",
    "proof_text",
]
