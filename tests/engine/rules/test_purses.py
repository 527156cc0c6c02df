"""The limits of Bank Indonesia as the rules have them, and when they changed."""

from __future__ import annotations

from datetime import date

import pytest

from engine.calendar import day_of, day_of_date
from engine.rules.purses import purse_rules
from engine.rules.reading import RulesInvalid
from engine.rules.rulebook import Rulebook
from tests.engine.ledger import RULES, wib_ms
from tests.engine.rules.written import limit, rule, written
from tests.engine.rules_here import LAW

EVERY = (limit("unregistered"), limit("registered"), limit("programme"))


def test_limits_of_registered_cards_rose_at_midnight_of_july_2022() -> None:
    midnight_ms = wib_ms(2022, 7, 1)
    before = LAW.purses_on(day_of(midnight_ms - 1)).registered
    after = LAW.purses_on(day_of(midnight_ms)).registered
    assert (before.ceiling_rp, before.receive_month_rp) == (10_000_000, 20_000_000)
    assert (after.ceiling_rp, after.receive_month_rp) == (20_000_000, 40_000_000)
    assert (before.rule, after.rule) == (
        "purse.registered@2018-05-04",
        "purse.registered@2022-07-01",
    )


@pytest.mark.parametrize("year", [1970, 2019, 2024, 9999])
def test_limits_of_unregistered_cards_have_stayed(year: int) -> None:
    limits = LAW.purses_on(day_of_date(date(year, 1, 1))).unregistered
    assert (limits.floor_rp, limits.ceiling_rp) == (0, 2_000_000)
    assert limits.receive_month_rp == 20_000_000
    assert limits.spend_day_rp is limits.spend_month_rp is None


def test_a_programmes_purse_has_no_limit_but_zero_unless_the_programme_sets_one() -> None:
    limits = LAW.purses_on(day_of_date(date(2024, 1, 1))).limits_of("kjp", registered=True)
    assert (limits.floor_rp, limits.ceiling_rp, limits.receive_month_rp) == (0, None, None)


def test_a_programme_sets_limits_of_its_own_from_a_day_on() -> None:
    own = limit("programme", 'programme = "kjp"\nspend_month_rp = 5', since="2020-01-01")
    on = purse_rules(Rulebook([written("a", *EVERY, own)]))
    day = day_of_date(date(2020, 1, 1))
    assert on(day).limits_of("kjp", registered=False).spend_month_rp == 5
    assert on(day).limits_of("food", registered=False).spend_month_rp is None
    assert on(day - 1).limits_of("kjp", registered=False).spend_month_rp is None


def test_what_is_not_enabled_sets_no_limit() -> None:
    now = limit("registered", "ceiling_rp = 9")
    later = limit("registered", "ceiling_rp = 7\nenabled = false", since="2020-01-01")
    on = purse_rules(Rulebook([written("a", *EVERY[::2], now), written("b", later)]))
    assert on(day_of_date(date(2021, 1, 1))).registered.ceiling_rp == 9


def test_every_purse_that_a_card_has_needs_a_limit() -> None:
    with pytest.raises(RulesInvalid, match="holds for programme purses"):
        purse_rules(Rulebook([written("a", *EVERY[:2])]))
    ends = limit("registered", "", until="2023-04-05")
    with pytest.raises(RulesInvalid, match="for registered purses on 2023-04-06"):
        purse_rules(Rulebook([written("a", *EVERY[::2], ends)]))


@pytest.mark.parametrize(
    ("programme", "registered", "version"),
    [
        ("", False, "test.unregistered"),
        ("", True, "test.registered"),
        ("kjp", False, "test.programme"),
        ("kjp", True, "test.programme"),
        ("food", False, "test.food"),
    ],
)
def test_limits_go_by_programme_and_else_by_registration(
    programme: str, *, registered: bool, version: str
) -> None:
    assert RULES.limits_of(programme, registered=registered).rule == version


def test_a_fee_has_a_limit_from_the_first_day_of_its_rule() -> None:
    first = day_of_date(date(2017, 10, 20))
    assert LAW.purses_on(first - 1).top_up_fees == {}
    assert LAW.purses_on(first).top_up_fees.keys() == {"on_us", "off_us"}


def test_two_rules_for_the_fees_of_a_channel_are_refused() -> None:
    figures = 'channel = "on_us"\nsteps = [{ fee_rp = 1 }]'
    fees = [rule(f"fee.{name}", "top_up_fee", figures) for name in ("one", "two")]
    with pytest.raises(RulesInvalid, match=r"fee\.one@2019-01-01 says as well"):
        purse_rules(Rulebook([written("a", *EVERY, *fees)]))
