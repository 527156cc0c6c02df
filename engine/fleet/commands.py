"""Commands to terminals, and the states that one goes through at each of them.

    accepted ──> delivered ──> done | failed
       └────────────┴────────> expired

What a terminal says it did is a fact: it counts after the time is over, too, and out of order. A
state is never left for an earlier one, so sending a command or a report again changes nothing.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta, Struct

from engine import limits
from engine.transaction import Counter, Name


class _Body(Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True, tag=True):
    """What all commands have in common: they are sent as arrays that begin with their name."""


class ChangeChip(_Body, frozen=True, tag="card"):
    """Change the chip of a card when it is next presented."""

    card: Name
    action: Literal["block", "unblock", "reset_journey"]


class RestartTerminal(_Body, frozen=True, tag="restart"):
    """Start again: at once, or when nobody is in front of it."""

    when: Literal["now", "idle"] = "idle"


class SetLogLevel(_Body, frozen=True, tag="log_level"):
    """Log more, or less, for a while."""

    level: Literal["error", "warning", "info", "debug"]
    for_s: Annotated[int, Meta(ge=1, le=limits.LOG_LEVEL_S_MAX)] = 3600


class SetLane(_Body, frozen=True, tag="lane"):
    """Open or close the lane that a gate stands in."""

    lane: Literal["open", "closed"]


class SendJournal(_Body, frozen=True, tag="send_journal"):
    """Send what the terminal itself has written down of its transactions."""

    first: Counter
    last: Counter


CommandBody: TypeAlias = ChangeChip | RestartTerminal | SetLogLevel | SetLane | SendJournal


class CommandState(StrEnum):
    """Where a command stands at one terminal."""

    ACCEPTED = "accepted"
    """The node has it on disk; the terminal need not have heard of it."""
    DELIVERED = "delivered"
    """The terminal has it."""
    DONE = "done"
    FAILED = "failed"
    """The terminal could not, or would not."""
    EXPIRED = "expired"
    """Its time was over before the terminal told what became of it."""


_RANK: Final = {
    CommandState.ACCEPTED: 0,
    CommandState.DELIVERED: 1,
    CommandState.EXPIRED: 2,
    CommandState.DONE: 3,
    CommandState.FAILED: 3,
}

OPEN_STATES: Final = frozenset({CommandState.ACCEPTED, CommandState.DELIVERED})
"""In these a terminal still has to hear of a command, or to tell what became of it."""


def advanced(state: CommandState, told: CommandState) -> CommandState:
    """Return the state of a command after something was told of it, in whatever order."""
    return told if _RANK[told] > _RANK[state] else state
