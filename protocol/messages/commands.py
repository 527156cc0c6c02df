"""Commands on their way to terminals, and what becomes of them there."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from engine.fleet.commands import CommandBody
from engine.fleet.terminals import Selection, TerminalKind
from engine.transaction import Name, OptionalName, TimeMs, Transaction
from protocol import limits
from protocol.messages.base import Message

CommandId = Annotated[str, Meta(min_length=1, max_length=limits.COMMAND_ID_LENGTH_MAX)]
"""The name of the officer, a stroke, and the id that the officer chose for the order."""

ReportText = Annotated[str, Meta(max_length=limits.NOTE_LENGTH_MAX)]


class Command(Message, frozen=True, tag="command"):
    """Node to terminal: carry this out, once, unless its time is over."""

    id: CommandId
    body: CommandBody
    expires_ms: int


class Report(Message, frozen=True, tag="report"):
    """Terminal to node: where a command stands here."""

    id: CommandId
    state: Literal["delivered", "done", "failed"]
    text: ReportText = ""


class JournalPart(Message, frozen=True, tag="journal_part"):
    """Terminal to node: some of my own journal, as `send_journal` asked for it.

    Attributes:
      part: 0 first; the same part again takes the place of the one before.
      transactions: as they stand in the journal of the terminal, whether the node has them or not.
    """

    id: CommandId
    part: Annotated[int, Meta(ge=0, le=limits.JOURNAL_PARTS_MAX - 1)]
    transactions: Annotated[
        tuple[Transaction, ...], Meta(max_length=limits.TRANSACTIONS_PER_FRAME_MAX)
    ]


class CommandTerminals(Message, frozen=True, tag="command"):
    """Order: have terminals carry something out."""

    targets: Selection
    body: CommandBody
    expires_ms: TimeMs


class Register(Message, frozen=True, tag="register"):
    """Order: note what a terminal is, where it stands and whose it is."""

    terminal: Name
    kind: TerminalKind
    place: OptionalName = ""
    operator: OptionalName = ""
