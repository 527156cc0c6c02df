"""Money by the instruments that come with the program: worked examples of each figure."""

from __future__ import annotations

from datetime import date
from typing import Final, Literal, NamedTuple, TypeAlias

import pytest

from engine.calendar import day_of, day_of_date, month_of
from engine.card import Card, Purse
from engine.limits import DAY_MAX
from engine.transaction import Grant, Intent, Purchase, TopUp
from tests.engine.ledger import Ledger, wib_ms
from tests.engine.rules_here import LAW

MILLION: Final = 1_000_000

# What the reports say; each example below stands on one of these.
UNREGISTERED: Final = "max balance, unregistered: Rp2,000,000"
REGISTERED: Final = "max balance, registered: Rp10,000,000 -> Rp20,000,000 from 1-7-2022"
MONTH: Final = (
    "monthly incoming limit: Rp20,000,000 -> Rp40,000,000 from 1-7-2022 for registered;"
    " unregistered Rp20,000,000 (D)"
)
FEE: Final = (
    "top-up fee: on-us <= Rp200,000 free; on-us > Rp200,000 max Rp750; off-us or partner max"
    " Rp1,500; splitting a top-up to stay free is explicitly allowed"
)
KJP: Final = (
    "SD 250,000 = rutin 135,000 + berkala 115,000; SMP 300,000 = 185+115; SMA 420,000 = 235+185;"
    " SMK 450,000 = 235+215; PKBM 300,000 = 185+115; LKP 1,800,000/semester"
)
SPP: Final = "Private-school SPP on top: SD 130,000, SMP 170,000, SMA 290,000, SMK 240,000"
KJMU: Final = (
    "until 2024 Rp9,000,000/semester flat; from 2025 Rp750,000/month pocket money and tuition paid"
    " directly to the university"
)

UNREGISTERED_2018: Final = "purse.unregistered@2018-05-04"
REGISTERED_2018: Final = "purse.registered@2018-05-04"
REGISTERED_2022: Final = "purse.registered@2022-07-01"
ON_US: Final = "fee.top_up.on_us@2017-10-20"
OFF_US: Final = "fee.top_up.off_us@2017-10-20"


class Case(NamedTuple):
    """A top-up of a card, and the rule that it is refused by.

    Attributes:
      source: what the reports say.
      day: on which it is wanted.
      holder: known to the bank, which is dki, where the card is registered.
      balance_rp, received_rp: what is on the card, and came onto it this month.
      top_up: what is wanted.
      refused: reason and version; empty: it is posted.
    """

    source: str
    day: date
    holder: str
    balance_rp: int
    received_rp: int
    top_up: TopUp
    refused: str = ""


def paid(amount_rp: int, bank: str = "dki", fee_rp: int = 0) -> TopUp:
    return TopUp("A", amount_rp, bank, fee_rp)


JUNE, JULY, NOW = date(2022, 6, 30), date(2022, 7, 1), date(2025, 12, 1)
KNOWN, UNKNOWN = "registered", "unregistered"
CEILING, INCOMING, DEAR = "above_ceiling", "receive_limit", "fee_too_high"

