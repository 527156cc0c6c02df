"""What is sent next, what again, and what is forgotten."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from terminals.messages import Outcome
from terminals.window import Batch, Unanswered, Window


def filled(*counters: int) -> tuple[Window, Batch]:
    window, batch = Window(), Batch(counters)
    for counter in counters:
        window.add(Unanswered(counter, b"0123456789", batch, 0.0))
    return window, batch


def taken(window: Window, now_s: float = 0.0, *, count: int = 100, size: int = 10_000) -> list[int]:
    return [transaction.counter for transaction in window.take(count, size, now_s)]


@given(st.sets(st.integers(1, 1_000), min_size=1), st.integers(1, 20))
def test_the_lowest_counters_go_first(counters: set[int], per_frame: int) -> None:
    window, _ = filled(*counters)
    frames = []
    while frame := taken(window, count=per_frame):
        frames.append(frame)
    assert [counter for frame in frames for counter in frame] == sorted(counters)
    assert all(len(frame) == per_frame for frame in frames[:-1])


def test_a_frame_is_no_longer_than_asked_for() -> None:
    window, _ = filled(1, 2, 3, 4)
    assert taken(window, size=29) == [1, 2]
    assert taken(window, size=30) == [3, 4]


def test_what_was_sent_is_not_sent_twice_on_one_connection() -> None:
    window, _ = filled(1, 2)
    assert taken(window) == [1, 2]
    assert taken(window) == []


def test_everything_unanswered_is_due_again_on_the_next() -> None:
    window, _ = filled(3, 1, 2, 4)
    window.take(3, 1_000, 5.0)
    window.answer(Outcome(2, "posted"), 5.0)
    window.answer(Outcome(3, "busy", retry_after_ms=60_000), 5.0)
    window.lost()
    assert window.next_due_s() == math.inf
    assert window.oldest_sent_s() == math.inf
    assert taken(window, 6.0) == [1, 3, 4]


def test_what_was_put_off_comes_at_its_time_and_not_before() -> None:
    window, batch = filled(1, 2)
    window.take(2, 1_000, 0.0)
    window.answer(Outcome(1, "busy", retry_after_ms=500), 1.0)
    window.answer(Outcome(2, "in_progress", retry_after_ms=200), 1.0)
    assert window.next_due_s() == 1.2
    assert taken(window, 1.1) == []
    assert taken(window, 1.2) == [2]
    assert taken(window, 1.5) == [1]
    assert batch.missing == {1, 2}


def test_a_doubled_delay_puts_off_once() -> None:
    window, _ = filled(1)
    window.take(1, 1_000, 0.0)
    window.answer(Outcome(1, "busy", retry_after_ms=100), 0.0)
    window.answer(Outcome(1, "busy", retry_after_ms=900), 0.0)
    assert taken(window, 0.1) == [1]
    assert taken(window, 1.0) == []


@pytest.mark.parametrize("result", ["posted", "refused", "conflict"])
def test_a_final_outcome_settles_its_batch(result: str) -> None:
    window, batch = filled(1, 2)
    window.take(2, 1_000, 0.0)
    first = Outcome(1, result)  # type: ignore[arg-type] # one of the results, as the cases say
    assert window.answer(first, 0.0) is not None
    assert not batch.done.is_set()
    assert window.answer(first, 0.0) is None
    window.answer(Outcome(2, "posted"), 0.0)
    assert batch.done.is_set()
    assert len(window) == 0


def test_the_longest_wait_is_known() -> None:
    window, _ = filled(1, 2, 3)
    assert window.oldest_sent_s() == math.inf
    window.take(1, 1_000, 1.0)
    window.take(1, 1_000, 2.0)
    assert window.oldest_sent_s() == 1.0
    window.answer(Outcome(1, "posted"), 3.0)
    assert window.oldest_sent_s() == 2.0


def test_what_nobody_waits_for_is_withdrawn_and_its_counter_blocked_until_it_is_safe() -> None:
    window, batch = filled(1, 2)
    window.take(1, 1_000, 0.0)
    window.withdraw(batch)
    assert len(window) == 0
    assert taken(window) == []
    assert 1 in window
    assert 2 not in window
    window.answer(Outcome(1, "posted"), 0.0)
    assert 1 not in window


def test_a_new_connection_brings_no_old_answers() -> None:
    window, batch = filled(1)
    window.take(1, 1_000, 0.0)
    window.withdraw(batch)
    window.lost()
    assert 1 not in window


def test_a_withdrawn_counter_may_come_again_and_is_sent_once() -> None:
    window, batch = filled(1)
    window.withdraw(batch)
    window.add(Unanswered(1, b"again", Batch([1]), 0.0))
    assert [transaction.packed for transaction in window.take(5, 1_000, 0.0)] == [b"again"]
    assert taken(window) == []


class Delivery(RuleBasedStateMachine):
    """A window over a line that drops: all is delivered in the end, none of it counted twice."""

    def __init__(self) -> None:
        super().__init__()
        self.window = Window()
        self.batches: dict[int, Batch] = {}
        self.on_the_line: list[int] = []
        self.settled: list[int] = []
        self.now_s = 0.0

    @rule(counter=st.integers(1, 30))
    def submit(self, counter: int) -> None:
        if counter not in self.batches:
            self.batches[counter] = Batch([counter])
            transaction = Unanswered(counter, b"x", self.batches[counter], self.now_s)
            self.window.add(transaction)

    @rule(count=st.integers(0, 5))
    def send(self, count: int) -> None:
        self.on_the_line += taken(self.window, self.now_s, count=count)

    @precondition(lambda self: self.on_the_line)
    @rule(data=st.data(), final=st.booleans())
    def answer(self, data: st.DataObject, *, final: bool) -> None:
        counter = data.draw(st.sampled_from(self.on_the_line))
        self.on_the_line.remove(counter)
        outcome = Outcome(counter, "posted" if final else "busy", retry_after_ms=1_000)
        if self.window.answer(outcome, self.now_s) is not None:
            self.settled.append(counter)

    @rule()
    def lose(self) -> None:
        self.on_the_line.clear()
        self.window.lost()

    @rule()
    def wait(self) -> None:
        self.now_s += 1

    @invariant()
    def nothing_is_forgotten_or_counted_twice(self) -> None:
        assert len(self.settled) == len(set(self.settled))
        done = {counter for counter, batch in self.batches.items() if batch.done.is_set()}
        assert done == set(self.settled)
        assert len(self.window) == len(self.batches) - len(done)
        assert self.on_the_line == sorted(set(self.on_the_line), key=self.on_the_line.index)

    def teardown(self) -> None:
        self.window.lost()
        rest = taken(self.window, self.now_s)
        assert rest == sorted(set(self.batches) - set(self.settled))


TestDelivery = Delivery.TestCase
