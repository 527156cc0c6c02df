"""One connection of a terminal: who it is, what it sends, what it hears, until it ends."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Final

import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocol import limits
from terminals import wire
from terminals.clock import NodeClock
from terminals.device import Device, Status
from terminals.errors import LinkLost, NodeMisbehaved, TerminalError
from terminals.greeting import greet, hear
from terminals.link import Link
from terminals.messages import (
    Answer,
    Challenge,
    Feed,
    FeedEnd,
    FromNode,
    Outcomes,
    Pulse,
    Ready,
    Receipt,
)
from terminals.work import Work

FRAMES_PER_SECOND: Final = limits.FRAMES_PER_SECOND_MAX * 8 // 10
FRAMES_AT_ONCE: Final = limits.FRAMES_PER_SECOND_MAX // 10
"""Together they stay below what the node allows in any one second."""

LAST_WORD_S: Final = 2.0
"""How long a node's last word is waited for, once nothing can be sent any more."""

HEADER_BYTES: Final = 16
"""Of a `submit` before its transactions; it takes 11."""


class Session:
    """One connection.

    Args:
      link: the connection.
      work: what there is to send, and who waits for what comes.
      device: what else there is to do.
      clock: learns the node's clock.
      answer_s: longest wait for an answer before the connection is held to be dead.
      pulse_s: longest wait for the pulse of a heartbeat, or for anything in its place.
    """

    def __init__(
        self,
        link: Link,
        work: Work,
        device: Device,
        clock: NodeClock,
        *,
        answer_s: float,
        pulse_s: float,
    ) -> None:
        self._link = link
        self._work = work
        self._device = device
        self._parts = device.parts
        self._beats = device.beats
        self._clock = clock
        self._answer_s = answer_s
        self._pulse_s = pulse_s
        self._credits = 0
        self._ended: TerminalError | None = None
        self._hearing = trio.CancelScope()
        self._last_sent_s = self._last_heard_s = trio.current_time()
        self._last_beat_s = -math.inf
        self._allowance = float(FRAMES_AT_ONCE)

    async def greet(self, terminal: str, key: Ed25519PrivateKey, software: str) -> Ready:
        """Say who we are and prove it; return what the node allows.

        Raises:
          LinkLost: the connection ended.
          NodeRefused: the node does not want this terminal.
          NodeMisbehaved: what it says is not of the protocol.
        """
        ready = await greet(self._link, terminal, key, software, self._clock)
        self._credits = ready.credits
        for part in self._parts:
            part.begin(ready)
        return ready

    async def run(self, ready: Ready) -> None:
        """Send and hear until the work is to stop.

        Raises:
          LinkLost, NodeRefused, NodeMisbehaved: as for `greet`.
        """
        async with trio.open_nursery() as nursery:

            async def until_it_ends(loop: Callable[[], Awaitable[None]]) -> None:
                # The first to end tells why, and the other one ends with it.
                try:
                    await loop()
                except TerminalError as error:
                    self._ended = self._ended or error
                nursery.cancel_scope.cancel()

            nursery.start_soon(until_it_ends, lambda: self._send_all(ready))
            nursery.start_soon(until_it_ends, lambda: self._hear_all(ready))
        if self._ended is not None:
            raise self._ended

    async def _send_all(self, ready: Ready) -> None:
        work = self._work
        while not work.stop.is_set():
            changed = work.changed
            now_s = trio.current_time()
            frame = self._next_frame(ready, now_s)
            if frame is not None:
                await self._pace(now_s)
                await self._send(frame)
                continue
            overdue_s = self._overdue_s()
            if overdue_s <= now_s:
                raise LinkLost("no answer for too long")
            due_s = [work.window.next_due_s(), *(part.next_due_s() for part in self._parts)]
            with trio.move_on_at(min(overdue_s, self._beat_due_s(ready), *due_s)):
                await changed.wait()

    def _overdue_s(self) -> float:
        work = self._work
        since_s = work.waiting_since_s()
        overdue_s = [part.overdue_s() for part in self._parts]
        return min(since_s + self._answer_s, work.orders.overdue_s(), *overdue_s)

    def _beat_due_s(self, ready: Ready) -> float:
        since_s = self._last_beat_s
        if not self._beats:
            # Also when only the node is silent: not everything that is sent has an answer.
            since_s = max(since_s, min(self._last_sent_s, self._last_heard_s))
        return since_s + ready.heartbeat_s

    def _next_frame(self, ready: Ready, now_s: float) -> bytes | None:
        work = self._work
        if (beat := self._beat(ready, now_s)) is not None:
            return beat
        asked = work.next_question(now_s)
        if asked is not None:
            number, question = asked
            return wire.query(number, question.content)
        count_max = min(self._credits, ready.transactions_per_frame_max)
        taken = work.window.take(count_max, ready.frame_bytes_max - HEADER_BYTES, now_s)
        if taken:
            self._credits -= len(taken)
            again = sum(transaction.times_sent > 1 for transaction in taken)
            work.statistics.resent += again
            work.statistics.sent += len(taken) - again
            return wire.submit([transaction.packed for transaction in taken])
        ordered = work.orders.next_message(now_s)
        if ordered is not None:
            return ordered
        for part in self._parts:
            if (message := part.next_message(now_s)) is not None:
                return message
        return None

    def _beat(self, ready: Ready, now_s: float) -> bytes | None:
        """Return a heartbeat if one is due: in time, or at once when the own clock was set."""
        device = self._device
        was_set = self._clock.look()
        if now_s < self._beat_due_s(ready) and not (was_set and self._beats):
            return None
        self._last_beat_s = now_s
        self._hearing.deadline = min(self._hearing.deadline, now_s + self._pulse_s)
        status = device.status() if device.status else Status()
        backlog = len(self._work.window) if status.backlog is None else status.backlog
        return wire.heartbeat(self._clock.heartbeat(), backlog, status.battery, status.reader)

    async def _pace(self, now_s: float) -> None:
        earned = (now_s - self._last_sent_s) * FRAMES_PER_SECOND
        self._allowance = min(FRAMES_AT_ONCE, self._allowance + earned) - 1
        self._last_sent_s = now_s
        if self._allowance < 0:
            await trio.sleep(-self._allowance / FRAMES_PER_SECOND)

    async def _send(self, frame: bytes) -> None:
        lost: LinkLost | None = None
        try:
            await self._link.send(frame)
        except LinkLost as error:
            lost = error
        if lost is not None:
            # The node's last word may have come already, and tells more than that it is gone.
            await trio.sleep(LAST_WORD_S)
            raise lost

    async def _hear_all(self, ready: Ready) -> None:
        # By then a heartbeat was sent, or could not be sent.
        silence_s = ready.heartbeat_s + self._pulse_s
        while True:
            with trio.move_on_after(silence_s) as self._hearing:
                message = await hear(self._link)
            self._last_heard_s, before_s = trio.current_time(), self._last_heard_s
            if self._hearing.cancelled_caught:
                raise LinkLost(f"not a word for {self._last_heard_s - before_s:.0f} s")
            self._take(message)

    def _take(self, message: FromNode) -> None:
        now_s = trio.current_time()
        match message:
            case Outcomes():
                self._credits += message.credits
                for outcome in message.outcomes:
                    self._work.take_outcome(outcome, now_s)
                self._work.touch()
            case Answer():
                self._work.take_answer(message)
            case Pulse():
                self._clock.pulse(message)
            case Challenge() | Ready() | Feed() | FeedEnd():
                raise NodeMisbehaved(f"did not expect {type(message).__name__.lower()}")
            case _:
                self._hand_on(message)

    def _hand_on(self, message: FromNode) -> None:
        if any(part.take(message) for part in self._parts):
            self._work.touch()
        elif isinstance(message, Receipt):
            self._work.take_receipt(message)
        else:
            # A node tells every terminal of its commands, and this one wants none.
            self._work.statistics.unclaimed += 1
