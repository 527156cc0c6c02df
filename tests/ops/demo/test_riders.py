"""Riders: one trip at a time, and money for the morning unless they are to run dry."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.demo.network import Network
from ops.demo.riders import LEFT_RP, TOP_UPS_RP, Rider, Riders


@pytest.mark.parametrize(
    ("need_rp", "top_up_rp"), [(0, 10_000), (5_000, 10_000), (5_001, 20_000), (90_000, 100_000)]
)
def test_top_up_is_the_smallest_note_that_covers_the_morning_and_what_gates_want_to_see(
    need_rp: int, top_up_rp: int
) -> None:
    assert Rider(1, "dki", free=False, dry=False, need_rp=need_rp).top_up_rp == top_up_rp


@given(need_rp=st.integers(1_000, 200_000))
def test_dry_rider_has_some_money_but_too_little(need_rp: int) -> None:
    top_up_rp = Rider(1, "dki", free=False, dry=True, need_rp=need_rp).top_up_rp
    assert 0 < top_up_rp < min(need_rp, LEFT_RP)
    assert top_up_rp % 500 == 0


def test_dry_rider_whose_trips_cost_nothing_has_a_card_like_others() -> None:
    assert Rider(1, "dki", free=False, dry=True).top_up_rp == TOP_UPS_RP[0]


def test_free_rider_puts_nothing_on_the_card() -> None:
    assert Rider(1, "dki", free=True, dry=False, need_rp=14_000).top_up_rp == 0


def test_nobody_makes_two_trips_at_once(network: Network) -> None:
    riders = Riders(network, random.Random(3))
    home_s: dict[int, float] = {}
    for now_s in range(2_000):
        rider = riders.pick(now_s)
        assert home_s.get(rider.number, 0) <= now_s
        home_s[rider.number] = now_s + 30
        riders.travels(rider, now_s + 30)
    assert 600 < len(riders.all) < 1_000


def test_some_who_pay_have_a_stored_card_and_these_are_never_dry(network: Network) -> None:
    riders = Riders(network, random.Random(3))
    found = [riders.pick(0) for _ in range(4_000)]
    stored = [rider for rider in found if rider.stored]
    assert not any(rider.dry or rider.free for rider in stored)
    paying = sum(not rider.free for rider in found)
    assert len(stored) / paying == pytest.approx(network.stored.share, abs=0.03)


def test_cards_are_spread_over_the_banks_by_their_weights(network: Network) -> None:
    riders = Riders(network, random.Random(3))
    banks = [riders.pick(0).bank for _ in range(4_000)]
    weights = {code: bank.weight for code, bank in network.banks.items()}
    for code, weight in weights.items():
        assert banks.count(code) / 4_000 == pytest.approx(weight / sum(weights.values()), abs=0.03)
