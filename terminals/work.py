"""What a client has to do, whichever connection it is done on, and what has been done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import trio

from terminals.errors import TerminalError
from terminals.messages import FINAL_RESULTS, Answer, AnswerBody, Outcome, Receipt
from terminals.orders import Orders
from terminals.window import Window

OnOutcome: TypeAlias = Callable[[Outcome, float], None]
"""Called with each final outcome and its latency in seconds, counted from `submit`."""


@dataclass(slots=True)
class Statistics:
    """What a client has done. Each transaction counts once, but for `resent` and `deferred`."""

    sent: int = 0
    posted: int = 0
    refused: int = 0
    conflicts: int = 0
    repeated: int = 0
    """Of the posted and refused: decided before; the answer was the original one."""
    resent: int = 0
    deferred: int = 0
    """Answers `busy` and `in_progress`."""
    unclaimed: int = 0
    """Answers that nobody waited for: late, or doubled."""
    sessions: int = 0

    @property
    def reconnects(self) -> int:
        """How often the connection had to be made anew."""
        return max(0, self.sessions - 1)


class Question:
    """A question that was asked of the node."""

    __slots__ = ("answer", "asked_s", "content", "done")

    def __init__(self, content: Sequence[object]) -> None:
        self.content = content
        self.answer: AnswerBody | None = None
        self.asked_s = 0.0
        self.done = trio.Event()


class Work:
    """Unanswered transactions, questions and orders, and how it goes with them.

    Attributes:
      progress: how often the node was of use: it let us in with nothing to do, or answered.
      failure: why the client ended, once it has.
      stop: set when the session is to end in good order.
    """

    def __init__(self, on_outcome: OnOutcome | None) -> None:
        self.window = Window()
        self.orders = Orders()
        self.statistics = Statistics()
        self.progress = 0
        self.failure: TerminalError | None = None
        self.stop = trio.Event()
        # Any change of what there is to send or to wait for; replaced by a new one when set.
        self.changed = trio.Event()
        self._on_outcome = on_outcome
        self._unasked: dict[int, Question] = {}
        self._asked: dict[int, Question] = {}
        self._next_question = 0

    @property
    def idle(self) -> bool:
        """Whether nothing waits for an answer."""
        return not (len(self.window) or len(self.orders) or self._unasked or self._asked)

    def touch(self) -> None:
        """Wake whoever waits for a change."""
        self.changed.set()
        self.changed = trio.Event()

    def ask(self, question: Question) -> int:
        """Take in a question; return its number."""
        number = self._next_question
        self._next_question = (number + 1) % 2**32
        self._unasked[number] = question
        self.touch()
        return number

    def forget(self, number: int) -> None:
        """Drop a question that nobody waits for any more."""
        self._unasked.pop(number, None)
        self._asked.pop(number, None)

    def next_question(self, now_s: float) -> tuple[int, Question] | None:
        """Return the next question to ask, and note it as asked."""
        for number, question in self._unasked.items():
            del self._unasked[number]
            question.asked_s = now_s
            self._asked[number] = question
            return number, question
        return None

    def waiting_since_s(self) -> float:
        """Return since when the longest-waiting answer is due; infinity if none is."""
        since_s = self.window.oldest_sent_s()
        question = next(iter(self._asked.values()), None)
        return since_s if question is None else min(since_s, question.asked_s)

    def take_answer(self, answer: Answer) -> None:
        """Hand an answer to whoever asked."""
        self.progress += 1
        question = self._asked.pop(answer.id, None)
        if question is None:
            self.statistics.unclaimed += 1
            return
        question.answer = answer.body
        question.done.set()

    def take_receipt(self, receipt: Receipt) -> None:
        """Hand a receipt to whoever ordered."""
        self.progress += 1
        if not self.orders.take(receipt):
            self.statistics.unclaimed += 1
        # There may be room for another order now.
        self.touch()

    def take_outcome(self, outcome: Outcome, now_s: float) -> None:
        """Hand an outcome to whoever submitted the transaction."""
        statistics = self.statistics
        transaction = self.window.answer(outcome, now_s)
        if outcome.result not in FINAL_RESULTS:
            statistics.deferred += 1
            return
        self.progress += 1
        if transaction is None:
            statistics.unclaimed += 1
            return
        statistics.repeated += outcome.repeated
        match outcome.result:
            case "posted":
                statistics.posted += 1
            case "refused":
                statistics.refused += 1
            case _:
                statistics.conflicts += 1
        if self._on_outcome is not None:
            self._on_outcome(outcome, now_s - transaction.handed_s)

    def lost(self) -> None:
        """Make everything due again: the connection ended."""
        self.window.lost()
        self.orders.lost()
        self._unasked = self._asked | self._unasked
        self._asked = {}

    def fail(self, failure: TerminalError) -> None:
        """End: nothing will be answered any more, and nobody waits for ever."""
        if self.failure is None:
            self.failure = failure
        for batch in self.window.batches():
            batch.done.set()
        self.orders.fail()
        for question in (self._unasked | self._asked).values():
            question.done.set()
        self.touch()
