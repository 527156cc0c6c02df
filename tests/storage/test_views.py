"""The tables of the views: what a checkpoint writes is read again, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from msgspec.structs import replace

from engine.book import empty_accounts
from engine.card import Card
from engine.chips import ChipCounts
from engine.errors import Reason
from engine.seen import Seen
from storage.errors import StorageDamaged, StorageFull
from storage.memory_store import MemoryStore
from storage.runs import Run, TerminalRuns
from storage.store import Change, Row
from storage.view_rows import (
    ACCOUNTS,
    CARDS,
    DERIVED_TABLES,
    EXCEPTIONS,
    RETURNED,
    RUNS,
    STANDING,
    STANDING_KEY,
    TERMINALS,
    VIEWS_FORMAT,
    VIEWS_TABLES,
    Standing,
    account_key,
    encode,
    name_key,
    position_key,
    transaction_key,
)
from storage.views import Checkpoint, Views

HASH = bytes(range(32))
UID = bytes.fromhex("04de5f1eacc040")
CARD = Card("6013", "account", "dki", last=6)


def checkpoint(position: int = 9) -> Checkpoint:
    accounts = empty_accounts()
    accounts[3] = {"mrtj": 0, "transjakarta": 3500}
    accounts[5] = {"dki": -3500}
    runs = TerminalRuns("GATE-1")
    runs.add(1, 0, 5)
    runs.add(9, 7, 2)
    return Checkpoint(
        position=position,
        decided_ms=77,
        cards={"6013": CARD},
        terminals={"GATE-1": Seen(10, ((6, 8),))},
        returned={("GATE-1", 2): 500},
        holders={"free_ride/person-1": "6013"},
        chips={UID: ChipCounts("6013", Seen(7, ((1, 4),)))},
        accounts=accounts,
        runs={"GATE-1": runs},
        exceptions=[(3, (Reason.BELOW_FLOOR,)), (5, (Reason.CARD_BLOCKED,))],
    )


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(tables=VIEWS_TABLES)


@pytest.fixture
def views(store: MemoryStore) -> Views:
    views = Views(store)
    views.write(checkpoint(), HASH, before=empty_accounts(), landmark=False)
    return views


def test_what_a_checkpoint_wrote_is_read(views: Views) -> None:
    assert views.standing() == Standing(VIEWS_FORMAT, 9, HASH, 77)
    assert views.cards(["6013"]) == [CARD]
    assert views.cards(["", "6013", "6014"]) == [None, CARD, None]
    assert views.terminals(["GATE-1"]) == [Seen(10, ((6, 8),))]
    assert views.terminals(["GATE-2", "GATE-1"]) == [None, Seen(10, ((6, 8),))]
    assert views.returned([("GATE-1", 2)]) == [500]
    assert views.returned([("GATE-1", 1), ("GATE-1", 2)]) == [None, 500]
    assert views.holders(["free_ride/person-1"]) == ["6013"]
    assert views.holders(["free_ride/person-2", "free_ride/person-1"]) == [None, "6013"]
    assert views.chips([UID]) == [ChipCounts("6013", Seen(7, ((1, 4),)))]
    assert views.chips([b"\x04", UID]) == [None, ChipCounts("6013", Seen(7, ((1, 4),)))]
    assert views.accounts() == checkpoint().accounts


@pytest.mark.parametrize(
    ("terminal", "counter", "run"),
    [
        ("GATE-1", 0, None),
        ("GATE-1", 1, Run("GATE-1", 1, 0, 5)),
        ("GATE-1", 8, Run("GATE-1", 1, 0, 5)),
        ("GATE-1", 2**53, Run("GATE-1", 9, 7, 2)),
        ("GATE-0", 2**53, None),
        ("GATE-2", 5, None),
    ],
)
def test_a_run_is_found_by_the_counters_it_may_hold(
    views: Views, terminal: str, counter: int, run: Run | None
) -> None:
    assert views.run_before(terminal, counter) == run


def test_exceptions_are_read_backwards(views: Views) -> None:
    newest, oldest = (5, (Reason.CARD_BLOCKED,)), (3, (Reason.BELOW_FLOOR,))
    assert views.exceptions_before(9, 10) == [newest, oldest]
    assert views.exceptions_before(9, 1) == [newest]
    assert views.exceptions_before(5, 10) == [oldest]
    assert views.exceptions_before(3, 10) == views.exceptions_before(0, 10) == []


def test_only_accounts_that_changed_are_written(store: MemoryStore, views: Views) -> None:
    store.write([(ACCOUNTS, key, None) for key, _ in store.scan(ACCOUNTS, limit=10)])
    before = checkpoint().accounts
    changed = checkpoint()
    changed.accounts[3]["mrtj"] = 1
    changed.accounts[9]["new"] = 0
    views.write(changed, HASH, before=before, landmark=False)
    assert {key for key, _ in store.scan(ACCOUNTS, limit=10)} == {
        account_key(3, "mrtj"),
        account_key(9, "new"),
    }


def test_a_checkpoint_is_written_whole_or_not_at_all(store: MemoryStore, views: Views) -> None:
    store.fail_next(StorageFull("no room"))
    card = replace(CARD, last=10)
    later = replace(checkpoint(11), cards={"6013": card})
    with pytest.raises(StorageFull):
        views.write(later, HASH, before=checkpoint().accounts, landmark=True)
    assert views.standing() == Standing(VIEWS_FORMAT, 9, HASH, 77)
    assert views.cards(["6013"]) == [CARD]
    assert views.landmark_before(11) == 0


def test_balances_are_kept_at_landmarks_where_they_changed(store: MemoryStore) -> None:
    views = Views(store)
    first, second = checkpoint(9), checkpoint(20)
    second.accounts[3]["mrtj"] = 100
    views.write(first, HASH, before=empty_accounts(), landmark=True)
    views.write(second, HASH, before=first.accounts, landmark=True)
    assert [views.landmark_before(at) for at in (0, 8, 9, 19, 20, 99)] == [0, 0, 9, 9, 20, 20]
    assert [views.balance_at_landmark(3, "mrtj", at) for at in (0, 9, 20)] == [None, 0, 100]
    assert [views.balance_at_landmark(5, "dki", at) for at in (0, 9, 20)] == [None, -3500, -3500]
    assert views.balance_at_landmark(5, "nobody", 20) is None
    assert store.count("balances") == 4


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"\xc1",
        encode(Standing(VIEWS_FORMAT, 0, b"", 0)),
        encode(Standing(VIEWS_FORMAT + 1, 9, HASH, 77)),
    ],
    ids=["none", "unreadable", "at the beginning", "of another version"],
)
def test_views_that_cannot_be_used_stand_nowhere(
    store: MemoryStore, views: Views, value: bytes | None
) -> None:
    store.write([(STANDING, STANDING_KEY, value)])
    assert views.standing() is None


def test_clearing_leaves_nothing(
    store: MemoryStore, views: Views, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.views._CLEAR_ROWS", 1)
    views.clear()
    assert not any(store.count(table) for table in VIEWS_TABLES)


class CutOff(MemoryStore):
    """Crashes before its second write."""

    writes = 0

    def write(self, changes: Iterable[Change]) -> None:
        self.writes += 1
        if self.writes > 1:
            self.freeze()
        super().write(changes)


def test_clearing_that_was_cut_off_stands_nowhere(views: Views, store: MemoryStore) -> None:
    cut_off = CutOff(tables=VIEWS_TABLES)
    rows: list[tuple[str, Row]] = [
        (table, row) for table in VIEWS_TABLES for row in store.scan(table, limit=100)
    ]
    MemoryStore.write(cut_off, [(table, *row) for table, row in rows])
    with pytest.raises(Exception, match="killed"):
        Views(cut_off).clear()
    survivors = Views(cut_off.survivors())
    assert survivors.standing() is None
    assert survivors.cards(["6013"]) == [CARD]


GARBAGE = b"\xc1"


@pytest.mark.parametrize(
    ("table", "key", "read"),
    [
        (CARDS, name_key("6013"), lambda views: views.cards(["6013"])),
        (TERMINALS, name_key("GATE-1"), lambda views: views.terminals(["GATE-1", "x"])),
        (RETURNED, transaction_key("GATE-1", 2), lambda views: views.returned([("GATE-1", 2)])),
        (RUNS, transaction_key("GATE-1", 9), lambda views: views.run_before("GATE-1", 9)),
        (ACCOUNTS, account_key(3, "mrtj"), lambda views: views.accounts()),
        (ACCOUNTS, account_key(99, "mrtj"), lambda views: views.accounts()),
        (EXCEPTIONS, position_key(5), lambda views: views.exceptions_before(9, 10)),
    ],
)
def test_a_row_that_is_not_ours_is_refused(
    store: MemoryStore,
    views: Views,
    table: str,
    key: bytes,
    read: Callable[[Views], object],
) -> None:
    store.write([(table, key, GARBAGE)])
    with pytest.raises(StorageDamaged, match="delete the folder `views`"):
        read(views)


def test_every_table_has_a_part_in_a_checkpoint(store: MemoryStore) -> None:
    Views(store).write(checkpoint(), HASH, before=empty_accounts(), landmark=True)
    assert all(store.count(table) for table in DERIVED_TABLES)