EXAMPLES: Final[list[Case]] = [
    Case(UNREGISTERED, NOW, UNKNOWN, 0, 0, paid(2 * MILLION)),
    Case(UNREGISTERED, NOW, UNKNOWN, 0, 0, paid(2 * MILLION + 1), f"{CEILING} {UNREGISTERED_2018}"),
    Case(UNREGISTERED, NOW, UNKNOWN, 1_999_000, 0, paid(1_000)),
    Case(UNREGISTERED, NOW, UNKNOWN, 1_999_000, 0, paid(1_001), f"{CEILING} {UNREGISTERED_2018}"),
    Case(UNREGISTERED, JUNE, UNKNOWN, 2 * MILLION, 0, paid(1), f"{CEILING} {UNREGISTERED_2018}"),
    Case(REGISTERED, JUNE, KNOWN, 0, 0, paid(10 * MILLION)),
    Case(REGISTERED, JUNE, KNOWN, 10 * MILLION, 0, paid(1), f"{CEILING} {REGISTERED_2018}"),
    Case(REGISTERED, JULY, KNOWN, 10 * MILLION, 0, paid(10 * MILLION)),
    Case(REGISTERED, JULY, KNOWN, 20 * MILLION, 0, paid(1), f"{CEILING} {REGISTERED_2022}"),
    Case(MONTH, JUNE, KNOWN, 0, 19 * MILLION, paid(MILLION)),
    Case(MONTH, JUNE, KNOWN, 0, 20 * MILLION, paid(1), f"{INCOMING} {REGISTERED_2018}"),
    Case(MONTH, JULY, KNOWN, 0, 39 * MILLION, paid(MILLION)),
    Case(MONTH, JULY, KNOWN, 0, 40 * MILLION, paid(1), f"{INCOMING} {REGISTERED_2022}"),
    Case(MONTH, JUNE, UNKNOWN, 0, 20 * MILLION, paid(1), f"{INCOMING} {UNREGISTERED_2018}"),
    Case(MONTH, NOW, UNKNOWN, 0, 19 * MILLION, paid(MILLION)),
    Case(MONTH, NOW, UNKNOWN, 0, 20 * MILLION, paid(1), f"{INCOMING} {UNREGISTERED_2018}"),
    Case(FEE, NOW, UNKNOWN, 0, 0, paid(200_000, "dki", 0)),
    Case(FEE, NOW, UNKNOWN, 0, 0, paid(200_000, "dki", 1), f"{DEAR} {ON_US}"),
    Case(FEE, NOW, UNKNOWN, 0, 0, paid(200_001, "dki", 750)),
    Case(FEE, NOW, UNKNOWN, 0, 0, paid(200_001, "dki", 751), f"{DEAR} {ON_US}"),
    Case(FEE, NOW, UNKNOWN, 0, 0, paid(10_000, "bca", 1_500)),
    Case(FEE, NOW, UNKNOWN, 0, 0, paid(2 * MILLION, "bca", 1_501), f"{DEAR} {OFF_US}"),
    Case(FEE, date(2017, 10, 19), UNKNOWN, 0, 0, paid(10_000, "dki", 5_000)),
    Case(FEE, date(2017, 10, 20), UNKNOWN, 0, 0, paid(10_000, "dki", 5_000), f"{DEAR} {ON_US}"),
]


def ledger_on(day: date) -> Ledger:
    """Return a ledger at noon of a day, by the rules of that day."""
    now_ms = wib_ms(day.year, day.month, day.day, 12)
    return Ledger(LAW.purses_on(day_of(now_ms)), now_ms)


def refused_by(ledger: Ledger, intent: Intent) -> str:
    """Return reason and version of a refusal; the empty text where it is posted."""
    entry = ledger.send(intent)
    return f"{entry.reason} {entry.rule}" if entry.reason else ""


@pytest.mark.parametrize("case", EXAMPLES, ids=lambda case: f"{case.day}-{case.top_up}")
def test_a_top_up_is_taken_as_its_instrument_says(case: Case) -> None:
    ledger = ledger_on(case.day)
    today = day_of(ledger.now_ms)
    purse = Purse(case.balance_rp, today, 0, month_of(today), 0, case.received_rp)
    ledger.cards["A"] = Card("A", "account", "dki", registered=case.holder == KNOWN, main=purse)
    assert refused_by(ledger, case.top_up) == case.refused, case.source


def test_a_top_up_that_is_split_costs_nothing() -> None:
    ledger = ledger_on(NOW)
    ledger.cards["A"] = Card("A", "account", "dki")
    assert [refused_by(ledger, paid(200_000)) for _ in range(10)] == [""] * 10, FEE
    ledger.done(Purchase("A", 2 * MILLION, "shop"))


Every: TypeAlias = Literal["month", "semester"]
# Source, day, programme, level, the most that comes and how often, the version that says so.
ALLOWANCES: Final[list[tuple[str, date, str, str, int, Every, str]]] = [
    (KJP + SPP, NOW, "kjp", "sd", 250_000 + 130_000, "month", "kjp.sd@2024-01-01"),
    (KJP + SPP, NOW, "kjp", "smp", 300_000 + 170_000, "month", "kjp.smp@2024-01-01"),
    (KJP + SPP, NOW, "kjp", "sma", 420_000 + 290_000, "month", "kjp.sma@2024-01-01"),
    (KJP + SPP, NOW, "kjp", "smk", 450_000 + 240_000, "month", "kjp.smk@2024-01-01"),
    (KJP, NOW, "kjp", "pkbm", 300_000, "month", "kjp.pkbm@2024-01-01"),
    (KJP, NOW, "kjp", "lkp", 1_800_000, "semester", "kjp.lkp@2024-01-01"),
    (KJMU, date(2024, 12, 31), "kjmu", "student", 9_000_000, "semester", "kjmu.student@2018-01-01"),
    (KJMU, date(2025, 1, 1), "kjmu", "student", 750_000, "month", "kjmu.student@2025-01-01"),
]


