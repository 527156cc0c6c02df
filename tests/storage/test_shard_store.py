"""The shard on disk: whatever is cut off and whenever, it is the fold of what is durable."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.accounts import OPERATOR_REVENUE
from engine.transaction import Intent, Issue, Reversal, Tap, TopUp
from storage.errors import StorageDamaged, StorageFailed, StorageFull
from storage.history import exceptions_before
from storage.journal import BLOCKS
from storage.journal import TABLES as JOURNAL_TABLES
from storage.memory_store import MemoryStore
from storage.shard_store import ShardStore
from storage.view_rows import CARDS as CARD_ROWS
from storage.view_rows import STANDING
from storage.views import Checkpoint
from tests.storage.city import (
    CARDS,
    PROOF,
    City,
    assert_same_state,
    intents,
    lively_city,
    terminals,
)


class ShardLife(RuleBasedStateMachine):
    """A shard that decides, commits, writes checkpoints, and is killed at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self.city = lively_city()
        self.checkpoint: Checkpoint | None = None
        self.is_written = False

    @rule(
        wanted=st.lists(st.tuples(intents, terminals), min_size=1, max_size=6),
        skip=st.sampled_from([0, 0, 0, 2]),
        apart=st.sampled_from([0, 0, 400]),
    )
    def decide(self, wanted: list[tuple[Intent, str]], skip: int, apart: int) -> None:
        self.city.now_ms += apart
        for intent, terminal in wanted:
            self.city.send(intent, terminal, skip=skip)

    @rule()
    def commit(self) -> None:
        self.city.commit()

    @precondition(lambda self: self.checkpoint is None)
    @rule()
    def begin(self) -> None:
        self.checkpoint = self.city.shard.begin_checkpoint()
        if self.checkpoint is not None:
            assert self.city.shard.begin_checkpoint() is None

    @precondition(lambda self: self.checkpoint is not None and not self.is_written)
    @rule()
    def write(self) -> None:
        assert self.checkpoint is not None
        self.city.commit()
        self.city.shard.write_checkpoint(self.checkpoint)
        self.is_written = True

    @precondition(lambda self: self.is_written)
    @rule()
    def end(self) -> None:
        assert self.checkpoint is not None
        self.city.shard.end_checkpoint(self.checkpoint)
        self.checkpoint, self.is_written = None, False

    @precondition(lambda self: self.checkpoint is not None and not self.is_written)
    @rule(is_full=st.booleans())
    def abandon(self, *, is_full: bool) -> None:
        assert self.checkpoint is not None
        if is_full:
            self.city.commit()
            self.city.views.fail_next(StorageFull("no room"))
            with pytest.raises(StorageFull):
                self.city.shard.write_checkpoint(self.checkpoint)
        self.city.shard.abandon_checkpoint(self.checkpoint)
        self.checkpoint = None

    @rule(hot_rows_max=st.integers(2, 8), replay_entries_max=st.integers(1, 50))
    def crash(self, hot_rows_max: int, replay_entries_max: int) -> None:
        self.city.hot_rows_max = hot_rows_max
        self.city.replay_entries_max = replay_entries_max
        self.city.crash()
        self.checkpoint, self.is_written = None, False

    @invariant()
    def is_the_fold(self) -> None:
        assert_same_state(self.city)

    @invariant()
    def knows_all_durable_exceptions(self) -> None:
        city = self.city
        filed = [
            (position, entry.exceptions)
            for position, entry in enumerate(city.entries[: city.durable])
            if entry.exceptions
        ]
        shard = city.shard
        assert exceptions_before(shard.journal, shard.views, None, 10_000) == filed[::-1]


TestShardLife = ShardLife.TestCase
TestShardLife.settings = settings(max_examples=60, stateful_step_count=40)


@pytest.fixture
def city() -> City:
    city = City()
    city.run(*(Issue(card, "account", "dki") for card in CARDS))
    city.run(*(TopUp(card, 50_000, "dki") for card in CARDS))
    return city


def tap(card: str = CARDS[0]) -> Tap:
    return Tap(card, 3500, "transjakarta", "in")


def test_an_empty_shard_opens_at_the_beginning() -> None:
    shard = City().shard
    assert shard.book.position == 0
    assert (shard.recovered.replayed_entries, shard.recovered.rebuilt) == (0, "")
    assert shard.entries_since_checkpoint == 0
    assert shard.begin_checkpoint() is None
    shard.checkpoint()
    assert shard.views.standing() is None


def test_a_restart_replays_only_what_came_after_the_checkpoint(city: City) -> None:
    city.shard.checkpoint()
    city.run(tap(), tap(CARDS[1]))
    city.restart()
    recovered = city.shard.recovered
    assert (recovered.from_position, recovered.position) == (8, 10)
    assert recovered.replayed_entries == city.shard.entries_since_checkpoint == 2
    assert recovered.rebuilt == ""
    assert_same_state(city)


def test_recovery_is_timed_by_the_clock_that_was_passed_in(city: City) -> None:
    ticks = iter([10.0, 12.5])
    shard = ShardStore.open(city.journal, city.views, clock=lambda: next(ticks))
    assert shard.recovered.took_s == 2.5


