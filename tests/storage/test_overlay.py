"""The overlay: a dict, whatever is cached, being saved, or lost in a crash."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from storage.overlay import Overlay

keys = st.integers(0, 11)


class Rows:
    """Rows that rest, and how often they were looked up."""

    def __init__(self) -> None:
        self.rows: dict[int, str] = {}
        self.looks: list[tuple[int, ...]] = []

    def load(self, keys: Sequence[int]) -> list[str | None]:
        self.looks.append(tuple(keys))
        return [self.rows.get(key) for key in keys]


class OverlayLife(RuleBasedStateMachine):
    """An overlay beside a dict of what it should say."""

    def __init__(self) -> None:
        super().__init__()
        self.resting = Rows()
        self.model: dict[int, str] = {}
        self.at_freeze: dict[int, str] = {}
        self.is_saving = False
        self.overlay = Overlay[int, str](self.resting.load, clean_rows_max=4)

    @rule(key=keys, value=st.text(max_size=3))
    def set(self, key: int, value: str) -> None:
        self.model[key] = self.overlay[key] = value

    @rule(key=keys)
    def get(self, key: int) -> None:
        assert self.overlay.get(key) == self.model.get(key)

    @rule(some=st.lists(keys, max_size=6))
    def prefetch(self, some: list[int]) -> None:
        self.overlay.prefetch(some)
        assert all(self.overlay.get(key) == self.model.get(key) for key in some)

    @precondition(lambda self: not self.is_saving)
    @rule()
    def freeze(self) -> None:
        self.frozen = self.overlay.freeze()
        self.at_freeze = dict(self.model)
        self.is_saving = True

    @precondition(lambda self: self.is_saving)
    @rule()
    def save(self) -> None:
        self.resting.rows.update(self.frozen)
        assert self.resting.rows == self.at_freeze
        self.overlay.saved()
        self.is_saving = False

    @precondition(lambda self: self.is_saving)
    @rule()
    def fail_to_save(self) -> None:
        self.overlay.restore()
        self.is_saving = False

    @rule()
    def crash(self) -> None:
        self.model = dict(self.resting.rows)
        self.overlay = Overlay[int, str](self.resting.load, clean_rows_max=4)
        self.is_saving = False

    @invariant()
    def says_what_the_model_says(self) -> None:
        # By `peek`, which moves nothing between the layers.
        assert all(self.overlay.peek(key) == self.model.get(key) for key in range(12))

    @invariant()
    def holds_no_more_than_it_may(self) -> None:
        assert self.overlay.clean_rows() <= 4 + 3 * 12


TestOverlayLife = OverlayLife.TestCase
TestOverlayLife.settings = settings(max_examples=100, stateful_step_count=50)


@pytest.fixture
def resting() -> Rows:
    rows = Rows()
    rows.rows = {key: str(key) for key in range(10)}
    return rows


def test_a_row_in_use_is_loaded_once(resting: Rows) -> None:
    overlay = Overlay[int, str](resting.load, clean_rows_max=4)
    for key in (1, 2, 1, 3, 1, 4, 1, 5, 1):
        assert overlay.get(key) == str(key)
    assert resting.looks.count((1,)) == 1


def test_rows_that_are_only_read_stay_within_their_bound(resting: Rows) -> None:
    overlay = Overlay[int, str](resting.load, clean_rows_max=4)
    for _ in range(3):
        for key in range(10):
            overlay.get(key)
            assert overlay.clean_rows() <= 6


def test_rows_are_fetched_together_and_only_if_they_are_missing(resting: Rows) -> None:
    overlay = Overlay[int, str](resting.load, clean_rows_max=8)
    overlay[1] = "new"
    overlay.get(2)
    overlay.freeze()
    overlay.prefetch([1, 2, 3, 4, 3, 77])
    assert [sorted(look) for look in resting.looks] == [[2], [3, 4, 77]]
    assert [overlay.get(key) for key in (1, 2, 3, 4)] == ["new", "2", "3", "4"]
    assert len(resting.looks) == 2


def test_nothing_missing_asks_for_nothing(resting: Rows) -> None:
    overlay = Overlay[int, str](resting.load, clean_rows_max=8)
    overlay[1] = "new"
    overlay.prefetch([1])
    assert not resting.looks


def test_many_saved_rows_take_the_place_of_the_cache(
    resting: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.overlay._MERGE_ROWS_MAX", 2)
    overlay = Overlay[int, str](resting.load, clean_rows_max=8)
    overlay.get(9)
    for key in range(3):
        overlay[key] = "new"
    resting.rows.update(overlay.freeze())
    overlay.saved()
    looks = len(resting.looks)
    assert [overlay.get(key) for key in (0, 1, 2, 9)] == ["new", "new", "new", "9"]
    assert len(resting.looks) == looks


def test_dropped_rows_are_let_go_a_few_at_a_time(
    resting: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.overlay._MERGE_ROWS_MAX", 2)
    overlay = Overlay[int, str](resting.load, clean_rows_max=8)
    for _ in range(3):
        for key in range(6):
            overlay[key] = "new"
        resting.rows.update(overlay.freeze())
        overlay.saved()
    sizes = [overlay.clean_rows()]
    while sizes[-1] > 12:
        overlay[1] = "newer"
        sizes.append(overlay.clean_rows())
    assert sizes == [18, 16, 14, 12]


def test_one_checkpoint_at_a_time(resting: Rows) -> None:
    overlay = Overlay[int, str](resting.load, clean_rows_max=4)
    overlay[1] = "new"
    overlay.freeze()
    with pytest.raises(AssertionError, match="one checkpoint"):
        overlay.freeze()


def test_a_newer_row_is_never_hidden_by_one_that_could_not_be_saved(resting: Rows) -> None:
    overlay = Overlay[int, str](resting.load, clean_rows_max=4)
    overlay[1] = "older"
    overlay.freeze()
    overlay[1] = "newer"
    overlay.restore()
    assert overlay.get(1) == "newer"
    assert overlay.freeze() == {1: "newer"}


class Overtaken(Overlay[int, str]):
    """An overlay to which something happens while another thread looks at its layers."""

    meanwhile: Callable[[], None] | None = None

    def __getattribute__(self, name: str) -> object:
        if name == "_saving" and self.meanwhile:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        return super().__getattribute__(name)


@pytest.mark.parametrize("happens", ["freeze", "restore", "saved"])
def test_another_thread_never_misses_a_row_when_checkpoints_begin_and_end(
    resting: Rows, happens: str
) -> None:
    overlay = Overtaken(resting.load, clean_rows_max=4)
    overlay[77] = "dirty"
    if happens != "freeze":
        resting.rows.update(overlay.freeze() if happens == "saved" else {})
        if happens == "restore":
            overlay.freeze()
    overlay.meanwhile = getattr(overlay, happens)
    assert overlay.peek(77) == "dirty"
    assert overlay.meanwhile is None
