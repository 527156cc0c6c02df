"""Many terminals over few connections: a terminal is connected while it has something to do.

Steps are taken in time order, and no card is at two terminals at once: what a card does next is
sent when the node has answered what it did before. A terminal sends its steps in their order, few
at a time, so that a replay that is broken off leaves no wide gap among its numbers.

A connection that has nothing to do is kept until another terminal needs its place. Then the one
goes whose terminal is needed again last: the file tells, and against dropping what was idle
longest that saves two connections of five.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import trio

from ops.replay.plan import Step
from terminals.client import TerminalClient

IN_FLIGHT_MAX: Final = 256
"""Steps taken and not answered. They may overtake each other where their cards differ, so this is
also how far the order in the ledger can be from that of the file."""
BATCH_MAX: Final = 8
"""Steps of a terminal sent at once. While it is busy some may be decided before earlier ones, so
this is also how wide a gap can be."""

OpenTerminal: TypeAlias = Callable[[str], AbstractAsyncContextManager[TerminalClient]]
"""Opens the client of a terminal."""


@dataclass(slots=True, eq=False)
class _Berth:
    """A terminal: what it has to send, when it is needed again, whether it is connected.

    A step in its line is free once the node has answered what its card did before.
    """

    terminal: str
    line: deque[Step] = field(default_factory=deque)
    free: set[Step] = field(default_factory=set)
    ahead: deque[int] = field(default_factory=deque)
    connected: bool = False
    leaving: bool = False
    wake: trio.Event = field(default_factory=trio.Event)

    @property
    def ready(self) -> bool:
        """Whether the next step can be sent."""
        return bool(self.line) and self.line[0] in self.free

    def take(self) -> list[Step]:
        """Return what is to be sent now."""
        taken: list[Step] = []
        while self.ready and len(taken) < BATCH_MAX:
            taken.append(self.line.popleft())
            self.free.discard(taken[-1])
        return taken

    @property
    def needed(self) -> float:
        """The number of the step that it is needed for next; infinity if for none."""
        if self.line:
            return -1
        return self.ahead[0] if self.ahead else math.inf


class Fleet:
    """Sends steps from their terminals.

    Args:
      open_terminal: opens the client of a terminal.
      terminals_max: most connections at the same time.
      on_answer: is told of each step that was answered; its outcome is set.

    Attributes:
      connections: how many were opened.
      answered: steps that have their outcome.
    """

    def __init__(
        self,
        open_terminal: OpenTerminal,
        *,
        terminals_max: int,
        on_answer: Callable[[Step], None],
    ) -> None:
        self.connections = 0
        self.answered = 0
        self._open_terminal = open_terminal
        self._terminals_max = terminals_max
        self._on_answer = on_answer
        self._connected = 0
        self._leaving = 0
        self._berths: dict[str, _Berth] = {}
        # Berths with something to send and no connection; berths with a connection and nothing.
        self._queue: deque[_Berth] = deque()
        self._idle: dict[_Berth, None] = {}
        # What each card that is under way does next.
        self._cards: dict[str, deque[Step]] = {}
        self._under_way: set[Step] = set()
        self._room = trio.Semaphore(IN_FLIGHT_MAX)
        self._done = False

    @property
    def unanswered(self) -> int:
        """Steps that were taken and have no outcome yet."""
        return len(self._under_way)

    async def send(self, steps: Sequence[Step], *, speed: float) -> None:
        """Send steps, which are in time order, and wait until all are answered.

        Args:
          steps: what to send.
          speed: seconds of the file in a second; 0 is as fast as possible.

        Raises:
          ExceptionGroup: of TerminalError, when a terminal was not let in.

        Cancellation: what was sent may have been posted; to send all of it again is safe.
        """
        for number, step in enumerate(steps):
            self._berth(step.terminal).ahead.append(number)
        async with trio.open_nursery() as nursery:
            began_s = trio.current_time()
            for step in steps:
                if speed:
                    elapsed_s = (step.due_ms - steps[0].due_ms) / 1000
                    await trio.sleep_until(began_s + elapsed_s / speed)
                await self._room.acquire()
                self._berth(step.terminal).ahead.popleft()
                self._take(step, nursery)
            for _ in range(IN_FLIGHT_MAX):
                await self._room.acquire()
            self._done = True
            for berth in list(self._idle):
                self._dismiss(berth)

    def _berth(self, terminal: str) -> _Berth:
        berth = self._berths.get(terminal)
        if berth is None:
            berth = self._berths[terminal] = _Berth(terminal)
        return berth

    def _take(self, step: Step, nursery: trio.Nursery) -> None:
        self._under_way.add(step)
        self._berth(step.terminal).line.append(step)
        waiting = self._cards.get(step.trip.card)
        if waiting is not None:
            waiting.append(step)
            return
        self._cards[step.trip.card] = deque()
        self._set_free(step, nursery)

    def _set_free(self, step: Step, nursery: trio.Nursery) -> None:
        # Never stuck: of all steps that are taken and not answered, the first is free and the
        # first of its line.
        berth = self._berth(step.terminal)
        berth.free.add(step)
        if berth.line[0] is not step:
            return
        if berth in self._idle:
            del self._idle[berth]
            berth.wake.set()
        elif not berth.connected:
            self._queue.append(berth)
            self._settle(nursery)

    def _settle(self, nursery: trio.Nursery) -> None:
        """Connect who waits; where there is no place, make one for each of them."""
        while self._queue and self._connected < self._terminals_max:
            berth = self._queue.popleft()
            berth.connected = True
            self._connected += 1
            self.connections += 1
            nursery.start_soon(self._serve, berth, nursery)
        while self._idle and self._leaving < len(self._queue):
            self._dismiss(max(self._idle, key=lambda berth: berth.needed))

    def _dismiss(self, berth: _Berth) -> None:
        del self._idle[berth]
        berth.leaving = True
        self._leaving += 1
        berth.wake.set()

    async def _serve(self, berth: _Berth, nursery: trio.Nursery) -> None:
        async with self._open_terminal(berth.terminal) as client:
            while steps := await self._next(berth, nursery):
                resent = client.statistics.resent
                outcomes = await client.submit(
                    [(step.counter, step.at_ms, step.intent) for step in steps]
                )
                for step, outcome in zip(steps, outcomes, strict=True):
                    step.outcome = outcome
                    step.was_resent = client.statistics.resent > resent
                    self._answered(step, nursery)
        self._leaving -= berth.leaving
        self._connected -= 1
        berth.leaving = berth.connected = False
        if berth.ready:
            # It got something to do while it was hanging up.
            self._queue.append(berth)
        self._settle(nursery)

    async def _next(self, berth: _Berth, nursery: trio.Nursery) -> list[Step]:
        """Wait for something to send; nothing means that the connection is to be closed."""
        if not berth.ready and not self._done:
            berth.wake = trio.Event()
            self._idle[berth] = None
            self._settle(nursery)
            await berth.wake.wait()
        return [] if berth.leaving else berth.take()

    def _answered(self, step: Step, nursery: trio.Nursery) -> None:
        self._on_answer(step)
        self.answered += 1
        self._under_way.discard(step)
        self._room.release()
        waiting = self._cards[step.trip.card]
        if waiting:
            self._set_free(waiting.popleft(), nursery)
        else:
            del self._cards[step.trip.card]
