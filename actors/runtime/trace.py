"""What a tree tells about itself: plain frozen records, taken at any time without awaiting.

Moments are seconds of trio's clock, which starts anywhere: only their differences mean something.
What has not happened yet stands at 0.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from msgspec import Struct

REASON_CHARS_MAX: Final = 300
"""A reason is kept in histories: an exception that quotes its input must not fill the memory."""


class State(StrEnum):
    """Where a child is in its life."""

    STARTING = "starting"
    RUNNING = "running"
    BACKING_OFF = "backing_off"
    """It has no task and will be started again."""
    STOPPING = "stopping"
    """It was told to stop and still has time."""
    OVERDUE = "overdue"
    """It was cancelled and is still there: it shields itself, or blocks the thread."""
    STOPPED = "stopped"
    """It has no task: not started yet, or ended without a fault."""
    FAILED = "failed"


class Ending(StrEnum):
    """How one life ended."""

    RETURNED = "returned"
    """By itself."""
    STOPPED = "stopped"
    """It was told to."""
    KILLED = "killed"
    """It was told to, had not ended when its time was up, and was cancelled."""
    CRASHED = "crashed"
    """It raised, or was not ready in time, or returned though it is permanent."""
    ABORTED = "aborted"
    """The tree around it was cancelled or interrupted."""


class Event(StrEnum):
    """What a supervisor reports the moment it happens."""

    CRASHED = "crashed"
    KILLED = "killed"
    OVERDUE = "overdue"
    ESCALATED = "escalated"


class Kind(StrEnum):
    """What stands at a place in the tree."""

    WORKER = "worker"
    SUPERVISOR = "supervisor"


class End(Struct, frozen=True):
    """The end of one life: when, how, and why in words."""

    at_s: float
    ending: Ending
    reason: str


class Report(Struct, frozen=True):
    """One thing that an operator wants to know now.

    Attributes:
      failure: the exception itself, for its traceback; None for KILLED and OVERDUE.
    """

    at_s: float
    event: Event
    supervisor: str
    child: str
    reason: str
    failure: Exception | None = None


class MailboxTrace(Struct, frozen=True):
    """A mailbox: messages waiting, the bound, age of the oldest, and counts since it was made."""

    depth: int
    depth_max: int
    oldest_age_s: float
    accepted: int
    refused: int


class CrowdTrace(Struct, frozen=True):
    """The dynamic children of a supervisor, counted since it was made.

    Attributes:
      live: children that have a task now.
      refused: calls of start_child that were turned away.
      recent: the last ends that were a crash or a kill, oldest first.
    """

    live: int
    started: int
    crashed: int
    killed: int
    refused: int
    recent: tuple[End, ...]


class Node(Struct, frozen=True):
    """A place in the tree, and all below it.

    Attributes:
      since_s: when the state was entered.
      restarts: times the child was started again, for whatever reason.
      history: the last ends of its lives, oldest first.
      children: in the order of their start; of the dynamic ones, which come last, only the first.
    """

    name: str
    kind: Kind
    state: State
    since_s: float
    restarts: int = 0
    history: tuple[End, ...] = ()
    children: tuple[Node, ...] = ()
    mailbox: MailboxTrace | None = None
    crowd: CrowdTrace | None = None


def reason_of(failure: BaseException) -> str:
    """Return an exception in words, cut to a bounded length."""
    return f"{type(failure).__name__}: {failure}"[:REASON_CHARS_MAX]
