"""A rehearsal: the same taps by two sets of rules, and figures that fit together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.accounts import OPERATOR_REVENUE, PROGRAMME_FUND
from engine.calendar import day_of
from engine.card import Granted
from engine.fares.rating import rate_all
from engine.fares.rehearsal import LARGEST_MAX, NO_GROUP, Rehearsal, TakenTap, group_of
from engine.fares.state import SeenTap
from engine.fares.tariff import Tariffs
from engine.rules.proposed import in_force_since
from engine.rules.rulebook import Rulebook
from tests.engine.fares.test_rating import BRT, MRT_RIDE, by_distance, ride, tap
from tests.engine.fares.test_ride import TARIFFS, Along, at
from tests.engine.rules.written import rule, written
from tests.engine.rules_here import RULEBOOK

DAY: Final = day_of(at("2024-07-03"))
ELDERLY: Final = Granted("free_ride", "elderly", "p", DAY - 9, DAY + 9)
DEARER_RULE: Final = rule(
    "fare.transjakarta",
    "flat_fare",
    'services = ["transjakarta_brt", "transjakarta_non_brt"]\n'
    "amount_rp = 5_000\n"
    "windows = [{ since = 05:00:00, until = 07:00:00, amount_rp = 2_000 }]\n",
    since="2024-01-01",
)
CAP_RULE: Final = rule(
    "cap", "fare_cap", f'services = ["{BRT}", "mrt"]\nprogramme = "cap"\nday_rp = 6_000\n'
)


def tariffs(*rules: str) -> Tariffs:
    """Return the tariffs that come with the program, with other rules beside them."""
    proposal = written("new", *rules)
    since = proposal.rules[0].rule.valid_from
    instruments, _ = in_force_since(since, [proposal], RULEBOOK.instruments)
    return Tariffs(Rulebook(instruments), Along())


DEARER: Final = tariffs(DEARER_RULE)


def taken(
    taps: Iterable[SeenTap], line: str = "1", grants: tuple[Granted, ...] = ()
) -> list[TakenTap]:
    return [TakenTap(each, line, grants) for each in taps]


EARLY: Final = ride(BRT, "06:00", "0", "06:30", "9000")
LATER: Final = ride(BRT, "08:00", "0", "08:30", "4000")


def test_a_dearer_fare_keeps_the_early_hours() -> None:
    rehearsal = Rehearsal(TARIFFS, DEARER)
    rehearsal.add("A", taken((*LATER, *EARLY)))
    total = rehearsal.total
    assert (total.taps, total.before.holders_rp, total.after.holders_rp) == (4, 5_500, 7_000)
    assert (rehearsal.cards, rehearsal.cards_more, rehearsal.cards_less) == (1, 1, 0)
    (largest,) = rehearsal.largest
    assert largest == (1_500, "A", 5_500, 7_000)


def test_what_is_cheaper_is_counted_and_is_no_increase() -> None:
    rehearsal = Rehearsal(DEARER, TARIFFS)
    rehearsal.add("A", taken(LATER))
    assert (rehearsal.cards, rehearsal.cards_more, rehearsal.cards_less) == (1, 0, 1)
    assert rehearsal.largest == []
    assert rehearsal.total.largest_rp == 1_500


def test_a_fund_pays_more_where_the_holder_pays_nothing() -> None:
    rehearsal = Rehearsal(TARIFFS, tariffs(DEARER_RULE, FREE_BY_ANOTHER))
    rehearsal.add("A", taken(LATER, grants=(OTHER,)))
    change = rehearsal.groups["other/old"]
    assert (change.before.holders_rp, change.after.holders_rp) == (3_500, 0)
    assert (change.before.funds_rp, change.after.funds_rp) == (0, 5_000)
    assert (change.before.operators_rp, change.after.operators_rp) == (3_500, 5_000)
    assert change.largest_rp == 5_000
    assert rehearsal.programmes["other"].after_rp == 5_000
    sides = rehearsal.operators["transjakarta"]
    assert (sides.before_rp, sides.after_rp) == (3_500, 5_000)


OTHER: Final = Granted("other", "old", "p", DAY, DAY)
FREE_BY_ANOTHER: Final = rule(
    "free.other",
    "free_ride",
    'programme = "other"\n'
    f'services = ["{BRT}"]\npercent = 100\ncard_months = 6\n'
    'groups = [{ number = 1, name = "old", who_id = "lansia", who_en = "the old" }]\n',
)


def test_a_cap_counts_what_the_same_day_has_cost_before_the_taps_that_count() -> None:
    capped = tariffs(CAP_RULE)
    rehearsal = Rehearsal(TARIFFS, capped, at("2024-07-03 08:35"))
    rehearsal.add("A", taken((*LATER, *ride(BRT, "20:00", "0", "20:30", "1"))))
    # 3,500 were paid before; of 3,500 more, 1,000 are above the cap.
    total = rehearsal.total
    assert (total.taps, total.before.holders_rp, total.after.holders_rp) == (2, 3_500, 2_500)
    assert rehearsal.programmes["cap"].after_rp == 1_000


def test_a_card_whose_taps_all_were_before_does_not_count() -> None:
    rehearsal = Rehearsal(TARIFFS, DEARER, at("2024-07-04"))
    rehearsal.add("A", taken(LATER))
    assert (rehearsal.cards, rehearsal.total.taps, rehearsal.lines) == (0, 0, {})


def test_a_package_changes_at_the_tap_that_makes_it_one() -> None:
    rehearsal = Rehearsal(TARIFFS, tariffs(CHEAPER_PACKAGE))
    rehearsal.add("A", [*taken(LATER, "1"), *taken(by_distance("08:40", "08:55", 5_000), "L")])
    lines = rehearsal.lines
    assert (lines["1"].before.holders_rp, lines["1"].after.holders_rp) == (3_500, 3_500)
    # 2,500 and 9 x 250, or 2,000 and 9 x 250, of which 3,500 were paid.
    assert (lines["L"].before.holders_rp, lines["L"].after.holders_rp) == (1_250, 750)


CHEAPER_PACKAGE: Final = rule(
    "fare.integrated",
    "integrated_fare",
    f'modes = [["{BRT}"], ["mrt"], ["lrt_jakarta"]]\nmodes_min = 2\nbase_rp = 2_000\n'
    "step_m = 1_000\nstep_rp = 250\ncap_rp = 10_000\nwindow_min = 180\n",
    since="2024-01-01",
)


@pytest.mark.parametrize(
    ("place", "service", "reason"),
    [("nowhere", "mrt", "place_unknown"), ("0", "unheard_of", "fare_unknown")],
)
def test_a_tap_that_one_side_does_not_know_counts_on_neither(
    place: str, service: str, reason: str
) -> None:
    unknown = tap("12:00", "in", service, place)  # type: ignore[arg-type]
    rehearsal = Rehearsal(TARIFFS, DEARER, at("2024-07-03"))
    rehearsal.add("A", taken((*LATER, unknown)))
    assert rehearsal.not_rated == {reason: 1}
    assert rehearsal.total.taps == 2
    early = Rehearsal(TARIFFS, DEARER, at("2024-07-04"))
    early.add("A", taken((unknown,)))
    assert not early.not_rated.total()


def test_only_the_largest_increases_are_remembered() -> None:
    rehearsal = Rehearsal(TARIFFS, DEARER)
    for number in range(LARGEST_MAX + 5):
        rides = [
            each
            for hour in range(8, 9 + number)
            for each in ride(BRT, f"{hour:02}:00", "0", f"{hour:02}:30", "1")
        ]
        rehearsal.add(f"card-{number}", taken(rides))
    found = [(each.card, each.more_rp) for each in rehearsal.largest]
    assert found == [
        (f"card-{number}", 1_500 * (number + 1)) for number in range(LARGEST_MAX + 4, 4, -1)
    ]


def test_groups_are_those_of_the_day() -> None:
    kjp = Granted("kjp", "sd", "p", DAY - 1, DAY)
    assert group_of((), DAY) == NO_GROUP
    assert group_of((kjp, ELDERLY), DAY) == "free_ride/elderly + kjp/sd"
    assert group_of((kjp, ELDERLY), DAY + 1) == "free_ride/elderly"
    assert group_of((kjp,), DAY + 1) == NO_GROUP


rides = st.sampled_from(
    [
        LATER,
        MRT_RIDE,
        EARLY,
        by_distance("09:00", "09:20", 5_000),
        ride(BRT, "09:30", "1", "10:00", "2"),
    ]
)
cards = st.lists(
    st.tuples(
        st.lists(rides, max_size=3, unique=True),
        st.sampled_from(["", "1", "2"]),
        st.sampled_from([(), (ELDERLY,), (OTHER,)]),
    ),
    max_size=4,
)


@given(cards)
def test_all_parts_sum_up_to_what_rating_says(
    drawn: list[tuple[list[tuple[SeenTap, SeenTap]], str, tuple[Granted, ...]]],
) -> None:
    after = tariffs(DEARER_RULE, FREE_BY_ANOTHER, CAP_RULE)
    rehearsal = Rehearsal(TARIFFS, after)
    expected = {"before": [0, 0, 0], "after": [0, 0, 0]}
    for number, (several, line, grants) in enumerate(drawn):
        taps = sorted(each for pair in several for each in pair)
        rehearsal.add(f"card-{number}", taken(taps, line, grants))
        for side, law in (("before", TARIFFS), ("after", after)):
            for charge in rate_all(taps, law, grants)[1]:
                lines = charge.lines
                expected[side][0] += charge.card_rp
                expected[side][1] -= sum(rp for kind, _, rp in lines if kind == PROGRAMME_FUND)
                expected[side][2] += sum(rp for kind, _, rp in lines if kind == OPERATOR_REVENUE)
    parts = (rehearsal.groups, rehearsal.services, rehearsal.lines, {"": rehearsal.total})
    for changes in parts:
        for side in ("before", "after"):
            amounts = [getattr(change, side) for change in changes.values()]
            sums = [
                sum(getattr(each, whose) for each in amounts)
                for whose in ("holders_rp", "funds_rp", "operators_rp")
            ]
            assert sums == expected[side]
    for sides, index in ((rehearsal.programmes, 1), (rehearsal.operators, 2)):
        assert sum(each.before_rp for each in sides.values()) == expected["before"][index]
        assert sum(each.after_rp for each in sides.values()) == expected["after"][index]
