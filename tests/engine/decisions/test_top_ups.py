"""Top-ups, worked out by hand."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine.accounts import (
    BANK_IN_TRANSIT,
    BANK_SETTLEMENT,
    FEES,
    PROGRAMME_FUND,
    PROGRAMME_PURSE,
    PURSE,
    SUSPENSE,
    Postings,
)
from engine.calendar import DAY_MS
from engine.errors import Reason
from engine.limits import DAY_MAX
from engine.transaction import Grant, Issue, Purchase, Revoke, TopUp, Unblock
from tests.engine.decisions.prepared import PROOF, prepared
from tests.engine.ledger import wib_ms


@pytest.mark.parametrize(
    ("intent", "postings", "balance_rp"),
    [
        (TopUp("A", 50, "dki"), ((BANK_SETTLEMENT, "dki", -50), (PURSE, "A", 50)), 150),
        (
            TopUp("A", 50, "dki", 3),
            ((BANK_SETTLEMENT, "dki", -53), (PURSE, "A", 50), (FEES, "top_up", 3)),
            150,
        ),
        (
            TopUp("S", 50, "dki", 3, "bank"),
            ((BANK_SETTLEMENT, "dki", -53), (BANK_IN_TRANSIT, "dki", 50), (FEES, "top_up", 3)),
            100,
        ),
        (
            TopUp("S", 50, "dki", 0, "chip", proof=PROOF),
            ((BANK_IN_TRANSIT, "dki", -50), (PURSE, "S", 50)),
            150,
        ),
        (TopUp("A", 50, "dki", 0, "chip"), ((BANK_IN_TRANSIT, "dki", -50), (PURSE, "A", 50)), 150),
        (
            TopUp("A", 50, purse="kjp"),
            ((PROGRAMME_FUND, "kjp", -50), (PROGRAMME_PURSE, "A/kjp", 50)),
            110,
        ),
        (
            TopUp("S", 50, purse="new", leg="chip", proof=PROOF),
            ((PROGRAMME_FUND, "new", -50), (PROGRAMME_PURSE, "S/new", 50)),
            50,
        ),
    ],
    ids=str,
)
def test_money_moves_onto_the_purse(intent: TopUp, postings: Postings, balance_rp: int) -> None:
    entry = prepared().done(intent)
    assert entry.postings == postings
    assert entry.balance_rp == balance_rp


def test_what_a_bank_has_in_transit_arrives_by_the_advice_of_the_chip() -> None:
    ledger = prepared()
    ledger.done(TopUp("S", 50, "dki", leg="bank"))
    assert ledger.accounts()[BANK_IN_TRANSIT, "dki"] == 50
    ledger.done(TopUp("S", 50, "dki", leg="chip", proof=PROOF))
    assert (BANK_IN_TRANSIT, "dki") not in ledger.accounts()
    assert ledger.balance_rp("S") == 150


@pytest.mark.parametrize(
    ("intent", "postings", "exceptions"),
    [
        (
            TopUp("S", 101, "dki", proof=PROOF),
            ((BANK_SETTLEMENT, "dki", -101), (PURSE, "S", 101)),
            "above_ceiling",
        ),
        (
            TopUp("A", 5, "dki", proof=PROOF),
            ((BANK_SETTLEMENT, "dki", -5), (PURSE, "A", 5)),
            "medium_is_account",
        ),
        (
            TopUp("S", 5, "", proof=PROOF),
            ((SUSPENSE, "account", -5), (PURSE, "S", 5)),
            "account_name",
        ),
        (
            TopUp("S", 5, "", 2, "bank", proof=PROOF),
            ((SUSPENSE, "account", -7), (SUSPENSE, "account", 5), (FEES, "top_up", 2)),
            "account_name",
        ),
        (
            TopUp("A B", 5, "dki", proof=PROOF),
            ((BANK_SETTLEMENT, "dki", -5), (SUSPENSE, "purse", 5)),
            "card_unknown account_name",
        ),
        (
            TopUp("S", 5, purse="k p", proof=PROOF),
            ((SUSPENSE, "account", -5), (SUSPENSE, "purse", 5)),
            "account_name",
        ),
        (
            TopUp("M", 5, purse="one-more", proof=PROOF),
            ((PROGRAMME_FUND, "one-more", -5), (SUSPENSE, "purse", 5)),
            "medium_is_account purse_limit",
        ),
        (
            TopUp("S", 5, "dki", 2, purse="kjp", proof=PROOF),
            ((PROGRAMME_FUND, "kjp", -5), (PROGRAMME_PURSE, "S/kjp", 5)),
            "funds_mixed",
        ),
        (
            TopUp("S", 5, "dki", 0, "bank", purse="kjp", proof=PROOF),
            ((BANK_SETTLEMENT, "dki", -5), (BANK_IN_TRANSIT, "dki", 5)),
            "funds_mixed",
        ),
    ],
    ids=str,
)
def test_an_advice_is_posted_with_what_the_ledger_dislikes(
    intent: TopUp, postings: Postings, exceptions: str
) -> None:
    entry = prepared().send(intent)
    assert entry.posted
    assert entry.postings == postings
    assert " ".join(entry.exceptions) == exceptions


def test_the_sum_of_a_month_is_limited_and_starts_anew_with_the_next() -> None:
    ledger = prepared()
    ledger.done(TopUp("P", 200, "dki"), Purchase("P", 100, "shop"))
    ledger.wait(DAY_MS)
    ledger.done(Purchase("P", 100, "shop"), TopUp("P", 200, "dki"))
    ledger.wait(DAY_MS)
    ledger.done(Purchase("P", 50, "shop"))
    assert ledger.send(TopUp("P", 1, "dki")).reason is Reason.RECEIVE_LIMIT
    ledger.now_ms = wib_ms(2024, 2, 1) - 1
    assert ledger.send(TopUp("P", 1, "dki")).reason is Reason.RECEIVE_LIMIT
    ledger.wait(1)
    ledger.done(TopUp("P", 1, "dki"))


def test_a_top_up_may_be_split_to_cost_less() -> None:
    ledger = prepared()
    assert ledger.send(TopUp("P", 120, "dki", 5)).reason is Reason.FEE_TOO_HIGH
    ledger.done(TopUp("P", 120, "dki", 4))
    ledger.done(*[TopUp("P", 30, "dki", 3)] * 2)


def test_without_a_rule_of_the_day_a_fee_has_no_limit() -> None:
    ledger = prepared()
    ledger.rules = replace(ledger.rules, top_up_fees={})
    ledger.done(TopUp("A", 5, "dki", 5000))


def test_a_fee_that_is_too_high_is_taken_by_an_advice_and_filed() -> None:
    entry = prepared().send(TopUp("S", 5, "dki", 4, proof=PROOF))
    assert entry.exceptions == (Reason.FEE_TOO_HIGH,)
    assert entry.postings == (
        (BANK_SETTLEMENT, "dki", -9),
        (PURSE, "S", 5),
        (FEES, "top_up", 4),
    )


def test_a_programme_gives_a_level_so_much_a_month() -> None:
    ledger = prepared()
    ledger.now_ms = wib_ms(2024, 1, 17)
    ledger.done(TopUp("G", 50, purse="kjp"), TopUp("G", 40, purse="kjp"))
    refusal = ledger.send(TopUp("G", 1, purse="kjp"))
    assert (refusal.reason, refusal.rule, refusal.detail, refusal.balance_rp) == (
        *(Reason.ABOVE_ALLOWANCE, "test.sd@2019-01-01", "amount_rp", 90),
    )
    ledger.wait(DAY_MS)
    ledger.done(TopUp("G", 1000, purse="kjp"))


def test_what_a_level_may_have_begins_anew_with_the_month() -> None:
    ledger = prepared()
    ledger.done(Grant("A", "kjp", "sd", "budi", 0, DAY_MAX), TopUp("A", 30, purse="kjp"))
    assert ledger.send(TopUp("A", 1, purse="kjp")).reason is Reason.ABOVE_ALLOWANCE
    ledger.now_ms = wib_ms(2024, 2, 1)
    ledger.done(TopUp("A", 90, purse="kjp"))
    assert ledger.send(TopUp("A", 1, purse="kjp")).reason is Reason.ABOVE_ALLOWANCE


def test_what_is_given_for_a_semester_is_looked_at_one_by_one() -> None:
    ledger = prepared()
    ledger.done(Grant("A", "kjp", "lkp", "budi", 0, DAY_MAX))
    ledger.done(*[TopUp("A", 120, purse="kjp")] * 2)
    refusal = ledger.send(TopUp("A", 121, purse="kjp"))
    assert (refusal.reason, refusal.rule) == (Reason.ABOVE_ALLOWANCE, "test.lkp@2019-01-01")


def test_only_the_programme_that_gives_allowances_is_limited_by_them() -> None:
    ledger = prepared()
    ledger.done(TopUp("G", 500, purse="ride"), TopUp("G", 500, purse="other"))
    ledger.done(Grant("B", "kjp", "sd", "budi", 0, DAY_MAX), Unblock("B", "found"))
    ledger.done(Revoke("B", "kjp", "left school"), TopUp("B", 500, purse="kjp"))


def test_more_than_an_allowance_is_filed_with_an_advice() -> None:
    ledger = prepared()
    ledger.done(Issue("K", "stored", "dki"), Grant("K", "kjp", "sd", "budi", 0, DAY_MAX))
    entry = ledger.send(TopUp("K", 91, purse="kjp", proof=PROOF))
    assert (entry.posted, entry.exceptions) == (True, (Reason.ABOVE_ALLOWANCE,))
    assert entry.rule == "test.sd@2019-01-01"
    assert ledger.balance_rp("K", "kjp") == 91
