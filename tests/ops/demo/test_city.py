"""The planned morning: the same for the same seed, and each tap as the rules of the city want."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import pytest

from engine.transaction import Group, Intent, Issue, Subsidy, Tap, TopUp
from ops.demo.city import FORGOTTEN, MIDNIGHT, City, morning
from ops.demo.network import Network, seconds
from tests.ops.demo.played import Played


def tap_of(intent: Intent) -> Tap:
    tap = intent.parts[0] if isinstance(intent, Group) else intent
    assert isinstance(tap, Tap)
    return tap


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
            assert isinstance(plan.intent, TopUp)
            assert issued[plan.intent.card] == plan.intent.bank
            assert plan.terminal == f"loader-{plan.intent.bank}"
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
            assert after.direction == "in" or (before.direction, before.line) == ("in", after.line)


def test_fares_are_those_of_the_line_the_hour_and_the_way(network: Network, city: City) -> None:
    seven_ms = int(MIDNIGHT.timestamp() * 1000) + seconds("07:00") * 1000
    lines = {line.code: line for line in network.lines}
    origins: dict[str, str] = {}
    seen = set[tuple[str, str]]()
    for plan in city.taps:
        tap = tap_of(plan.intent)
        subsidy = plan.intent.parts[1] if isinstance(plan.intent, Group) else None
        paid_rp = subsidy.amount_rp if isinstance(subsidy, Subsidy) else tap.amount_rp
        seen.add((tap.line, tap.direction))
        names = [stop.name for stop in lines[tap.line].stops]
        if (tap.line, tap.direction) == ("MRT", "out"):
            table = network.fares["mrt-jakarta"].table
            assert paid_rp == table[names.index(origins[tap.card])][names.index(tap.place)] or (
                paid_rp == 0 and not isinstance(plan.intent, Group)
            )
        elif tap.direction == "out" or tap.line in ("MRT", "JAK04"):
            assert paid_rp == 0
        elif tap.line == "LRT":
            assert paid_rp == 5_000
        else:
            assert paid_rp == (2_000 if plan.at_ms < seven_ms else 3_500)
        origins[tap.card] = tap.place
    assert seen == {(code, direction) for code in lines for direction in ("in", "out")}


def test_free_riders_pay_nothing_and_the_programme_pays_the_operator(
    network: Network, city: City
) -> None:
    groups = [plan.intent for plan in city.taps if isinstance(plan.intent, Group)]
    topped_up = {plan.intent.card for plan in city.loads if isinstance(plan.intent, TopUp)}
    assert groups
    for group in groups:
        tap, subsidy = group.parts
        assert isinstance(tap, Tap)
        assert isinstance(subsidy, Subsidy)
        assert tap.amount_rp == 0
        assert tap.card not in topped_up
        assert (subsidy.programme, subsidy.operator) == (network.programme.code, tap.operator)
    assert 0 < city.free_riders < city.cards // 5


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