@pytest.mark.parametrize(
    ("source", "day", "programme", "level", "most_rp", "every", "version"), ALLOWANCES
)
def test_a_programme_gives_a_level_what_its_instrument_says(
    source: str, day: date, programme: str, level: str, most_rp: int, every: Every, version: str
) -> None:
    ledger = ledger_on(day)
    ledger.cards["A"] = Card("A", "account", "dki")
    ledger.done(Grant("A", programme, level, "ani", 0, DAY_MAX))
    above = f"above_allowance {version}"
    assert refused_by(ledger, TopUp("A", most_rp + 1, purse=programme)) == above, source
    assert refused_by(ledger, TopUp("A", most_rp, purse=programme)) == "", source
    # What is for a semester comes at once; what is for a month may come in parts.
    more = refused_by(ledger, TopUp("A", 1, purse=programme))
    assert more == (above if every == "month" else ""), source


GROUPS: Final = (
    *("kjp", "kaj", "rusunawa", "pkk", "pjlp", "asn", "disabled", "elderly", "veteran", "worker"),
    *("paud", "worship", "islands", "volunteer", "tni_polri"),
)
FREE_2018, FREE_2025 = "free_ride@2018-12-28", "free_ride@2025-10-13"
FOOD: Final = "food.monthly@2022-01-01"
RENT: Final = "waiver.rusun_rent@2020-04-13"
UNTIL: Final = "until the pandemic status ended in June 2023"
LEVELS: Final = "SD ... SMP ... SMA ... SMK ... PKBM ... LKP"

# Source, first day, last day, programme, group, and the rule that it is granted or refused by.
ENTITLED: Final[list[tuple[str, date, date, str, str, str]]] = [
    *(
        ("Pergub 133/2018 (third amendment, 15 groups)", JULY, JULY, "free_ride", group, FREE_2018)
        for group in GROUPS
    ),
    *(
        ("Pergub 33/2025, the 15 groups", NOW, NOW, "free_ride", group, FREE_2025)
        for group in GROUPS
    ),
    ("the 15 groups", NOW, NOW, "free_ride", "students", "group_unknown grant"),
    ("valid 6 months", NOW, date(2026, 5, 31), "free_ride", "elderly", FREE_2025),
    *(
        ("valid 6 months", NOW, until, "free_ride", "elderly", f"grant_too_long {FREE_2025}")
        for until in (date(2026, 6, 1), date(2026, 12, 1))
    ),
    ("Pergub 28/2022", NOW, date(2030, 1, 1), "food", "pjlp", FOOD),
    ("Pergub 28/2022", date(2021, 12, 31), NOW, "food", "pjlp", "programme_unknown grant"),
    ("from 13-4-2020", date(2020, 4, 12), NOW, "rusun", "resident", "programme_unknown grant"),
    ("from 13-4-2020", date(2020, 4, 13), NOW, "rusun", "resident", RENT),
    (UNTIL, date(2023, 6, 30), NOW, "rusun", "resident", RENT),
    (UNTIL, date(2023, 7, 1), NOW, "rusun", "resident", "programme_unknown grant"),
    (LEVELS, NOW, NOW, "kjp", "sd", "kjp.sd@2024-01-01"),
    (LEVELS, NOW, NOW, "kjp", "elderly", "group_unknown grant"),
]


@pytest.mark.parametrize(("source", "day", "until", "programme", "group", "by"), ENTITLED)
def test_a_programme_is_granted_to_those_whom_its_instrument_names(
    source: str, day: date, until: date, programme: str, group: str, by: str
) -> None:
    ledger = ledger_on(day)
    ledger.cards["A"] = Card("A", "account", "dki")
    days = (day_of(ledger.now_ms), day_of_date(until))
    entry = ledger.send(Grant("A", programme, group, "ani", *days))
    assert f"{entry.reason} {entry.rule}".strip() == by, source


def test_a_person_in_several_groups_registers_under_one_only() -> None:
    ledger = ledger_on(NOW)
    for name in "AB":
        ledger.cards[name] = Card(name, "account", "dki")
    today = day_of(ledger.now_ms)
    ledger.done(Grant("A", "free_ride", "elderly", "ani", today, today + 99))
    for name, group in (("A", "veteran"), ("B", "veteran"), ("B", "elderly")):
        again = Grant(name, "free_ride", group, "ani", today, today + 99)
        assert refused_by(ledger, again) == f"already_granted {FREE_2025}"
