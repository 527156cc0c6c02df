"""Does the whole work with one card in a thread of its own: from connecting to letting go.

A command that a card was sent cannot be called back. So work ends only between two commands, and
a card, or a reader, that holds one for ever is given up: its reader counts as hung until the
thread comes back, and all others go on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeAlias, TypeVar

import trio

from terminals.errors import ReaderFailed, WorkStopped
from terminals.pcsc.card_link import CardLink
from terminals.pcsc.service import Connection, Establish, Leaving
from terminals.pcsc.threads import ThreadCall

PATIENCE_S: Final = 5.0
"""With one step of a work; the slowest command of a chip takes some 100 ms."""

T = TypeVar("T")
CardTask: TypeAlias = Callable[[CardLink], T]
"""All that is to be done with one card. It runs in a thread: whatever it shares is its own care.

Out of an error it lets `WorkStopped` pass, and takes any other one out of `transmit` for what it
is: nobody knows what the card did.
"""


class CardWorkers:
    """Threads that speak to cards, one for each reader at most.

    Args:
      establish: begins a conversation with the service; each work has its own.
      patience_s: with one step of a work, and with the work before it on the same reader.
    """

    def __init__(self, establish: Establish, *, patience_s: float = PATIENCE_S) -> None:
        self._establish = establish
        self._patience_s = patience_s
        self._seats: dict[str, _Seat] = {}

    @property
    def hung(self) -> frozenset[str]:
        """The readers whose last work has been given up and has not come back yet."""
        return frozenset(reader for reader, seat in self._seats.items() if seat.hung)

    async def run(self, reader: str, task: CardTask[T], leaving: Leaving = Leaving.AS_IT_IS) -> T:
        """Connect to the card on a reader, do all that is to be done with it, and let go of it.

        Args:
          reader: by its name.
          task: all that is to be done; it runs in a thread.
          leaving: how the card is left. After an error it is reset in any case.

        Raises:
          CardGone, CardMute: there is no card, or none that answers.
          ReaderFailed: no such reader, no service, or no step was done within the patience; then
            what the card did is not known.
          Exception: whatever `task` raises.

        Cancellation: no further command is sent. A result that is there nevertheless is returned,
          and an error raised, instead of the cancellation: what a card has done is not forgotten.
          At the latest it ends when the patience does.
        """
        seat = self._seats.setdefault(reader, _Seat())
        if seat.hung:
            raise ReaderFailed(f"{reader} has not come back from the card before")
        work = _Work(self._establish, reader, task, leaving)
        await self._take(seat, reader, work)
        call = ThreadCall(work.do, f"pcsc work, {reader}", lambda: seat.free(work))
        try:
            await self._attend(call, work, seat)
        except trio.Cancelled:  # noqa: ASYNC103  whoever was cancelled is told again
            work.stopped = True
            with trio.CancelScope(shield=True):
                await self._attend(call, work, seat)
            if work.cut_short:
                raise
        return call.result()

    async def _take(self, seat: _Seat, reader: str, work: _Work[T]) -> None:
        with trio.move_on_after(self._patience_s) as scope:
            await seat.limiter.acquire_on_behalf_of(work)
        if scope.cancelled_caught:
            raise ReaderFailed(f"{reader} is busy with another card's work")

    async def _attend(self, call: ThreadCall[T], work: _Work[T], seat: _Seat) -> None:
        """Wait for the end of a work as long as its steps go on."""
        while not call.done.is_set():
            steps = work.steps
            with trio.move_on_after(self._patience_s):
                await call.done.wait()
            if not call.done.is_set() and work.steps == steps:
                seat.hung = work.stopped = True
                raise ReaderFailed(
                    f"{work.reader} has done nothing for {self._patience_s:g} s;"
                    " what its card did with the last command is not known"
                )


class _Seat:
    """A reader, with room for one work.

    Attributes:
      limiter: holds one token.
      hung: the work that has it was given up.
    """

    def __init__(self) -> None:
        self.limiter = trio.CapacityLimiter(1)
        self.hung = False

    def free(self, work: object) -> None:
        """Take a work off the seat: its thread has come back."""
        self.hung = False
        self.limiter.release_on_behalf_of(work)


class _Work(Generic[T]):
    """One work with one card, as its thread does it.

    Attributes:
      reader: by its name.
      stopped: set from outside when it is to end.
      cut_short: it ended for that reason.
      steps: how many it has done; a work that hangs does none.
    """

    def __init__(
        self, establish: Establish, reader: str, task: CardTask[T], leaving: Leaving
    ) -> None:
        self.reader = reader
        self.stopped = False
        self.cut_short = False
        self.steps = 0
        self._establish = establish
        self._task = task
        self._leaving = leaving

    def do(self) -> T:
        """Do it, in a thread."""
        context = self._establish()
        try:
            self.steps += 1
            return self._with(context.connect(self.reader))
        except WorkStopped:
            self.cut_short = True
            raise
        finally:
            context.release()

    def _with(self, connection: Connection) -> T:
        leaving = Leaving.RESET
        try:
            self.steps += 1
            result = self._task(_Link(connection, self))
            leaving = self._leaving
            return result
        finally:
            self.steps += 1
            connection.close(leaving)


class _Link(Generic[T]):
    """A link to a card that ends when its work is to end."""

    def __init__(self, connection: Connection, work: _Work[T]) -> None:
        self._connection = connection
        self._work = work

    def transmit(self, command: bytes) -> bytes:
        """Send a command and return its answer, as `CardLink` says."""
        work = self._work
        if work.stopped:
            raise WorkStopped(f"{work.reader}: the work was to end before its next command")
        try:
            return self._connection.transmit(command)
        finally:
            work.steps += 1
