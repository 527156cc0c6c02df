"""What a PC/SC service does for a terminal. `connection` is the real one; tests have their own.

Source: pcsc-lite API (winscard.h), of which this is the part that is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Protocol, TypeAlias

from terminals.pcsc.card_link import CardLink

READERS_MAX: Final = 15
"""That one context can watch: pcsc-lite takes 16 names, and one of them stands for all readers."""


class Leaving(Enum):
    """How a card is left by whoever has spoken to it."""

    AS_IT_IS = auto()
    RESET = auto()
    """It forgets what was selected, proved and not yet committed."""


@dataclass(frozen=True, slots=True)
class Slot:
    """What lies on a reader.

    Attributes:
      raw: the state as the service says it, and as it wants it back.
      available: the reader is there.
      present: something lies on it.
      mute: what lies there does not answer.
      moves: how many times something came or went; the service counts.
      atr: what the card answered to its reset.
    """

    raw: int
    available: bool = True
    present: bool = False
    mute: bool = False
    moves: int = 0
    atr: bytes = b""


class Connection(CardLink, Protocol):
    """A card that nobody else speaks to."""

    def close(self, leaving: Leaving) -> None:
        """Let go of the card; never fails."""
        ...


class Context(Protocol):
    """A conversation with the service. Each method blocks, and may be called in any thread."""

    def readers(self) -> tuple[str, ...]:
        """Return the names of all readers.

        Raises:
          ReaderFailed: the service is gone; this context is of no use any more.
        """
        ...

    def wait(self, known: Mapping[str, Slot | None]) -> dict[str, Slot]:
        """Wait until something is other than known, and return the slots that are.

        Of a reader that is None nothing is known: its slot is returned at once. Nothing is
        returned when the readers themselves changed, or `cancel` was called.

        Raises:
          ReaderFailed: the service is gone; this context is of no use any more.
        """
        ...

    def cancel(self) -> None:
        """Let `wait` return, if it waits at this moment; may be called in any thread."""
        ...

    def connect(self, reader: str) -> Connection:
        """Begin to speak to the card on a reader, and keep everybody else off it.

        Raises:
          CardGone: there is no card.
          CardMute: what lies there does not answer.
          ReaderFailed: there is no such reader, somebody else has the card, no service.
        """
        ...

    def release(self) -> None:
        """End the conversation; never fails."""
        ...


Establish: TypeAlias = Callable[[], Context]
"""Begins a conversation with the service; raises ReaderFailed if it is not there."""
