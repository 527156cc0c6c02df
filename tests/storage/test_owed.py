"""What cards are owed, from the views and the journal, while a node is at work or not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.accounts import ALL_CARDS, OWED, OWED_FARES
from engine.card import Card
from engine.transaction import Intent, Replace, Tap
from storage.errors import StorageDamaged
from storage.owed import LOOKS_MAX, owed_to_cards
from storage.view_rows import ACCOUNTS, STANDING, STANDING_KEY, account_key, encode
from storage.views import Views
from tests.storage.city import CARDS, PROOF, City, intents, lively_city, terminals


def advice(card: str = CARDS[2], amount_rp: int = 5_000) -> Tap:
    service = "transjakarta_brt"
    return Tap(card, amount_rp, "transjakarta", "in", proof=PROOF, service=service)


def owed(city: City) -> dict[str, int]:
    found = owed_to_cards(city.shard.journal, city.shard.views)
    assert found.position == city.durable
    assert found == owed_to_cards(city.shard.journal, None)
    return found.balances


def test_what_is_in_the_views_and_what_comes_after_them_is_told() -> None:
    city = lively_city()
    assert owed(city) == {}
    city.run(advice(), advice(CARDS[1]))
    assert owed(city) == {CARDS[2]: 5_000, CARDS[1]: 5_000}
    city.shard.checkpoint()
    assert owed(city) == {CARDS[2]: 5_000, CARDS[1]: 5_000}
    # The next tap-in ends the ride, and 3,500 of it was due.
    city.run(advice(amount_rp=0))
    assert owed(city) == {CARDS[2]: 1_500, CARDS[1]: 5_000}
    city.run(Replace(CARDS[2], CARDS[3]))
    city.shard.checkpoint()
    assert owed(city) == {CARDS[3]: 1_500, CARDS[1]: 5_000}


@settings(max_examples=40)
@given(blocks=st.lists(st.tuples(intents, terminals, st.booleans()), max_size=30))
def test_all_of_them_together_are_what_the_account_says(
    blocks: list[tuple[Intent, str, bool]],
) -> None:
    city = lively_city()
    for intent, terminal, with_checkpoint in blocks:
        city.run(intent, terminal=terminal)
        if with_checkpoint:
            city.shard.checkpoint()
    found = owed(city)
    assert sum(found.values()) == city.shard.book.accounts[OWED_FARES].get(ALL_CARDS, 0)
    for card in CARDS:
        known = city.shard.book.cards.get(card)
        purse = known.purse(OWED) if known else None
        assert found.get(card, 0) == (purse.balance_rp if purse else 0)


class Disturbed(Views):
    """Views to which something is written each time that all cards are read."""

    def __init__(self, city: City, times: int) -> None:
        super().__init__(city.shard.views.store)
        self._city = city
        self.times = times

    def all_cards(self) -> Iterator[Card]:
        """Walk the cards, and let the node go on after the first."""
        for card in super().all_cards():
            yield card
            if self.times:
                self.times -= 1
                self._city.run(advice())
                self._city.shard.checkpoint()


@pytest.mark.parametrize("times", [1, LOOKS_MAX, 100])
def test_a_checkpoint_while_cards_are_read_spoils_nothing(times: int) -> None:
    city = lively_city()
    city.run(advice())
    city.shard.checkpoint()
    views = Disturbed(city, times)
    found = owed_to_cards(city.shard.journal, views)
    assert found.position == city.durable
    card = city.shard.book.cards.get(CARDS[2])
    assert card is not None
    purse = card.purse(OWED)
    assert purse is not None
    assert found.balances == {CARDS[2]: purse.balance_rp}


def test_views_that_stand_nowhere_are_not_used() -> None:
    city = lively_city()
    city.run(advice())
    city.shard.checkpoint()
    city.shard.views.store.write([(STANDING, STANDING_KEY, None)])
    assert owed(city) == {CARDS[2]: 5_000}


def test_cards_that_are_not_what_their_account_says_are_refused() -> None:
    city = lively_city()
    city.run(advice())
    city.shard.checkpoint()
    account = account_key(OWED_FARES, ALL_CARDS)
    city.shard.views.store.write([(ACCOUNTS, account, encode(4_999))])
    with pytest.raises(StorageDamaged, match="not what their account says"):
        owed(city)
