"""The planned morning: the same for the same seed, and each tap as the rules of the city want."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import pytest

from engine.accounts import OPERATOR_REVENUE, PROGRAMME_FUND
from engine.transaction import Grant, Intent, Issue, Tap, TopUp
from ops.demo.city import FORGOTTEN, MIDNIGHT, City, morning
from ops.demo.network import Network, seconds
from tests.ops.demo.played import Played, played_on


def tap_of(intent: Intent) -> Tap:
    assert isinstance(intent, Tap)
    return intent


def test_same_seed_gives_the_same_morning_and_another_seed_another(network: Network) -> None:
    first, again, other = (morning(network, random.Random(seed), trips=50) for seed in (5, 5, 6))
    assert first == again
    assert first.taps != other.taps


def test_counters_of_each_terminal_run_without_gaps_in_the_order_of_time(city: City) -> None:
    last = Counter[str]()
    for plan in (*city.loads, *city.taps):
        assert plan.counter == last[plan.terminal] + 1
        last[plan.terminal] = plan.counter
    assert all(before.at_ms <= after.at_ms for before, after in pairwise(city.taps))


def test_only_known_readers_tap(network: Network, city: City) -> None:
    assert {plan.terminal for plan in city.taps} <= set(network.readers())


def test_every_card_is_issued_then_topped_up_by_its_bank(city: City) -> None:
    issued: dict[str, str] = {}
    for plan in city.loads:
        if isinstance(plan.intent, Issue):
            assert plan.intent.card not in issued
            issued[plan.intent.card] = plan.intent.bank
        else:
            assert isinstance(plan.intent, TopUp | Grant)
            assert plan.terminal == f"loader-{issued[plan.intent.card]}"
            assert isinstance(plan.intent, Grant) or plan.intent.bank == issued[plan.intent.card]
    assert len(issued) == city.cards
    assert {tap_of(plan.intent).card for plan in city.taps} <= issued.keys()


def test_each_trip_has_one_tap_in_and_at_most_one_tap_out(city: City) -> None:
    directions = Counter(tap_of(plan.intent).direction for plan in city.taps)
    assert directions["in"] == city.trips == 600
    assert city.trips - directions["out"] >= city.forgotten
    assert 0 < city.forgotten < 3 * FORGOTTEN * city.trips


def test_taps_of_one_card_alternate_unless_forgotten_or_turned_away(city: City) -> None:
    by_card: dict[str, list[Tap]] = {}
    for plan in city.taps:
        by_card.setdefault(tap_of(plan.intent).card, []).append(tap_of(plan.intent))
    for taps in by_card.values():
        assert taps[0].direction == "in"
        for before, after in pairwise(taps):
            if after.direction == "out":
                assert (before.direction, before.line) == ("in", after.line)
            elif after.direction == "reset":
                assert before.direction == "in"


def test_a_chip_pays_and_an_account_leaves_it_to_the_node(network: Network, city: City) -> None:
    issues = [plan.intent for plan in city.loads if isinstance(plan.intent, Issue)]
    stored = {intent.card for intent in issues if intent.medium == "stored"}
    assert len(stored) == city.stored > 0
    paid = Counter[tuple[str, str, int]]()
    services = {line.code: network.fares[line.fare].service for line in network.lines}
    for plan in city.taps:
        tap = tap_of(plan.intent)
        assert tap.service == services[tap.line]
        assert (tap.proof is not None) is (tap.card in stored)
        if tap.card in stored:
            paid[tap.line, tap.direction, tap.amount_rp] += 1
        else:
            assert tap.amount_rp == 0
    assert paid["TJ1", "in", 3_500] > paid["TJ1", "out", 0] > 0
    assert {key for key in paid if key[:2] == ("TJ1", "in")} == {("TJ1", "in", 3_500)}
    assert {key for key in paid if key[:2] == ("MRT", "in")} == {("MRT", "in", 0)}
    assert all(amount_rp >= 3_000 for line, way, amount_rp in paid if (line, way) == ("MRT", "out"))


def test_the_node_charges_the_fare_of_the_hour_and_the_way(network: Network, city: City) -> None:
    lines = {line.code: line for line in network.lines}
    earned = Counter[int]()
    for entry in played_on(city).entries:
        tap = entry.intent
        if isinstance(tap, Tap) and tap.direction == "out" and entry.posted:
            rupiah = sum(rp for kind, _, rp in entry.postings if kind == OPERATOR_REVENUE)
            earned[rupiah] += lines[tap.line].fare == "transjakarta"
    assert set(+earned) == {2_000, 3_500}


def test_who_did_not_tap_out_is_let_out_before_the_next_gate(network: Network) -> None:
    city = morning(network, random.Random(1), trips=4_000)
    resets = [plan for plan in city.taps if tap_of(plan.intent).direction == "reset"]
    assert resets
    stored = {tap_of(plan.intent).card for plan in city.taps if tap_of(plan.intent).proof}
    assert not {tap_of(plan.intent).card for plan in resets} & stored


def test_nobody_changes_between_services_that_are_paid_together(
    network: Network, city: City
) -> None:
    fares: dict[str, set[str]] = {}
    lines = {line.code: line.fare for line in network.lines}
    for plan in city.taps:
        tap = tap_of(plan.intent)
        if network.fares[lines[tap.line]].balance_min_rp:
            fares.setdefault(tap.card, set()).add(lines[tap.line])
    assert {len(found) for found in fares.values()} == {1}


def test_free_riders_have_a_grant_and_the_programme_pays_the_operator(
    network: Network, played: Played
) -> None:
    city = played.city
    free = {plan.intent.card for plan in city.loads if isinstance(plan.intent, Grant)}
    topped_up = {plan.intent.card for plan in city.loads if isinstance(plan.intent, TopUp)}
    assert len(free) == city.free_riders
    assert not free & topped_up
    assert 0 < city.free_riders < city.cards // 5
    taps = [e for e in played.entries if isinstance(e.intent, Tap) and e.intent.card in free]
    lines = [line for entry in taps for line in entry.postings]
    assert {kind for kind, _, _ in lines} == {OPERATOR_REVENUE, PROGRAMME_FUND}
    assert {owner for kind, owner, _ in lines if kind == PROGRAMME_FUND} == {network.programme.code}


def test_the_engine_refuses_what_the_plan_calls_dry_and_nothing_else(played: Played) -> None:
    reasons = Counter(entry.reason.value for entry in played.entries if entry.reason)
    assert reasons == {"below_floor": played.city.dry}
    assert played.city.dry > 0


def test_nobody_taps_out_after_being_turned_away(played: Played) -> None:
    away = {
        entry.intent.card
        for entry in played.entries
        if entry.reason and isinstance(entry.intent, Tap) and entry.intent.direction == "in"
    }
    assert away
    for card in away:
        taps = [e for e in played.entries if isinstance(e.intent, Tap) and e.intent.card == card]
        for before, after in pairwise(taps):
            assert not (before.reason and tap_of(after.intent).direction == "out")


def test_the_morning_has_its_shape(network: Network) -> None:
    city = morning(network, random.Random(1), trips=4_000)
    at_s = [plan.at_ms // 1000 - int(MIDNIGHT.timestamp()) for plan in city.taps]
    ins = [
        at
        for at, plan in zip(at_s, city.taps, strict=True)
        if tap_of(plan.intent).direction == "in"
    ]
    share = sum(seconds("08:00") <= at < seconds("09:00") for at in ins) / len(ins)
    expected = sum(network.morning.shares[-6:]) / sum(network.morning.shares)
    assert share == pytest.approx(expected, abs=0.03)
    assert max(at_s) < seconds("11:00")
