"""What the node made of the rides of a file is read from what it holds, in whatever order."""

from __future__ import annotations

from collections import Counter

import pytest

from engine.fares.lines import LineNetwork
from ops.gtfs import read_gtfs
from ops.replay.csv_file import Reading, read_trips
from ops.replay.held import Held
from ops.replay.ledger import Standing
from ops.replay.plan import Plan, make_plan
from ops.replay.rated import Priced, Rides, rides_of
from ops.replay.reconcile import reconcile
from ops.replay.services import Services
from ops.replay.trips import Trip
from tests.ops.replay.rated_ledger import RatedLedger
from tests.ops.replay.small import trip
from tests.ops.test_april_fares import APRIL, april_rides
from tests.reference import reference

EARLY = trip("T1", at="3 06:00:00", out="3 06:40:00", line=2)
LATER = trip("T2", at="3 08:00:00", out="3 08:40:00", stop="C", line=3)
LOST = trip("T3", at="3 08:00:00", out=None, stop="C", line=4)
LAST = trip("T4", at="3 17:00:00", out="3 17:40:00", line=5)


def rated(trips: list[Trip], ledger: RatedLedger | None = None) -> Rides:
    plan = (ledger or RatedLedger()).replay(trips)
    rides = rides_of(plan.taps)
    assert rides is not None
    assert rides.balanced
    return rides


def brt(paid_rp: int, due_rp: int) -> Priced:
    return Priced("transjakarta_brt", paid_rp, due_rp)


def test_what_was_paid_too_much_in_the_early_hours_is_owed() -> None:
    ledger = RatedLedger()
    rides = rated([EARLY, LATER], ledger)
    assert rides.ended == Counter({brt(3_500, 2_000): 1, brt(3_500, 3_500): 1})
    assert (rides.taps, rides.paid_rp, rides.owed_rp, rides.earned_rp) == (4, 7_000, 1_500, 5_500)
    assert ledger.owed_rp("C1") == ledger.owed_in_all_rp() == 1_500
    assert (rides.open, rides.next_tap, rides.overlapping, rides.unrated) == ([], [], [], [])


def test_a_ride_that_is_not_tapped_out_is_open_until_the_next_tap() -> None:
    ledger = RatedLedger()
    rides = rated([LOST], ledger)
    assert (rides.open, rides.open_paid_rp, rides.owed_rp) == ([4], 3_500, 3_500)
    assert not rides.ended
    rides = rated([LOST, LAST], ledger)
    assert (rides.open, rides.next_tap, rides.owed_rp) == ([], [4], 0)
    assert rides.ended == Counter({brt(3_500, 3_500): 2})


@pytest.mark.parametrize("out", ["3 08:20:00", "3 09:00:00"])
def test_rides_at_the_same_time_are_told(out: str) -> None:
    inner = trip("T5", at="3 08:10:00", out=out, stop="D", out_stop="E", line=6)
    rides = rated([LATER, inner, LAST])
    assert rides.overlapping == [3, 6]
    # The first was ended by the second tap-in; of the second tap-out no tap-in is left.
    assert rides.earned_rp == 4 * 3_500
    assert rides.owed_rp == -3_500


def test_a_short_ride_within_a_long_one_is_told_and_the_next_one_too() -> None:
    long = trip("T6", at="3 08:00:00", out="3 12:00:00", line=7)
    short = trip("T7", at="3 08:10:00", out="3 08:20:00", line=8)
    after = trip("T8", at="3 11:00:00", out="3 11:10:00", line=9)
    other = trip("T9", "C2", at="3 11:00:00", out="3 11:10:00", line=10)
    assert rated([long, short, after, other]).overlapping == [7, 8, 9]


def test_again_the_same_is_told() -> None:
    ledger = RatedLedger()
    first = rated([EARLY, LOST, LAST], ledger)
    entries = len(ledger.entries)
    assert rated([EARLY, LOST, LAST], ledger) == first
    assert len(ledger.entries) == entries


