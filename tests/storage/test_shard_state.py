"""The state of a shard between its checkpoints; what it survives is in test_shard_store."""

from __future__ import annotations

import pytest

from engine.accounts import ALL_CARDS, OPERATOR_REVENUE, OWED_FARES, PROGRAMME_PURSE, PURSE
from engine.transaction import Issue, Tap, TopUp
from storage.memory_store import MemoryStore
from storage.shard_state import ShardState
from storage.view_rows import CARDS as CARD_ROWS
from storage.view_rows import NOWHERE, VIEWS_TABLES
from storage.views import Views
from tests.storage.city import CARDS, PROOF, City

CARD = CARDS[0]


@pytest.fixture
def city() -> City:
    city = City()
    city.run(Issue(CARD, "account", "dki"), TopUp(CARD, 9000, "dki"))
    city.run(TopUp(CARD, 70, purse="kjp", proof=PROOF), Tap(CARD, 3500, "transjakarta", "in"))
    taken = Tap(CARDS[1], 5000, "mrtj", "in", proof=PROOF, service="transjakarta_brt")
    city.run(taken)
    return city


@pytest.mark.parametrize(
    ("kind", "owner", "balance_rp"),
    [
        (PURSE, CARD, 5500),
        (PURSE, "unknown", None),
        (PURSE, f"{CARD}/kjp", None),
        (PURSE, ALL_CARDS, 500),
        (OWED_FARES, CARDS[1], 5000),
        (OWED_FARES, CARD, None),
        (OWED_FARES, f"{CARD}/kjp", None),
        (OWED_FARES, ALL_CARDS, 5000),
        (PROGRAMME_PURSE, f"{CARD}/kjp", 70),
        (PROGRAMME_PURSE, f"{CARD}/other", None),
        (PROGRAMME_PURSE, CARD, None),
        (PROGRAMME_PURSE, ALL_CARDS, 70),
        (OPERATOR_REVENUE, "transjakarta", 3500),
        (OPERATOR_REVENUE, "mrtj", None),
        (OPERATOR_REVENUE, ALL_CARDS, None),
        (99, "anything", None),
    ],
)
def test_balances_are_those_of_the_book(
    city: City, kind: int, owner: str, balance_rp: int | None
) -> None:
    assert city.shard.balance_rp(kind, owner) == balance_rp


def test_folding_at_once_and_one_by_one_is_the_same(city: City) -> None:
    states = [
        ShardState(
            Views(MemoryStore(tables=VIEWS_TABLES)),
            NOWHERE,
            find_entry=lambda *_: None,
            hot_rows_max=10,
        )
        for _ in "12"
    ]
    states[0].fold(city.entries)
    for entry in city.entries:
        states[1].fold((entry,))
    states[0].fold(())
    checkpoints = [state.begin_checkpoint() for state in states]
    for state, checkpoint in zip(states, checkpoints, strict=True):
        assert checkpoint is not None
        state.write(checkpoint, bytes(32), landmark=True)
        state.end_checkpoint(checkpoint)
    for table in VIEWS_TABLES:
        rows = [state.views.store.scan(table, limit=100) for state in states]
        assert rows[0] == rows[1]
        assert rows[0] or table in {"returned", "holders", "chips"}


def test_cards_that_are_fetched_are_not_looked_for_again(city: City) -> None:
    city.shard.checkpoint()
    city.restart()
    city.shard.prefetch([CARD, "unknown"])
    city.views.write([(CARD_ROWS, CARD.encode(), None)])
    card = city.shard.book.cards.get(CARD)
    assert card is not None
    assert card.main.balance_rp == 5500


def test_only_the_checkpoint_that_was_begun_can_end(city: City) -> None:
    first = city.shard.begin_checkpoint()
    assert first is not None
    city.shard.abandon_checkpoint(first)
    second = city.shard.begin_checkpoint()
    assert second is not None
    with pytest.raises(AssertionError):
        city.shard.abandon_checkpoint(first)
    with pytest.raises(AssertionError):
        city.shard.end_checkpoint(first)


def test_a_checkpoint_that_is_not_in_the_views_has_not_ended(city: City) -> None:
    checkpoint = city.shard.begin_checkpoint()
    assert checkpoint is not None
    with pytest.raises(AssertionError):
        city.shard.end_checkpoint(checkpoint)


def test_the_accounts_of_a_checkpoint_are_those_of_its_moment(city: City) -> None:
    checkpoint = city.shard.begin_checkpoint()
    city.send(Tap(CARD, 500, "transjakarta", "in"))
    assert checkpoint is not None
    assert checkpoint.accounts[OPERATOR_REVENUE] == {"transjakarta": 3500}
    assert city.shard.balance_rp(OPERATOR_REVENUE, "transjakarta") == 4000
