"""The plan: what is held keeps its id, what is new gets the next number, and is paid for."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.calendar import day_of
from ops.replay import held as held_module
from ops.replay.errors import ReplayError
from ops.replay.held import DAY_2000, PER_DAY_MAX, Held
from ops.replay.plan import Plan, Step, make_plan
from ops.replay.trips import Trip
from tests.ops.replay.small import FARE_RP, Ledger, entry_of, ms, trip

DAY_3 = (day_of(ms("3 07:00:00")) - DAY_2000) * PER_DAY_MAX


def ids(plan: Plan) -> list[tuple[str, str, int]]:
    return [(step.kind, step.terminal, step.counter - DAY_3) for step in plan.steps]


def held_of(plan: Plan) -> Held:
    return Held(entry_of(step) for step in plan.steps)


def new(plan: Plan) -> list[Step]:
    return [step for step in plan.steps if not step.is_held]


def test_a_trip_is_a_load_and_two_taps_in_the_order_of_their_times() -> None:
    plan = make_plan([trip("T1")], Held())
    assert ids(plan) == [("load", "loader-dki", 1), ("in", "A", 1), ("out", "B", 1)]
    assert [step.amount_rp for step in plan.steps] == [10_000, FARE_RP, 0]
    assert len(plan.taps) == 2


def test_a_trip_without_tap_out_or_fare_is_one_tap() -> None:
    plan = make_plan([trip("T1", out=None, amount_rp=0)], Held())
    assert ids(plan) == [("in", "A", 1)]


def test_a_tap_out_after_midnight_counts_on_the_day_of_the_tap_in() -> None:
    plan = make_plan([trip("T1", at="3 23:50:00", out="4 00:10:00")], Held())
    assert ids(plan)[-1] == ("out", "B", 1)


def test_a_terminal_s_numbers_go_up_in_the_order_of_sending() -> None:
    trips = [trip(f"T{n}", f"C{n % 3}", at=f"3 07:{n % 7:02}:00") for n in range(20)]
    plan = make_plan(trips, Held())
    for terminal in ("A", "B", "loader-dki"):
        counters = [step.counter for step in plan.steps if step.terminal == terminal]
        assert all(before < after for before, after in pairwise(counters))


@given(st.data())
def test_a_file_in_any_order_or_in_parts_posts_each_tap_once(data: st.DataObject) -> None:
    trips = [
        trip(
            f"T{number}",
            data.draw(st.sampled_from(["C1", "C2", "C3"])),
            at=f"{data.draw(st.integers(3, 4))} 07:0{data.draw(st.integers(0, 3))}:00",
            out=data.draw(st.sampled_from([None, "4 08:00:00", "4 08:01:00"])),
            stop=data.draw(st.sampled_from("AB")),
            amount_rp=data.draw(st.sampled_from([0, FARE_RP, 20_000])),
        )
        for number in range(data.draw(st.integers(1, 12)))
    ]
    ledger = Ledger()
    for _ in range(3):
        part: list[Trip] = [each for each in trips if data.draw(st.booleans())]
        random.Random(data.draw(st.integers(0, 9))).shuffle(part)
        ledger.post(make_plan(part, Held(ledger.entries.values())).steps)
    plan = make_plan(trips, Held(ledger.entries.values()))
    ledger.post(plan.steps)
    assert all(step.outcome and step.outcome.result == "posted" for step in plan.steps)
    taps = [entry for entry in ledger.entries.values() if entry.intent[0] == "tap"]
    assert len(taps) == len(plan.taps) == sum(1 + (each.tap_out is not None) for each in trips)
    purses: dict[str, int] = {}
    for entry in ledger.entries.values():
        for _, owner, amount_rp in entry.postings:
            purses[owner] = purses.get(owner, 0) + amount_rp
    assert all(purses.get(card, 0) >= 0 for card in ("C1", "C2", "C3")), "all rides are paid for"
    assert not new(make_plan(trips, Held(ledger.entries.values())))


def test_a_row_more_shifts_no_number() -> None:
    old = [trip("T2", at="3 07:01:00"), trip("T3", at="3 07:02:00")]
    first = make_plan(old, Held())
    second = make_plan([trip("T1", amount_rp=0), *old], held_of(first))
    assert [(step.kind, step.counter - DAY_3) for step in new(second)] == [("in", 3), ("out", 3)]
    assert {step.trip.trans_id for step in new(second)} == {"T1"}


def test_only_what_is_short_is_loaded_on_top_under_a_proof_of_its_own() -> None:
    first = make_plan([trip("T1"), trip("T2", at="3 09:00:00")], Held())
    trips = [trip("T3", at="3 10:00:00"), trip("T4", at="3 11:00:00", amount_rp=20_000)]
    # The longer file does not even hold the trips that the first load paid for.
    second = make_plan(trips, held_of(first))
    loads = [step for step in second.steps if not step.is_tap]
    assert [(step.amount_rp, step.is_held) for step in loads] == [(10_000, True), (30_000, False)]
    assert loads[0].proof != loads[1].proof
    third = make_plan(trips, Held(entry_of(step) for step in (*first.steps, *second.steps)))
    assert not new(third)


def test_a_trip_that_the_first_load_still_covers_loads_nothing() -> None:
    first = make_plan([trip("T1")], Held())
    later = trip("T2", at="3 09:00:00", out="3 10:00:00")
    second = make_plan([trip("T1"), later], held_of(first))
    assert [step.kind for step in new(second)] == ["in", "out"]


def test_a_tap_that_stands_at_another_terminal_keeps_its_id() -> None:
    first = make_plan([trip("T1")], Held())
    second = make_plan([trip("T1", stop="Z")], held_of(first))
    (tap,) = [step for step in second.steps if step.kind == "in"]
    assert (tap.terminal, tap.counter - DAY_3, tap.is_held) == ("A", 1, True)


def test_a_stop_has_so_many_numbers_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_module, "PER_DAY_MAX", 3)
    trips = [trip(f"T{number}", amount_rp=0) for number in range(3)]
    with pytest.raises(ReplayError, match="A: 3 or more taps on one day"):
        make_plan(trips, Held())
