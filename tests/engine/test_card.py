"""The state of a card as a value."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from engine.card import Card, CardStatus, Granted, HeldAmount, Purse
from tests.engine.strategies import days, media, names, optional_names

MONEY = st.integers(-(2**62), 2**62)
PURSES = st.builds(Purse, *[MONEY] * 6)
HOLDS = st.builds(HeldAmount, names, MONEY, optional_names, MONEY, st.integers(3, 4), names, MONEY)
GRANTS = st.builds(Granted, names, names, names, days, days)
CARDS = st.builds(
    *(Card, names, media, names, st.sampled_from(CardStatus), st.booleans(), PURSES, MONEY),
    st.lists(st.tuples(names, PURSES), max_size=3).map(tuple),
    st.lists(HOLDS, max_size=3).map(tuple),
    *(optional_names, MONEY, MONEY, st.lists(GRANTS, max_size=3).map(tuple)),
)

CARD = Card(
    "A",
    "account",
    "dki",
    main=Purse(100),
    programmes=(("kjp", Purse(7)), ("food", Purse(9))),
    holds=(
        HeldAmount("T", 1, "", 20, 3, "tj", expires_ms=1000),
        HeldAmount("T", 2, "", 30, 3, "tj", expires_ms=2000),
        HeldAmount("T", 3, "food", 4, 3, "tj", expires_ms=2000),
    ),
    grants=(Granted("kjp", "sd", "p1", 10, 20), Granted("ride", "kjp", "p1", 15, 15)),
)


@given(CARDS)
def test_a_card_comes_out_of_msgpack_as_it_went_in(card: Card) -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(card), type=Card) == card


def test_a_purse_is_found_by_its_programme_and_the_own_one_by_the_empty_name() -> None:
    assert CARD.purse("") == Purse(100)
    assert CARD.purse("food") == Purse(9)
    assert CARD.purse("bus") is None


def test_a_hold_counts_until_the_millisecond_in_which_it_expires() -> None:
    assert [CARD.held_rp("", now_ms) for now_ms in (0, 999, 1000, 1999, 2000)] == [
        50,
        50,
        30,
        30,
        0,
    ]
    assert [hold.counter for hold in CARD.open_holds(1000)] == [2, 3]


def test_a_hold_counts_on_its_own_purse_only() -> None:
    assert CARD.held_rp("food", 0) == 4
    assert CARD.held_rp("kjp", 0) == 0
    assert Card("B", "account", "dki").held_rp("", 0) == 0


def test_a_grant_holds_from_its_first_day_to_its_last() -> None:
    first, second = CARD.grants
    found = [CARD.grant_of("kjp", day) for day in (9, 10, 20, 21)]
    assert found == [None, first, first, None]
    assert [CARD.grant_of("ride", day) for day in (14, 15, 16)] == [None, second, None]
    assert CARD.last_grant("kjp") is first
    assert CARD.grant_of("food", 15) is CARD.last_grant("food") is None


def test_a_card_from_before_there_were_grants_fares_tallies_and_chips_has_none() -> None:
    written = msgspec.to_builtins(CARD)
    assert msgspec.convert(written[:-4], Card) == msgspec.structs.replace(CARD, grants=())