def test_a_checkpoint_may_stand_in_the_middle_of_a_block(city: City) -> None:
    city.send(tap())
    checkpoint = city.shard.begin_checkpoint()
    city.send(tap())
    city.commit()
    assert checkpoint is not None
    city.shard.write_checkpoint(checkpoint)
    city.restart()
    assert (city.shard.recovered.from_position, city.shard.recovered.replayed_entries) == (9, 1)
    assert_same_state(city)


def test_views_are_not_written_ahead_of_the_journal(city: City) -> None:
    city.send(tap())
    checkpoint = city.shard.begin_checkpoint()
    assert checkpoint is not None
    with pytest.raises(AssertionError, match="ahead"):
        city.shard.write_checkpoint(checkpoint)


def test_a_long_replay_writes_checkpoints_on_its_way(city: City) -> None:
    city.replay_entries_max = 4
    city.restart()
    assert city.shard.recovered.replayed_entries == 8
    assert city.shard.entries_since_checkpoint == 0
    city.restart()
    assert city.shard.recovered.replayed_entries == 0
    assert_same_state(city)


def test_a_journal_that_ends_before_its_views_is_refused(city: City) -> None:
    before = city.journal.survivors()
    city.run(tap())
    city.shard.checkpoint()
    for journal, number in ((before, 2), (MemoryStore(tables=JOURNAL_TABLES), 0)):
        city.journal = journal
        with pytest.raises(
            StorageDamaged, match=rf"block {number} .* is missing.*position 9"
        ) as no:
            city.restart()
        assert no.value.block == number
        assert "delete the folder `views`" in str(no.value)
    # Nothing was touched: with the right journal all is well.
    assert city.views.count(CARD_ROWS) == len(CARDS)


def test_a_journal_that_is_not_that_of_its_views_is_refused(city: City) -> None:
    other = City()
    other.run(*(Issue(card, "stored", "dki") for card in CARDS))
    other.run(*(tap() for _ in range(4)))
    other.shard.checkpoint()
    city.views = other.views
    with pytest.raises(StorageDamaged, match=r"block 1 .* is not the one") as refused:
        city.restart()
    assert refused.value.block == 1


def test_views_that_stand_nowhere_are_cleared_first(city: City) -> None:
    city.shard.checkpoint()
    city.views.write([(STANDING, b"standing", None), (CARD_ROWS, b"ghost", b"\0")])
    city.restart()
    assert city.shard.recovered.rebuilt == "they stood nowhere"
    assert city.views.get(CARD_ROWS, b"ghost") is None
    assert_same_state(city)


def test_a_damaged_journal_is_refused_with_the_number_of_the_block(city: City) -> None:
    city.run(tap())
    ((key, value),) = city.journal.scan(BLOCKS, (4).to_bytes(8), limit=1)
    city.journal.write([(BLOCKS, key, value[:-1] + bytes((value[-1] ^ 1,)))])
    with pytest.raises(StorageDamaged, match=r"block 1 .*restore the folder") as caught:
        city.restart()
    assert caught.value.block == 1


def test_a_checkpoint_on_a_full_disk_leaves_everything_as_it_was(city: City) -> None:
    city.views.fail_next(StorageFull("no room"))
    with pytest.raises(StorageFull):
        city.shard.checkpoint()
    assert city.shard.entries_since_checkpoint == 8
    city.run(Tap(CARDS[3], 100, "nobody's name", "in", proof=PROOF))
    city.shard.checkpoint()
    assert_same_state(city)
    city.restart()
    assert city.shard.recovered.replayed_entries == 0
    assert_same_state(city)


def test_a_balance_that_came_back_to_what_it_was_is_written_too(city: City) -> None:
    for intent in (tap(), Tap(CARDS[1], 1000, "mrtj", "in"), Reversal("GATE-1", 10)):
        city.run(intent)
        city.shard.checkpoint()
    city.restart()
    assert city.shard.book.accounts[OPERATOR_REVENUE] == {"transjakarta": 3500, "mrtj": 0}
    city.run(tap())
    city.shard.checkpoint()
    city.run(Reversal("GATE-1", 12))
    city.shard.checkpoint()
    city.restart()
    assert city.shard.recovered.replayed_entries == 0
    assert_same_state(city)


def test_the_same_entries_may_be_appended_again_when_there_is_room(city: City) -> None:
    city.send(tap())
    city.journal.fail_next(StorageFull("no room"))
    with pytest.raises(StorageFull):
        city.commit()
    city.commit()
    assert city.durable == 9
    city.restart()
    assert_same_state(city)


def test_what_failed_on_the_disk_is_not_tried_again(city: City) -> None:
    city.views.fail_next(StorageFailed("a page could not be written"))
    with pytest.raises(StorageFailed):
        city.shard.checkpoint()
    with pytest.raises(StorageFailed):
        city.shard.checkpoint()


def test_landmarks_are_kept_at_intervals(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.shard_store.LANDMARK_ENTRIES", 10)
    places = []
    for _ in range(12):
        city.run(tap(), tap(CARDS[1]))
        city.shard.checkpoint()
        places.append(city.shard.views.landmark_before(10_000))
    assert places == [10, 10, 10, 10, 10, 20, 20, 20, 20, 20, 30, 30]
    city.restart()
    city.run(*[tap(CARDS[2])] * 7)
    city.shard.checkpoint()
    assert city.shard.views.landmark_before(10_000) == 30
    city.run(tap())
    city.shard.checkpoint()
    assert city.shard.views.landmark_before(10_000) == 40
