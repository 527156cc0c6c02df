"""The figures of the instruments, beside those of the reports they are from."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

import pytest

from engine.calendar import day_of_date
from engine.rules.kinds import (
    Allowance,
    DistanceFare,
    FreeRide,
    IntegratedFare,
    ItemQuota,
    JourneyRule,
    SpendingList,
    TableFare,
    TopUpFee,
    Waiver,
)
from tests.engine.rules_here import LAW, RULEBOOK
from tests.reference import reference

NOW = day_of_date(date(2025, 12, 1))


def test_the_table_of_the_mrt_is_the_one_that_was_reported() -> None:
    path = reference("mrt_fares.csv")
    with path.open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    (fare,) = RULEBOOK.of_kind(TableFare, NOW)
    assert list(fare.stations) == head[1:] == [row[0] for row in rows]
    assert [list(map(str, row)) for row in fare.amounts_rp] == [row[1:] for row in rows]
    assert len(fare.stations) == 13


def test_the_parts_of_kjp_add_up() -> None:
    found = {
        rule.level: rule for rule in RULEBOOK.of_kind(Allowance, NOW) if rule.programme == "kjp"
    }
    parts = {
        level: (rule.amount_rp, rule.routine_rp, rule.periodic_rp, rule.tuition_rp)
        for level, rule in found.items()
    }
    assert parts == {
        "sd": (250_000, 135_000, 115_000, 130_000),
        "smp": (300_000, 185_000, 115_000, 170_000),
        "sma": (420_000, 235_000, 185_000, 290_000),
        "smk": (450_000, 235_000, 215_000, 240_000),
        "pkbm": (300_000, 185_000, 115_000, 0),
        "lkp": (1_800_000, None, None, 0),
    }
    for rule in found.values():
        if rule.every == "month":
            assert (rule.routine_rp or 0) + (rule.periodic_rp or 0) == rule.amount_rp
            assert rule.cash_month_rp == 100_000


def test_the_six_kinds_of_food_cost_126_000() -> None:
    (quota,) = RULEBOOK.of_kind(ItemQuota, NOW)
    assert (quota.per_month, quota.sellers) == (1, ("food_station", "dharma_jaya", "pasar_jaya"))
    prices = {item.name: item.price_rp for item in quota.items}
    assert (len(prices), sum(prices.values())) == (6, 126_000)
    assert sum(prices.values()) - prices["milk"] == 96_000


def test_the_integrated_fare_is_that_of_the_governor() -> None:
    (fare,) = RULEBOOK.of_kind(IntegratedFare, NOW)
    assert (len(fare.modes), fare.modes_min) == (3, 2)
    assert (fare.base_rp, fare.step_rp, fare.cap_rp, fare.window_min) == (2_500, 250, 10_000, 180)
    assert RULEBOOK.of_kind(IntegratedFare, day_of_date(date(2022, 10, 3))) == []


def test_fares_by_distance_are_those_of_the_ministry() -> None:
    krl, lrt = RULEBOOK.of_kind(DistanceFare, NOW)
    assert (krl.first_m, krl.first_rp, krl.step_m, krl.step_rp) == (25_000, 3_000, 10_000, 1_000)
    assert (lrt.first_m, lrt.first_rp, lrt.step_m, lrt.step_rp) == (1_000, 5_000, 1_000, 700)
    assert (lrt.cap_rp, {window.amount_rp for window in lrt.caps}) == (10_000, {20_000})


@pytest.mark.parametrize(
    ("when", "services"), [(date(2024, 1, 1), 2), (date(2025, 10, 12), 2), (date(2025, 10, 13), 4)]
)
def test_fifteen_groups_ride_free_and_on_more_services_since_2025(
    when: date, services: int
) -> None:
    (rule,) = RULEBOOK.of_kind(FreeRide, day_of_date(when))
    assert [group.number for group in rule.groups] == list(range(1, 16))
    assert len({(group.name, group.who_id, group.who_en) for group in rule.groups}) == 15
    assert len(rule.services) == services
    assert (rule.percent, rule.card_months, rule.programme) == (100, 6, "free_ride")


def test_a_ride_needs_a_balance_and_a_tap_at_both_ends() -> None:
    (journey,) = RULEBOOK.of_kind(JourneyRule, NOW)
    assert (journey.balance_min_rp, journey.missing_out) == (5_000, "refuse")
    assert journey.double_tap_s == 10


def test_top_ups_of_up_to_200_000_are_free_at_the_cards_own_bank() -> None:
    fees = {
        fee.channel: [(step.up_to_rp, step.fee_rp) for step in fee.steps]
        for fee in RULEBOOK.of_kind(TopUpFee, NOW)
    }
    on_us, off_us = (LAW.purses_on(NOW).top_up_fees[channel] for channel in ("on_us", "off_us"))
    asked = (1, 200_000, 200_001, 2_000_000)
    assert [on_us.most_rp(amount_rp) for amount_rp in asked] == [0, 0, 750, 750]
    assert [off_us.most_rp(amount_rp) for amount_rp in asked] == [1_500] * 4
    assert fees == {"on_us": [(200_000, 0), (None, 750)], "off_us": [(None, 1_500)]}


def test_kjp_is_spent_on_what_a_school_needs() -> None:
    (spending,) = RULEBOOK.of_kind(SpendingList, NOW)
    assert spending.programme == "kjp"
    assert {"stationery", "health"} < set(spending.merchant_kinds)
    assert {"books", "shoes", "glasses"} < set(spending.goods)


def test_the_rent_of_public_flats_was_waived_while_the_pandemic_lasted() -> None:
    days = [date(2020, 4, 12), date(2020, 4, 13), date(2023, 6, 30), date(2023, 7, 1)]
    found = [RULEBOOK.of_kind(Waiver, day_of_date(day)) for day in days]
    assert [len(waivers) for waivers in found] == [0, 1, 1, 0]
    (waiver,) = found[1]
    assert (waiver.charge, waiver.percent, waiver.carries_forward) == ("rent", 100, True)
    assert waiver.covers_not == ("water", "electricity")
    assert waiver.full_rp_max == 765_000


def test_each_file_holds_the_instrument_of_its_name() -> None:
    folder = Path(__file__).parents[3] / "engine" / "rules" / "instruments"
    assert {f"{one.head.id}.toml" for one in RULEBOOK.instruments} == {
        path.name for path in folder.iterdir()
    }
