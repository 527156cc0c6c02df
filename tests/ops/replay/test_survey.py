"""The survey finds what is held with few questions, and asks none where nothing can be."""

from __future__ import annotations

import pytest
import trio

from engine.calendar import day_of
from ops.replay.errors import ReplayError
from ops.replay.held import Held
from ops.replay.plan import make_plan
from ops.replay.survey import ABSENT_MAX, ask_card, ask_day, look_back
from ops.replay.trips import Trip
from protocol.errors import QueryCode
from terminals.messages import Failed
from tests.ops.replay.small import Client, Ledger, trip


async def surveyed(ledger: Ledger, trips: list[Trip], cards: set[str] | None = None) -> Held:
    known = {each.card for each in trips} if cards is None else cards
    done: list[int] = []
    totals: list[int] = []
    with trio.fail_after(5):
        found = await look_back(
            ledger.open_terminal,  # type: ignore[arg-type]
            trips,
            sorted(known),
            at_once=3,
            on_total=totals.append,
            on_one=lambda: done.append(1),
        )
    assert len(done) == totals[-1]
    return found


def new_of(trips: list[Trip], held: Held) -> list[tuple[str, str]]:
    steps = make_plan(trips, held).steps
    return [(step.trip.trans_id, step.kind) for step in steps if not step.is_held]


TRIPS = [trip(f"T{number}", f"C{number % 3}", at=f"3 07:{number:02}:00") for number in range(9)]


async def test_a_first_replay_asks_nothing() -> None:
    ledger = Ledger()
    held = await surveyed(ledger, TRIPS, set())
    assert ledger.questions == 0
    assert len(new_of(TRIPS, held)) == 3 + 18


async def test_days_before_the_counters_began_are_not_asked_for() -> None:
    ledger = Ledger()
    ledger.post(make_plan(TRIPS, Held()).steps)
    ledger.questions = 0
    later = [trip("U1", "NEW", at="9 07:00:00", out="9 08:00:00")]
    await surveyed(ledger, later, set())
    assert ledger.questions == 0


async def test_all_that_is_held_is_found_though_no_card_shows_a_tap_out() -> None:
    ledger = Ledger()
    ledger.post(make_plan(TRIPS, Held()).steps)
    assert new_of(TRIPS, await surveyed(ledger, TRIPS)) == []
    longer = [*TRIPS, trip("T9", "C9", at="3 06:00:00")]
    found = await surveyed(ledger, longer, {"C0", "C1", "C2"})
    assert new_of(longer, found) == [("T9", "load"), ("T9", "in"), ("T9", "out")]


async def test_taps_beyond_a_gap_that_a_broken_replay_left_are_found() -> None:
    ledger = Ledger()
    steps = make_plan(TRIPS, Held()).steps
    outs = [step for step in steps if step.kind == "out"]
    missing = outs[: ABSENT_MAX - 1]
    ledger.post(step for step in steps if step not in missing)
    found = await surveyed(ledger, TRIPS)
    assert new_of(TRIPS, found) == [(step.trip.trans_id, "out") for step in missing]
    again = make_plan(TRIPS, found).steps
    ledger.post(again)
    assert all(step.outcome and step.outcome.result == "posted" for step in again)


async def test_after_a_day_s_last_number_not_many_more_are_asked_for() -> None:
    ledger = Ledger()
    day_4 = [trip(f"U{number}", "C5", at="4 07:00:00", out="4 08:00:00") for number in range(9)]
    ledger.post(make_plan([*TRIPS, *day_4], Held()).steps)
    free = [trip("NEW", "C9", amount_rp=0, out=None)]
    held = await surveyed(ledger, free, set())
    assert new_of(free, held) == [("NEW", "in")]
    assert ledger.questions == len(TRIPS) + ABSENT_MAX


async def test_a_number_that_another_file_has_is_not_given_again() -> None:
    ledger = Ledger()
    ledger.post(make_plan(TRIPS, Held()).steps)
    other = [trip("U1", "C9"), trip("U2", "C9", at="3 09:00:00")]
    steps = make_plan(other, await surveyed(ledger, other, set())).steps
    ledger.post(steps)
    assert all(step.outcome and not step.outcome.repeated for step in steps)


async def test_a_node_that_does_not_say_what_it_holds_of_a_terminal_ends_the_replay() -> None:
    ledger = Ledger()
    ledger.post(make_plan(TRIPS, Held()).steps)
    ledger.failure = Failed(QueryCode.NOT_ALLOWED, "", "not yours")
    client, day = Client(ledger, "A"), day_of(TRIPS[0].tap_in.at_ms)
    with pytest.raises(ReplayError, match="does not say what it holds of A/"):
        await ask_day(client, day, {b"proof"}, Held())  # type: ignore[arg-type]


async def test_a_node_that_does_not_say_what_it_holds_of_a_card_ends_the_replay() -> None:
    ledger = Ledger()
    ledger.failure = Failed(QueryCode.NOT_ALLOWED, "", "not yours")
    with pytest.raises(ReplayError, match="does not say what it holds of card C1"):
        await ask_card(Client(ledger, "auditor-1"), "C1", Held())  # type: ignore[arg-type]
