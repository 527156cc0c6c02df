"""The index of transactions, beside a dict."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from storage.runs import Run, RunIndex, TerminalRuns

Find: TypeAlias = Callable[[int], int | None]


class RestingRuns:
    """Runs as the views keep them."""

    def __init__(self) -> None:
        self.runs: list[Run] = []

    def before(self, terminal: str, counter: int) -> Run | None:
        runs = [run for run in self.runs if run.terminal == terminal]
        return max(
            (run for run in runs if run.first_counter <= counter),
            key=lambda run: run.first_counter,
            default=None,
        )


class IndexLife(RuleBasedStateMachine):
    """Counters come in runs, with gaps, late and in any order; checkpoints come and fail."""

    def __init__(self) -> None:
        super().__init__()
        self.resting = RestingRuns()
        self.index = RunIndex(self.resting.before)
        self.model: dict[tuple[str, int], int] = {}
        self.position = 0
        self.is_saving = False
        self.finders: list[tuple[Callable[[str], Find], dict[tuple[str, int], int]]] = []

    @rule(terminal=st.sampled_from(["A", "B"]), first=st.integers(1, 40), count=st.integers(1, 5))
    def note(self, terminal: str, first: int, count: int) -> None:
        free = 0
        while free < count and (terminal, first + free) not in self.model:
            self.model[terminal, first + free] = self.position + free
            free += 1
        if free:
            self.index.note(terminal, first, self.position, free)
            self.position += free

    @rule()
    def elsewhere(self) -> None:
        self.position += 1

    @precondition(lambda self: not self.is_saving)
    @rule()
    def freeze(self) -> None:
        self.frozen = self.index.freeze()
        self.is_saving = True

    @precondition(lambda self: self.is_saving)
    @rule()
    def save(self) -> None:
        for runs in self.frozen.values():
            self.resting.runs += runs
        self.index.saved()
        self.is_saving = False

    @precondition(lambda self: self.is_saving)
    @rule()
    def fail_to_save(self) -> None:
        self.index.restore()
        self.is_saving = False

    @invariant()
    def finds_what_was_noted(self) -> None:
        for terminal in "ABC":
            for counter in range(1, 47):
                expected = self.model.get((terminal, counter))
                assert self.index.position_of(terminal, counter) == expected
        for find, model in (*self.finders, (self.index.finder, self.model)):
            found = find("A")
            known = [counter for terminal, counter in model if terminal == "A"]
            assert [found(counter) for counter in known] == [model["A", each] for each in known]
        assert self.index.finder("C")(1) is None

    @rule()
    def knows_what_it_knew(self) -> None:
        """What it finds is not altered by what comes later, in memory or in the views."""
        find = self.index.finder("A")
        self.finders.append((lambda _: find, dict(self.model)))


TestIndexLife = IndexLife.TestCase
TestIndexLife.settings = settings(max_examples=60, stateful_step_count=30)


@given(st.lists(st.integers(1, 5), max_size=20))
def test_transactions_sent_in_a_row_are_one_run(counts: list[int]) -> None:
    runs = TerminalRuns("A")
    counter = 1
    for count in counts:
        runs.add(counter, 100 + counter, count)
        counter += count
    expected = [Run("A", 1, 101, counter - 1)] if counts else []
    assert list(runs) == expected


@pytest.mark.parametrize(("counter", "position"), [(5, 11), (6, 10), (7, 10), (4, 9)])
def test_a_run_ends_where_counter_or_position_does_not_follow(counter: int, position: int) -> None:
    runs = TerminalRuns("A")
    runs.add(5, 9, 1)
    if (counter, position) != (5, 11):
        runs.add(counter, position, 1)
    assert len(list(runs)) == (1 if (counter, position) in ((6, 10), (5, 11)) else 2)


def test_one_checkpoint_at_a_time() -> None:
    index = RunIndex(RestingRuns().before)
    index.note("A", 1, 0, 1)
    index.freeze()
    with pytest.raises(AssertionError, match="one checkpoint"):
        index.freeze()
