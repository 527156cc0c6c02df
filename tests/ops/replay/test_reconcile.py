"""Reconciliation: every difference between file and ledger is found, and what is new counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest

from engine.accounts import OPERATOR_REVENUE, PURSE
from ops.replay.csv_file import BadRow, Reading
from ops.replay.held import Held
from ops.replay.ledger import Standing
from ops.replay.plan import Plan, make_plan
from ops.replay.reconcile import NO_BANK, Reconciliation, Sides, reconcile
from ops.replay.trips import OPERATORS, Trip
from terminals.messages import Entry, Failed, Found, Outcome
from tests.ops.replay.small import FARE_RP, Ledger, trip

TRIPS = [trip("T1"), trip("T2", "C2", at="3 07:10:00", line=3)]


@dataclass
class Played:
    """A replay that was posted to a ledger in memory."""

    ledger: Ledger
    plan: Plan
    reading: Reading
    before: Standing

    def result(self, *, moved_rp: int | None = None) -> Reconciliation:
        revenue_rp = dict(standing(self.ledger).revenue_rp)
        if moved_rp is not None:
            revenue_rp["transjakarta"] = moved_rp
        after = Standing(len(self.ledger.entries), revenue_rp)
        return reconcile(self.reading, self.plan, self.before, after)

    def tap_in(self) -> Found:
        (step,) = [s for s in self.plan.steps if (s.kind, s.trip.trans_id) == ("in", "T1")]
        assert isinstance(step.found, Found)
        return step.found

    def put(self, entry: Entry) -> None:
        """Let the ledger hold something else under an id."""
        for step in self.plan.steps:
            if (step.terminal, step.counter) == (entry.terminal, entry.counter):
                step.found = Found(0, entry)


def standing(ledger: Ledger) -> Standing:
    revenue_rp = Counter(dict.fromkeys(OPERATORS, 0))
    for entry in ledger.entries.values():
        for kind, owner, amount_rp in entry.postings:
            revenue_rp[owner] += amount_rp * (kind == OPERATOR_REVENUE)
    return Standing(len(ledger.entries), {name: revenue_rp[name] for name in OPERATORS})


def played(trips: list[Trip] = TRIPS, ledger: Ledger | None = None) -> Played:
    ledger = ledger or Ledger()
    before = standing(ledger)
    plan = make_plan(trips, Held(ledger.entries.values()))
    ledger.post(plan.steps)
    return Played(ledger, plan, Reading(len(trips), trips, [], {}), before)


def test_what_was_posted_whole_has_no_difference() -> None:
    result = played().result()
    assert (result.taps_sent, result.posted, result.duplicates, result.refused) == (4, 4, 0, 0)
    assert result.total == result.operators["transjakarta"] == Sides(2 * FARE_RP, 2 * FARE_RP)
    assert result.banks == {"dki": Sides(2 * FARE_RP, 2 * FARE_RP)}
    assert (result.loaded_rp, result.differences, result.reconciled) == (20_000, [], True)


def test_again_it_is_all_known() -> None:
    result = played(ledger=played().ledger).result()
    assert (result.posted, result.duplicates, result.differences) == (0, 4, [])


def test_what_another_replay_posts_at_the_same_time_is_not_claimed() -> None:
    mine = played()
    for step in mine.plan.steps:
        assert step.outcome is not None
        step.outcome = step.outcome._replace(repeated=True)
    result = mine.result()
    assert (result.posted, result.duplicates) == (0, 4)
    (difference,) = result.differences
    assert (difference.what, difference.ledger_rp) == ("account", 2 * FARE_RP)


def test_an_answer_that_was_lost_and_came_again_is_still_new() -> None:
    mine = played()
    for step in mine.plan.steps:
        assert step.outcome is not None
        step.outcome = step.outcome._replace(repeated=True)
        step.was_resent = True
    result = mine.result()
    assert (result.posted, result.duplicates, result.differences) == (4, 0, [])


def test_a_double_charge_shows_in_the_account_of_its_operator() -> None:
    result = played().result(moved_rp=3 * FARE_RP)
    (difference,) = result.differences
    assert (difference.file_rp, difference.ledger_rp) == (2 * FARE_RP, 3 * FARE_RP)
    assert "transjakarta's account moved by other taps" in difference.reason
    assert not result.reconciled


def test_a_row_that_was_refused_explains_what_it_names() -> None:
    mine = played()
    bad = [
        BadRow(4, "T3", "tapInTime", "x", "not a time", FARE_RP),
        BadRow(5, "", "payAmount", "", "no amount", 0),
    ]
    result = reconcile(
        mine.reading._replace(refused=bad), mine.plan, mine.before, standing(mine.ledger)
    )
    (difference,) = result.differences
    assert (difference.line, difference.what, difference.explained) == (4, "row", True)
    assert difference.reason == "row refused: tapInTime not a time"
    assert result.total == Sides(3 * FARE_RP, 2 * FARE_RP)
    assert result.reconciled


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"reason": "below_floor", "postings": ()}, "refused: below_floor"),
        ({"at_ms": 1}, "the ledger holds it otherwise"),
        ({"postings": ((PURSE, "C1", -1), (OPERATOR_REVENUE, "mrt", 1))}, "another account"),
        (
            {"postings": ((PURSE, "C9", -FARE_RP), (OPERATOR_REVENUE, "transjakarta", FARE_RP))},
            "another purse",
        ),
    ],
)
def test_what_the_ledger_holds_otherwise_is_a_difference(
    change: dict[str, object], reason: str
) -> None:
    mine = played()
    mine.put(mine.tap_in().entry._replace(**change))  # type: ignore[arg-type]
    result = mine.result()
    (first, *_) = result.differences
    assert reason in first.reason
    assert (first.line, first.trans_id, first.explained) == (2, "T1", False)


def test_what_is_absent_is_a_difference_with_the_answer_that_it_got() -> None:
    mine = played()
    load, tap, *_ = mine.plan.steps
    load.found = tap.found = Failed("not_found", "", "no such")
    tap.outcome = Outcome(tap.counter, "refused", reason="medium_is_stored")
    result = mine.result()
    reasons = [difference.reason for difference in result.differences]
    assert reasons[:2] == ["not in the ledger", "refused: medium_is_stored"]
    assert result.refused == 1
    # Its load is unknown, so who loaded the other card of that bank is all that is known.
    assert NO_BANK not in result.banks


def test_who_loaded_a_card_is_unknown_where_its_load_is() -> None:
    mine = played()
    for step in mine.plan.steps:
        if not step.is_tap:
            step.found = None
    assert mine.result().banks[NO_BANK] == Sides(0, 2 * FARE_RP)


def test_exceptions_are_counted() -> None:
    mine = played()
    mine.put(mine.tap_in().entry._replace(exceptions=("below_floor",)))
    assert mine.result().exceptions == {"below_floor": 1}
