"""Money on purses: what a line does to balance and sums, and where the limits lie."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.accounts import OPERATOR_REVENUE, PROGRAMME_PURSE, purse_line
from engine.calendar import DAY_MS, day_and_month
from engine.card import Card, Purse
from engine.errors import Reason
from engine.moment import Moment
from engine.purses import (
    Step,
    after_lines,
    changes_of,
    correct,
    correction_refusal,
    joined,
    pay,
    receive_refusal,
    spend_refusal,
    spend_room_rp,
    undo_this_month,
    undo_today,
)
from engine.rules.purses import PurseLimits
from tests.engine.ledger import NOON, RULES, wib_ms
from tests.engine.rules_here import LAW

DAY, MONTH = day_and_month(NOON)
NOW = Moment(NOON, DAY, MONTH, RULES, LAW.tariffs)
TODAY = Purse(100, DAY, 10, MONTH, 20, 30)
FREE = PurseLimits(rule="none", source="these tests", grade="A")


def figures(purse: Purse) -> tuple[int, int, int, int]:
    """Return balance, spent today, spent and received this month."""
    return (
        purse.balance_rp,
        purse.spent_day_rp,
        purse.spent_month_rp,
        purse.received_month_rp,
    )


@pytest.mark.parametrize(
    ("step", "amount_rp", "expected"),
    [
        (pay, -5, (95, 15, 25, 30)),
        (pay, 5, (105, 10, 20, 35)),
        (undo_today, 5, (105, 5, 15, 30)),
        (undo_today, -5, (95, 10, 20, 25)),
        (undo_this_month, 5, (105, 10, 15, 30)),
        (undo_this_month, -5, (95, 10, 20, 25)),
        (correct, 5, (105, 10, 20, 30)),
        (correct, -5, (95, 10, 20, 30)),
    ],
)
def test_a_line_moves_the_balance_and_the_sums_it_counts_in(
    step: Step, amount_rp: int, expected: tuple[int, int, int, int]
) -> None:
    after = step(TODAY, amount_rp, NOON)
    assert figures(after) == expected
    assert (after.day, after.month) == (DAY, MONTH)


@pytest.mark.parametrize("amount_rp", [-5, 5])
def test_sums_of_another_day_or_month_start_at_zero(amount_rp: int) -> None:
    tomorrow, next_month = NOON + DAY_MS, wib_ms(2024, 2, 15)
    out, into = max(0, -amount_rp), max(0, amount_rp)
    assert figures(pay(TODAY, amount_rp, tomorrow))[1:] == (out, 20 + out, 30 + into)
    assert figures(pay(TODAY, amount_rp, next_month))[1:] == (out, out, into)


@given(st.integers(-500, 500))
def test_what_is_undone_the_same_day_leaves_no_trace(amount_rp: int) -> None:
    assert undo_today(pay(TODAY, amount_rp, NOON), -amount_rp, NOON) == TODAY


def test_lines_move_the_purses_of_one_card_and_open_those_that_were_not_there() -> None:
    card = Card("A", "account", "dki", main=Purse(50), programmes=(("kjp", Purse(5)),))
    lines = (
        purse_line("A", "", -1),
        purse_line("A", "food", 2),
        purse_line("A", "kjp", 3),
        purse_line("B", "", 100),
        purse_line("B", "kjp", 100),
        (OPERATOR_REVENUE, "A", 100),
    )
    main, programmes = after_lines(card, lines, correct, NOON)
    assert main.balance_rp == 49
    assert [(name, purse.balance_rp) for name, purse in programmes] == [("kjp", 8), ("food", 2)]


@pytest.mark.parametrize("owner", ["A", "A/"])
def test_no_purse_is_opened_for_the_programme_without_a_name(owner: str) -> None:
    with pytest.raises(AssertionError, match="of another kind"):
        after_lines(Card("A", "account", "dki"), ((PROGRAMME_PURSE, owner, 5),), correct, NOON)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (Purse(1, DAY, 2, MONTH, 3, 4), (101, 12, 23, 34)),
        (Purse(1, DAY - 1, 2, MONTH, 3, 4), (101, 10, 23, 34)),
        (Purse(1, DAY - 31, 2, MONTH - 1, 3, 4), (101, 10, 20, 30)),
        (Purse(), (100, 10, 20, 30)),
    ],
)
def test_two_purses_in_one_count_what_each_counts_still(
    other: Purse, expected: tuple[int, int, int, int]
) -> None:
    for both in (joined(TODAY, other, NOON), joined(other, TODAY, NOON)):
        assert figures(both) == expected
        assert (both.day, both.month) == (DAY, MONTH)


def test_changes_are_summed_up_by_purse() -> None:
    lines = (
        purse_line("A", "kjp", 3),
        purse_line("A", "", -1),
        purse_line("A", "kjp", 4),
        purse_line("B", "", 100),
        (OPERATOR_REVENUE, "A", 100),
    )
    assert changes_of(Card("A", "account", "dki"), lines) == {"kjp": 7, "": -1}


def most(refusal: Callable[[int], Reason]) -> tuple[int, Reason]:
    """Return the largest amount that passes, and why one rupiah more does not."""
    amount_rp = next(n for n in range(1000) if refusal(n + 1))
    assert not any(refusal(n) for n in range(amount_rp + 1))
    return amount_rp, refusal(amount_rp + 1)


@pytest.mark.parametrize(
    ("limits", "held_rp", "expected"),
    [
        (FREE, 0, (100, Reason.BELOW_FLOOR)),
        (FREE, 30, (70, Reason.BELOW_FLOOR)),
        (replace(FREE, floor_rp=15), 30, (55, Reason.BELOW_FLOOR)),
        (replace(FREE, floor_rp=-15), 0, (115, Reason.BELOW_FLOOR)),
        (replace(FREE, spend_day_rp=60), 0, (50, Reason.DAY_LIMIT)),
        (replace(FREE, spend_day_rp=60), 30, (20, Reason.DAY_LIMIT)),
        (replace(FREE, spend_month_rp=60), 0, (40, Reason.MONTH_LIMIT)),
        (replace(FREE, spend_month_rp=60), 30, (10, Reason.MONTH_LIMIT)),
    ],
)
def test_an_authorisation_may_spend_up_to_the_limit_to_the_rupiah(
    limits: PurseLimits, held_rp: int, expected: tuple[int, Reason]
) -> None:
    assert most(lambda n: spend_refusal(TODAY, n, held_rp, limits, NOW)) == expected


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (replace(FREE, ceiling_rp=160), (60, Reason.ABOVE_CEILING)),
        (replace(FREE, receive_month_rp=70), (40, Reason.RECEIVE_LIMIT)),
    ],
)
def test_a_top_up_may_bring_in_up_to_the_limit_to_the_rupiah(
    limits: PurseLimits, expected: tuple[int, Reason]
) -> None:
    assert most(lambda n: receive_refusal(TODAY, n, limits, NOW)) == expected


def test_sums_of_another_day_or_month_are_not_held_against_a_payment() -> None:
    limits = replace(FREE, spend_day_rp=60, spend_month_rp=80, receive_month_rp=70)
    yesterday = replace(TODAY, day=DAY - 1)
    assert most(lambda n: spend_refusal(yesterday, n, 0, limits, NOW)) == (60, Reason.DAY_LIMIT)
    last_month = replace(yesterday, month=MONTH - 1)
    no_day = replace(limits, spend_day_rp=None)
    assert most(lambda n: spend_refusal(last_month, n, 0, no_day, NOW)) == (80, Reason.MONTH_LIMIT)
    assert most(lambda n: receive_refusal(last_month, n, limits, NOW)) == (
        70,
        Reason.RECEIVE_LIMIT,
    )


def test_nothing_may_be_spent_whatever_the_limits_say() -> None:
    limits = replace(FREE, floor_rp=500, spend_day_rp=0, spend_month_rp=0)
    assert spend_refusal(TODAY, 0, 0, limits, NOW) is Reason.NONE
    assert spend_refusal(TODAY, 1, 0, limits, NOW) is Reason.BELOW_FLOOR


def test_a_correction_respects_floor_holds_and_ceiling_and_no_other_limit() -> None:
    limits = replace(
        FREE, floor_rp=10, ceiling_rp=150, spend_day_rp=0, spend_month_rp=0, receive_month_rp=0
    )
    down = most(lambda n: correction_refusal(TODAY, -n, 20, limits))
    up = most(lambda n: correction_refusal(TODAY, n, 20, limits))
    assert down == (70, Reason.BELOW_FLOOR)
    assert up == (50, Reason.ABOVE_CEILING)
    assert correction_refusal(TODAY, 900, 0, FREE) is Reason.NONE


def test_a_correction_towards_the_limits_is_fine_from_beyond_them() -> None:
    limits = replace(FREE, ceiling_rp=50)
    assert correction_refusal(Purse(-90), 10, 0, limits) is Reason.NONE
    assert correction_refusal(Purse(90), -10, 0, limits) is Reason.NONE


@given(
    st.integers(-50, 200),
    st.integers(0, 50),
    st.sampled_from([DAY, DAY - 1]),
    st.sampled_from([MONTH, MONTH - 1]),
    st.tuples(*[st.none() | st.integers(0, 120)] * 2),
    st.integers(-20, 20),
)
def test_the_room_of_a_purse_is_the_most_that_may_be_spent(
    balance_rp: int,
    held_rp: int,
    day: int,
    month: int,
    limits_rp: tuple[int | None, int | None],
    floor_rp: int,
) -> None:
    purse = Purse(balance_rp, day, 10, month, 20)
    spend_day_rp, spend_month_rp = limits_rp
    limits = replace(
        FREE, floor_rp=floor_rp, spend_day_rp=spend_day_rp, spend_month_rp=spend_month_rp
    )
    room_rp = spend_room_rp(purse, held_rp, limits, NOW)
    assert spend_refusal(purse, room_rp, held_rp, limits, NOW) is Reason.NONE
    assert spend_refusal(purse, room_rp + 1, held_rp, limits, NOW) is not Reason.NONE
