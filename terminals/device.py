"""What a client does for the terminal that it runs on, as far as its application wants it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from terminals.clock import NodeClock
from terminals.commands import CommandPart
from terminals.list_part import ListPart
from terminals.part import Part


@dataclass(frozen=True, slots=True)
class Status:
    """How a terminal is.

    Attributes:
      backlog: its transactions without a final result; None: those that its client was given.
      battery: per cent; -1: it has none, or does not say.
      reader: its card reader; empty: it does not say.
    """

    backlog: int | None = None
    battery: int = -1
    reader: Literal["", "ok", "degraded", "failed"] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """The parts of a terminal that its client looks after; what is None it leaves alone.

    Attributes:
      clock: learns the node's clock.
      status: tells how the terminal is, with each heartbeat.
      lists: holds lists.
      commands: carries out commands.
    """

    clock: NodeClock | None = None
    status: Callable[[], Status] | None = None
    lists: ListPart | None = None
    commands: CommandPart | None = None

    @property
    def parts(self) -> tuple[Part, ...]:
        """Those that send and hear by themselves."""
        return tuple(part for part in (self.commands, self.lists) if part is not None)

    @property
    def beats(self) -> bool:
        """Whether heartbeats go out in any case, not only when there is nothing else to say."""
        return self != NO_DEVICE


NO_DEVICE = Device()
