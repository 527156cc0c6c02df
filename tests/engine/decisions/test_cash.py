"""Cash out of a purse, by the instruments that come with the program."""

from __future__ import annotations

from typing import Final

import pytest

from engine.accounts import BANK_SETTLEMENT, PROGRAMME_PURSE
from engine.calendar import date_of_day
from engine.errors import Reason
from engine.transaction import Grant, Purchase, Replace, Reversal, Withdrawal
from tests.engine.till import PROOF, Till

DAY: Final = "2024-03-05"
SD: Final = "kjp.sd@2024-01-01"
LKP: Final = "kjp.lkp@2024-01-01"
OF_BANK: Final = "purse.unregistered@2018-05-04"


def till(when: str = DAY, level: str = "sd") -> Till:
    """Return a ledger on whose card A a level of KJP Plus was granted; none: no grant."""
    ledger = Till(when, "kjp", "kjmu", "food")
    if level:
        since_day = ledger.now.day
        ledger.done(Grant("A", "kjp", level, "anak-1", since_day, since_day + 180))
    return ledger


# Each line: the source among the facts, the level granted, a withdrawal, what is told.
EXAMPLES: Final[list[tuple[str, str, Withdrawal, str]]] = [
    ("Cash: at most Rp100,000 a month", "sd", Withdrawal("A", 100_000, "dki", "kjp"), "posted"),
    (
        "Cash: at most Rp100,000 a month",
        "sd",
        Withdrawal("A", 100_001, "dki", "kjp"),
        f"cash_limit {SD} amount_rp",
    ),
    ("Cash: at most Rp100,000 a month", "smk", Withdrawal("A", 100_000, "dki", "kjp"), "posted"),
    (
        "LKP 1,800,000/semester",
        "lkp",
        Withdrawal("A", 1, "dki", "kjp"),
        f"cash_limit {LKP} amount_rp",
    ),
    (
        "SD 250,000 [...]; LKP 1,800,000/semester",
        "",
        Withdrawal("A", 1, "dki", "kjp"),
        f"cash_limit {LKP} amount_rp",
    ),
    (
        "Rp9,000,000/semester flat",
        "sd",
        Withdrawal("A", 1, "dki", "kjmu"),
        "cash_limit kjmu.student@2018-01-01 amount_rp",
    ),
    (
        "Pangan bersubsidi [...] each item once a month",
        "sd",
        Withdrawal("A", 1, "dki", "food"),
        "cash_limit cash purse",
    ),
    ("registered: [...] may transfer and cash out", "", Withdrawal("A", 100_000, "bca"), "posted"),
    (
        "unregistered: pay, bill, top up only",
        "",
        Withdrawal("U", 1, "dki"),
        f"not_registered {OF_BANK} card",
    ),
]


@pytest.mark.parametrize(("source", "level", "withdrawal", "told"), EXAMPLES)
def test_cash_is_paid_out_as_its_instrument_says(
    source: str, level: str, withdrawal: Withdrawal, told: str
) -> None:
    assert till(level=level).told(withdrawal) == told, source


def test_a_bank_is_owed_what_it_pays_out() -> None:
    entry = till().done(Withdrawal("A", 40_000, "bca", "kjp", "ATM-7"))
    assert entry.postings == ((PROGRAMME_PURSE, "A/kjp", -40_000), (BANK_SETTLEMENT, "bca", 40_000))
    assert entry.balance_rp == 160_000


def test_cash_is_counted_by_month_and_goods_are_not() -> None:
    ledger = till()
    ledger.done(Withdrawal("A", 60_000, "dki", "kjp"))
    ledger.go_to("2024-03-31")
    assert ledger.told(Withdrawal("A", 40_001, "dki", "kjp")) == f"cash_limit {SD} amount_rp"
    ledger.done(Withdrawal("A", 40_000, "dki", "kjp"), Withdrawal("A", 40_000, "dki"))
    ledger.go_to("2024-04-01")
    ledger.done(Withdrawal("A", 100_000, "dki", "kjp"))
    kjp = ledger.cards["A"].purse("kjp")
    assert kjp is not None
    assert (kjp.cash_month_rp, kjp.spent_month_rp) == (100_000, 100_000)


def test_a_purchase_and_a_top_up_keep_the_sum_of_the_month() -> None:
    ledger = till(level="")
    ledger.done(Withdrawal("A", 60_000, "dki"), Purchase("A", 10_000, "toko"))
    assert ledger.cards["A"].main.cash_month_rp == 60_000
    assert ledger.cards["A"].main.spent_month_rp == 70_000


@pytest.mark.parametrize(
    ("later", "rule", "left_rp"),
    [
        (DAY, "return.cash_today", 0),
        ("2024-03-06", "return.cash_this_month", 0),
        ("2024-04-01", "return.uncounted", 60_000),
    ],
)
def test_what_is_given_back_comes_off_the_month_that_it_counts_in(
    later: str, rule: str, left_rp: int
) -> None:
    ledger = till()
    original = ledger.done(Withdrawal("A", 60_000, "dki", "kjp"))
    ledger.go_to(later)
    entry = ledger.done(Reversal(original.terminal, original.counter))
    assert entry.rule == rule
    kjp = ledger.cards["A"].purse("kjp")
    assert kjp is not None
    assert (kjp.cash_month_rp, kjp.spent_month_rp, kjp.balance_rp) == (left_rp, left_rp, 200_000)
    ledger.done(Withdrawal("A", 100_000, "dki", "kjp"))


def test_the_card_that_takes_over_goes_on_counting() -> None:
    ledger = till()
    ledger.done(Withdrawal("A", 60_000, "dki", "kjp"), Replace("A", "A2"))
    assert ledger.told(Withdrawal("A2", 40_001, "dki", "kjp")) == f"cash_limit {SD} amount_rp"
    ledger.done(Withdrawal("A2", 40_000, "dki", "kjp"))


def test_an_advice_is_posted_and_filed() -> None:
    ledger = till()
    entry = ledger.send(Withdrawal("S", 100_000, "dki", "kjp", proof=PROOF))
    assert entry.exceptions == (Reason.CASH_LIMIT,)
    assert ledger.balance_rp("S", "kjp") == 100_000
    entry = ledger.send(Withdrawal("S", 1, "dki", proof=PROOF))
    assert entry.exceptions == (Reason.NOT_REGISTERED,)
    entry = ledger.send(Withdrawal("new", 1, "dki", proof=PROOF))
    assert Reason.NOT_REGISTERED not in entry.exceptions, "nothing is known of its holder"
    assert Reason.CARD_UNKNOWN in entry.exceptions


def test_a_grant_that_is_over_is_none() -> None:
    ledger = till()
    ledger.go_to(date_of_day(ledger.now.day + 181).isoformat())
    assert ledger.told(Withdrawal("A", 1, "dki", "kjp")) == f"cash_limit {LKP} amount_rp"
