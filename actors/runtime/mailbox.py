"""A bounded mailbox: what it cannot hold is refused at once, with a time to come again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Generic, TypeVar

import trio
from msgspec import Struct

from actors.runtime.errors import Bug, MailboxClosed
from actors.runtime.trace import MailboxTrace

M = TypeVar("M")
C = TypeVar("C")


class Why(StrEnum):
    """Why a message was refused."""

    SHED = "shed"
    """Messages of its class give way at this depth; others are still taken."""
    FULL = "full"
    CLOSED = "closed"


class Busy(Struct, frozen=True):
    """A message was refused and is still the caller's."""

    why: Why
    retry_after_ms: int


class Mailbox(Generic[M, C]):
    """Messages on their way to one actor, first in, first out.

    Each class of messages has a mark: the depth, all classes together, from which on it is
    refused. So the classes with low marks are shed first, the highest mark is the bound of the
    mailbox, and what is taken is never overtaken.

        box = Mailbox[Ask, Class]({Class.TAP: 1_000, Class.QUERY: 200})

    A refused sender is told to come again when a message put now would have passed, which is what
    the age of the oldest message tells.

    Args:
      marks: class -> depth from which on it is refused, 1 or more.
      retry_ms_min: the shortest time to come again.
      retry_ms_max: the longest.
      clock: seconds, not running backwards.
    """

    def __init__(
        self,
        marks: Mapping[C, int],
        *,
        retry_ms_min: int = 50,
        retry_ms_max: int = 5_000,
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        if min(marks.values(), default=0) < 1:
            raise Bug(f"marks {marks}: a class that is never taken, or no class at all")
        self._marks = dict(marks)
        self._depth_max = max(marks.values())
        self._retry_ms_min = retry_ms_min
        self._retry_ms_max = retry_ms_max
        self._clock = clock
        # Bounded by the highest mark: put_nowait looks before it appends.
        self._waiting: deque[tuple[float, M]] = deque()
        self._getters = trio.lowlevel.ParkingLot()
        self._accepted = 0
        self._refused = 0
        self._closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    def put_nowait(self, message: M, kind: C) -> Busy | None:
        """Take a message, or return why not and when to come again."""
        depth = len(self._waiting)
        if depth < self._marks[kind] and not self._closed:
            self._waiting.append((self._clock(), message))
            self._accepted += 1
            self._getters.unpark()
            return None
        self._refused += 1
        if self._closed:
            return Busy(Why.CLOSED, self._retry_ms_max)
        why = Why.SHED if depth < self._depth_max else Why.FULL
        age_ms = round(self.oldest_age_s * 1_000)
        return Busy(why, min(max(age_ms, self._retry_ms_min), self._retry_ms_max))

    async def get(self) -> M:
        """Wait for the next message.

        Raises:
          MailboxClosed: none will come.

        Cancellation: no message is lost.
        """
        await self._wait_message()
        return self._waiting.popleft()[1]

    async def get_batch(self, count_max: int) -> list[M]:
        """Wait for a message, and return it with those behind it, `count_max` at most.

        What is returned is the caller's: an actor that is cancelled in the middle of a batch
        answers the rest of it itself.

        Raises:
          MailboxClosed: none will come.

        Cancellation: no message is lost.
        """
        await self._wait_message()
        count = min(count_max, len(self._waiting))
        return [self._waiting.popleft()[1] for _ in range(count)]

    async def _wait_message(self) -> None:
        # The checkpoint stands before the look, and nothing is awaited behind it: whoever is
        # cancelled has taken nothing. An unparked getter may find that another one was quicker.
        await trio.lowlevel.checkpoint()
        while not self._waiting:
            if self._closed:
                raise MailboxClosed
            await self._getters.park()

    def close(self) -> list[M]:
        """Take no more messages, and hand back those that wait.

        The caller answers them, so that nobody waits for ever. Closing again hands back nothing.
        """
        self._closed = True
        left = [message for _, message in self._waiting]
        self._waiting.clear()
        self._getters.unpark_all()
        return left

    @property
    def oldest_age_s(self) -> float:
        """How long the oldest message has waited; 0 if none does."""
        return self._clock() - self._waiting[0][0] if self._waiting else 0.0

    def trace(self) -> MailboxTrace:
        """Return depth, age and counts."""
        return MailboxTrace(
            depth=len(self._waiting),
            depth_max=self._depth_max,
            oldest_age_s=self.oldest_age_s,
            accepted=self._accepted,
            refused=self._refused,
        )
