"""What the programmes of a day give, and to whom."""

from __future__ import annotations

from datetime import date

import pytest

from engine.calendar import day_of_date
from engine.rules.kinds import Allowance, FreeRide
from engine.rules.programmes import ProgrammeRules, programme_rules
from engine.rules.purses import purse_rules
from engine.rules.reading import RulesInvalid
from engine.rules.rulebook import Rulebook
from tests.engine.rules.test_purses import EVERY
from tests.engine.rules.written import rule, written
from tests.engine.rules_here import LAW, RULEBOOK


def rules_of(year: int, month: int, day: int) -> ProgrammeRules:
    return LAW.purses_on(day_of_date(date(year, month, day))).of_programmes


@pytest.mark.parametrize(
    ("programme", "group", "version"),
    [
        ("free_ride", "elderly", "free_ride@2025-10-13"),
        ("free_ride", "tni_polri", "free_ride@2025-10-13"),
        ("free_ride", "sd", None),
        ("kjp", "sd", "kjp.sd@2024-01-01"),
        ("kjp", "lkp", "kjp.lkp@2024-01-01"),
        ("kjp", "elderly", None),
        ("kjmu", "student", "kjmu.student@2025-01-01"),
        ("food", "anybody", "food.monthly@2022-01-01"),
        ("rusun", "anybody", None),
        ("", "", None),
    ],
)
def test_a_group_is_entitled_by_the_rule_that_names_it(
    programme: str, group: str, version: str | None
) -> None:
    found = rules_of(2025, 12, 1).entitling(programme, group)
    assert (found and found.version) == version


def test_a_programme_gives_something_while_one_of_its_rules_is_in_force() -> None:
    now = rules_of(2025, 12, 1)
    assert all(now.has(programme) for programme in ("free_ride", "kjp", "kjmu", "food"))
    assert not any(now.has(programme) for programme in ("", "sd", "rusun"))
    assert rules_of(2023, 6, 30).has("rusun")
    assert not rules_of(2023, 7, 1).has("rusun")
    found = rules_of(2023, 6, 30).entitling("rusun", "anybody")
    assert found is not None
    assert found.version == "waiver.rusun_rent@2020-04-13"


def test_all_rules_of_programmes_of_the_day_are_found() -> None:
    day = day_of_date(date(2025, 12, 1))
    rules = programme_rules(RULEBOOK, day)
    assert rules.free_rides == {"free_ride": tuple(RULEBOOK.of_kind(FreeRide, day))}
    assert [*rules.allowances.values()] == RULEBOOK.of_kind(Allowance, day)
    assert [*rules.spending_lists] == ["kjp"]
    assert [*rules.item_quotas] == ["food"]
    assert rules.waivers == {}


ALLOWANCE = 'programme = "kjp"\nlevel = "{}"\nevery = "month"\namount_rp = 5'
QUOTA = 'programme = "food"\nper_month = 1\nitems = [{ name = "rice", what = "w", price_rp = 5 }]'
SPENDING = 'programme = "kjp"\nmerchant_kinds = ["food"]\ngoods = ["books"]'
WAIVER = 'programme = "rusun"\ncharge = "{}"\npercent = 50'


@pytest.mark.parametrize(
    ("kind", "figures"),
    [
        ("allowance", ALLOWANCE.format("sd")),
        ("item_quota", QUOTA),
        ("spending_list", SPENDING),
        ("purse_order", 'purses = ["own"]\nsplit = false'),
        ("proofs", "card_blocked_after = 3"),
    ],
)
def test_two_rules_that_say_the_same_of_a_programme_are_refused(kind: str, figures: str) -> None:
    one, two = rule("a.one", kind, figures), rule("a.two", kind, figures, since="2020-04-05")
    with pytest.raises(RulesInvalid, match=r"2020-04-05 it says what a\.one@2019-01-01 says"):
        purse_rules(Rulebook([written("a", *EVERY, one, two)]))


def test_a_programme_may_have_several_levels_and_several_waivers() -> None:
    levels = [rule(f"l.{level}", "allowance", ALLOWANCE.format(level)) for level in ("sd", "smp")]
    waivers = [rule(f"w.{what}", "waiver", WAIVER.format(what)) for what in ("rent", "water")]
    rulebook = Rulebook([written("a", *levels, *waivers)])
    rules = programme_rules(rulebook, day_of_date(date(2019, 1, 1)))
    assert [*rules.allowances] == [("kjp", "sd"), ("kjp", "smp")]
    assert [waiver.charge for waiver in rules.waivers["rusun"]] == ["rent", "water"]
    assert [*rules.waivers_ever] == ["rent", "water"]


def test_waivers_that_are_over_or_to_come_are_known_with_their_days() -> None:
    first = rule("w.rent", "waiver", WAIVER.format("rent") + "\nvalid_to = 2019-06-30")
    second = rule("w.rent", "waiver", WAIVER.format("rent"), since="2020-01-01")
    rehearsed = rule("w.new", "waiver", WAIVER.format("rent") + "\nenabled = false")
    rulebook = Rulebook([written("a", first, second, rehearsed)])
    rules = programme_rules(rulebook, day_of_date(date(2019, 12, 1)))
    assert rules.waivers == {}
    assert [days[1:] for days in rules.waivers_ever["rent"]] == [
        (day_of_date(date(2019, 1, 1)), day_of_date(date(2019, 6, 30))),
        (day_of_date(date(2020, 1, 1)), None),
    ]
