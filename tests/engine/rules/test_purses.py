"""The limits of Bank Indonesia as they stand in the tables, and when they changed."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.calendar import day_of, day_of_date
from engine.rules.purses import PURSE_RULES, PurseLimits, in_force, purse_rules_on
from tests.engine.ledger import RULES, wib_ms


def all_limits() -> list[PurseLimits]:
    return [
        limits
        for rules in PURSE_RULES
        for limits in (rules.unregistered, rules.registered, rules.programme)
    ]


def test_limits_of_registered_cards_rose_at_midnight_of_july_2022() -> None:
    midnight_ms = wib_ms(2022, 7, 1)
    before = purse_rules_on(day_of(midnight_ms - 1)).registered
    after = purse_rules_on(day_of(midnight_ms)).registered
    assert (before.ceiling_rp, before.receive_month_rp) == (10_000_000, 20_000_000)
    assert (after.ceiling_rp, after.receive_month_rp) == (20_000_000, 40_000_000)


@pytest.mark.parametrize("year", [1970, 2019, 2024, 9999])
def test_limits_of_unregistered_cards_have_stayed(year: int) -> None:
    limits = purse_rules_on(day_of_date(year, 1, 1)).unregistered
    assert (limits.floor_rp, limits.ceiling_rp) == (0, 2_000_000)
    assert limits.receive_month_rp == 20_000_000
    assert limits.spend_day_rp is limits.spend_month_rp is None


def test_a_programmes_purse_has_no_limit_but_zero_unless_the_programme_sets_one() -> None:
    limits = purse_rules_on(day_of_date(2024, 1, 1)).limits_of("kjp", registered=True)
    assert (limits.floor_rp, limits.ceiling_rp, limits.receive_month_rp) == (0, None, None)


@given(st.integers(0, 100_000))
def test_the_rules_of_a_day_are_the_newest_that_had_begun(day: int) -> None:
    begun = [rules for rules in PURSE_RULES if rules.valid_from_day <= day]
    assert purse_rules_on(day) is in_force(PURSE_RULES, day) is begun[-1]


def test_rules_stand_in_order_and_the_first_has_no_beginning() -> None:
    assert PURSE_RULES[0].valid_from_day == 0
    assert all(old.valid_from_day < new.valid_from_day for old, new in pairwise(PURSE_RULES))


def test_one_name_stands_for_one_set_of_limits_and_has_a_source() -> None:
    by_name = {limits.rule: limits for limits in all_limits()}
    assert all(by_name[limits.rule] == limits for limits in all_limits())
    assert all(limits.source for limits in all_limits())


@pytest.mark.parametrize(
    ("programme", "registered", "rule"),
    [
        ("", False, "test.unregistered"),
        ("", True, "test.registered"),
        ("kjp", False, "test.programme"),
        ("kjp", True, "test.programme"),
        ("food", False, "test.food"),
    ],
)
def test_limits_go_by_programme_and_else_by_registration(
    programme: str, *, registered: bool, rule: str
) -> None:
    assert RULES.limits_of(programme, registered=registered).rule == rule
