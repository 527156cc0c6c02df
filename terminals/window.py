"""Transactions that have no final answer yet: what to send next, and what to send again.

A transaction is in one of three places: due (to be sent now, in counter order), later (the node
said when to come back), or sent. When a connection ends, all that was sent or waiting is due
again: sending again is always safe, so nothing need be known about what had arrived.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from heapq import heapify, heappop, heappush

import trio

from terminals.messages import FINAL_RESULTS, Outcome


class Batch:
    """What one caller waits for: final outcomes by counter, and the moment they are complete."""

    def __init__(self, counters: Iterable[int]) -> None:
        self.missing = set(counters)
        self.outcomes: dict[int, Outcome] = {}
        self.done = trio.Event()

    def settle(self, outcome: Outcome) -> None:
        """Take in a final outcome."""
        self.missing.discard(outcome.counter)
        self.outcomes[outcome.counter] = outcome
        if not self.missing:
            self.done.set()


class Unanswered:
    """One transaction without a final answer.

    Attributes:
      packed: as it goes onto the wire.
      handed_s: when the caller handed it in.
      sent_s: when it was last sent, or None.
      times_sent: how often.
    """

    __slots__ = ("batch", "counter", "handed_s", "packed", "sent_s", "times_sent")

    def __init__(self, counter: int, packed: bytes, batch: Batch, handed_s: float) -> None:
        self.counter = counter
        self.packed = packed
        self.batch = batch
        self.handed_s = handed_s
        self.sent_s: float | None = None
        self.times_sent = 0


class Window:
    """All unanswered transactions of a terminal. Times are seconds on the caller's clock."""

    def __init__(self) -> None:
        self._open: dict[int, Unanswered] = {}
        # Heaps hold counters only; one that was answered or withdrawn is passed over on the way.
        self._due: list[int] = []
        self._later: list[tuple[float, int]] = []
        # In the order of sending, so that its first is the one that waits longest.
        self._sent: dict[int, Unanswered] = {}
        # Sent, then withdrawn: their answers may still come on this connection.
        self._abandoned: set[int] = set()

    def __len__(self) -> int:
        """How many transactions have no final answer."""
        return len(self._open)

    def __contains__(self, counter: int) -> bool:
        """Tell whether a counter is taken: its answer may yet come, even if nobody waits for it."""
        return counter in self._open or counter in self._abandoned

    def add(self, transaction: Unanswered) -> None:
        """Take in a transaction, due now. Its counter must not be in the window."""
        assert transaction.counter not in self
        self._open[transaction.counter] = transaction
        heappush(self._due, transaction.counter)

    def take(self, count_max: int, bytes_max: int, now_s: float) -> list[Unanswered]:
        """Return what goes into the next frame, lowest counters first, and note it as sent."""
        while self._later and self._later[0][0] <= now_s:
            heappush(self._due, heappop(self._later)[1])
        taken: list[Unanswered] = []
        while self._due and len(taken) < count_max:
            transaction = self._open.get(self._due[0])
            if transaction is not None and transaction.sent_s is None:
                bytes_max -= len(transaction.packed)
                if bytes_max < 0:
                    break
                transaction.sent_s = now_s
                transaction.times_sent += 1
                self._sent[transaction.counter] = transaction
                taken.append(transaction)
            heappop(self._due)
        return taken

    def answer(self, outcome: Outcome, now_s: float) -> Unanswered | None:
        """Take in an outcome; return the transaction if this is its first final one.

        An outcome that nobody waits for (late, or doubled after sending again) changes nothing.
        """
        transaction = self._open.get(outcome.counter)
        if transaction is None:
            self._abandoned.discard(outcome.counter)
            return None
        self._sent.pop(outcome.counter, None)
        if outcome.result in FINAL_RESULTS:
            del self._open[outcome.counter]
            transaction.batch.settle(outcome)
            return transaction
        if transaction.sent_s is not None:
            transaction.sent_s = None
            heappush(self._later, (now_s + outcome.retry_after_ms / 1000, outcome.counter))
        return None

    def lost(self) -> None:
        """Make everything due again: the connection ended."""
        self._due = list(self._open)
        heapify(self._due)
        self._later.clear()
        self._sent.clear()
        self._abandoned.clear()
        for transaction in self._open.values():
            transaction.sent_s = None

    def withdraw(self, batch: Batch) -> None:
        """Forget what is missing of a batch: nobody waits for it any more."""
        for counter in batch.missing:
            transaction = self._open.pop(counter, None)
            self._sent.pop(counter, None)
            if transaction is not None and transaction.sent_s is not None:
                self._abandoned.add(counter)

    def batches(self) -> set[Batch]:
        """Return the batches that miss something."""
        return {transaction.batch for transaction in self._open.values()}

    def next_due_s(self) -> float:
        """Return when something will be due that has to wait now; infinity if nothing will."""
        return self._later[0][0] if self._later else math.inf

    def oldest_sent_s(self) -> float:
        """Return since when the longest-waiting transaction is under way; infinity if none is."""
        first = next(iter(self._sent.values()), None)
        return math.inf if first is None or first.sent_s is None else first.sent_s