def test_a_row_that_comes_late_is_rated_in_its_place() -> None:
    ledger = RatedLedger()
    rated([EARLY, LAST], ledger)
    rides = rated([EARLY, LATER, LAST], ledger)
    assert rides.ended == Counter({brt(3_500, 3_500): 2, brt(3_500, 2_000): 1})


def test_what_was_not_rated_when_it_was_sent_stays_so() -> None:
    ledger = RatedLedger()
    plain = ledger.replay([EARLY], services=None)
    assert rides_of(plain.taps) is None
    rides = rated([EARLY, LAST], ledger)
    assert (rides.unrated, rides.taps, rides.owed_rp) == ([2], 2, 0)
    assert [step.is_held for step in ledger.replay([EARLY, LAST]).taps] == [True] * 4


def test_a_trip_of_which_one_tap_is_held_unrated_is_not_rated_by_half() -> None:
    ledger = RatedLedger()
    ledger.issue({"C1"})
    ledger.post(step for step in make_plan([EARLY], Held()).steps if step.kind != "out")
    plan = ledger.replay([EARLY])
    assert [(step.service, step.is_held) for step in plan.taps] == [("", True), ("", False)]


def test_what_was_rated_stays_so_without_services() -> None:
    ledger = RatedLedger()
    rated([EARLY], ledger)
    plan = ledger.replay([EARLY, LAST], services=None)
    assert [step.service for step in plan.taps] == ["transjakarta_brt"] * 2 + [""] * 2


def reconciled(plan: Plan, trips: list[Trip], after: Standing) -> bool:
    before = Standing(0, dict.fromkeys(after.revenue_rp, 0))
    rides = rides_of(plan.taps)
    return reconcile(Reading(len(trips), trips, [], {}), plan, before, after, rides).reconciled


def test_both_sides_are_the_same_with_what_is_owed() -> None:
    ledger = RatedLedger()
    trips = [EARLY, LOST, LAST]
    plan = ledger.replay(trips)
    after = Standing(ledger.book.position, {"transjakarta": 9_000}, 1_500)
    assert reconciled(plan, trips, after)
    assert not reconciled(plan, trips, after._replace(owed_rp=1_499))
    step = plan.taps[-1]
    found = ledger.entries[step.terminal, step.counter]
    lines = ((3, "transjakarta", 3_501), (11, "C1", -3_500))
    step.found = found._replace(entry=found.entry._replace(postings=lines))
    assert not reconciled(plan, trips, after)


@pytest.mark.slow
def test_half_of_april_is_rated_as_its_rules_say() -> None:
    services = Services(LineNetwork([read_gtfs(reference("gtfs"))]).services)
    trips = read_trips(reference(APRIL)).trips
    ledger = RatedLedger()
    rides = rides_of(ledger.replay(trips, services).taps)
    assert rides is not None
    rows = {ride.line: ride for ride in april_rides()}
    is_open = [rows.pop(line) for line in rides.open]
    assert rides.ended == Counter(Priced(*ride[1:]) for ride in rows.values())
    # What is due beyond that, once they have ended, is due for the rides that are open.
    owed_rp = sum(ride.paid_rp - ride.due_rp for ride in (*rows.values(), *is_open))
    open_rp = sum(ride.due_rp for ride in is_open)
    assert (owed_rp, open_rp, rides.owed_rp) == (3_693_500, 137_000, 3_830_500)
    assert rides.owed_rp == ledger.owed_in_all_rp()
    assert rides.owed_rp == sum(ledger.owed_rp(card) for card in ledger.cards)
    assert (len(rides.open), rides.open_paid_rp) == (61, 141_500)
    assert (len(rides.next_tap), len(rides.overlapping), rides.unrated) == (568, 2, [])
    assert (rides.paid_rp, rides.earned_rp, rides.balanced) == (48_478_000, 44_647_500, True)
