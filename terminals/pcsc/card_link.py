"""What the rest of a terminal sees of a card: bytes there, bytes back; and an exchange over that.

Source: ISO/IEC 7816-4, 5.1 (command and response pairs).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeAlias, TypeVar

from protocol.chip.apdu import CommandApdu, Exchange, ResponseApdu
from terminals.errors import CardGone

STATUS_BYTES: Final = 2
"""The least that a card answers; it is less when the card left in the middle of a command."""

T = TypeVar("T")


class CardLink(Protocol):
    """A card that is spoken to."""

    def transmit(self, command: bytes) -> bytes:
        """Send a command and return the answer, its status word included.

        After any error the link is dead: what answers then may be another card.

        Raises:
          CardGone: the card left or answered nothing; what it did with the command is not known.
          ReaderFailed: the reader or its service failed; what the card did is not known either.
          WorkStopped: the command was not sent, because the work is to end.
        """
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """One command of an exchange, for a trace.

    Attributes:
      command: that was sent.
      answer: to it; None if none came.
      duration_s: from the one to the other.
    """

    command: CommandApdu
    answer: ResponseApdu | None
    duration_s: float


OnStep: TypeAlias = Callable[[Step], None]


@dataclass(frozen=True, slots=True)
class Ran(Generic[T]):
    """What came of an exchange, and how long the card took for each of its commands, in seconds."""

    result: T
    durations_s: tuple[float, ...]

    @property
    def commands(self) -> int:
        """How many commands the card was sent."""
        return len(self.durations_s)


def run_exchange(
    link: CardLink,
    exchange: Exchange[T],
    clock: Callable[[], float],
    on_step: OnStep | None = None,
) -> Ran[T]:
    """Drive an exchange to its end.

    It is closed in any case: one that was stopped half-way holds on to nothing.

    Args:
      link: to the card.
      exchange: that has not begun.
      clock: seconds from any moment on.
      on_step: is told each command, the one that got no answer included.

    Raises:
      CardGone, ReaderFailed, WorkStopped: as `CardLink.transmit`.
      ChipError: whatever the exchange itself raises, or an answer that is none.
    """
    durations_s: list[float] = []

    def ask(command: CommandApdu) -> ResponseApdu:
        answer: ResponseApdu | None = None
        begun_s = clock()
        try:
            answer = _ask(link, command)
            return answer
        finally:
            durations_s.append(clock() - begun_s)
            if on_step is not None:
                on_step(Step(command, answer, durations_s[-1]))

    try:
        command = next(exchange)
        while True:
            command = exchange.send(ask(command))
    except StopIteration as end:
        result: T = end.value
        return Ran(result, tuple(durations_s))
    finally:
        exchange.close()


def _ask(link: CardLink, command: CommandApdu) -> ResponseApdu:
    raw = link.transmit(command.encode())
    if len(raw) < STATUS_BYTES:
        raise CardGone(f"the card answered {len(raw)} bytes, which is no status word")
    return ResponseApdu.decode(raw)
