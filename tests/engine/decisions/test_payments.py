"""Taps, purchases, subsidies and shares, worked out by hand."""

from __future__ import annotations

import pytest

from engine.accounts import (
    MERCHANT_PAYABLE,
    OPERATOR_REVENUE,
    PROGRAMME_FUND,
    PROGRAMME_PURSE,
    PURSE,
    SUSPENSE,
    Postings,
)
from engine.errors import Reason
from engine.transaction import Group, Intent, Purchase, Share, Subsidy, Tap
from tests.engine.decisions.prepared import PROOF, prepared


@pytest.mark.parametrize(
    ("intent", "postings", "balance_rp"),
    [
        (Tap("A", 35, "tj", "out"), ((PURSE, "A", -35), (OPERATOR_REVENUE, "tj", 35)), 65),
        (Tap("A", 0, "tj", "in"), (), 100),
        (
            Tap("A", 35, "tj", "out", purse="kjp"),
            ((PROGRAMME_PURSE, "A/kjp", -35), (OPERATOR_REVENUE, "tj", 35)),
            25,
        ),
        (
            Tap("S", 35, "tj", "out", proof=PROOF),
            ((PURSE, "S", -35), (OPERATOR_REVENUE, "tj", 35)),
            65,
        ),
        (Tap("S", 0, "tj", "in", proof=PROOF), (), 100),
        (Purchase("A", 35, "shop"), ((PURSE, "A", -35), (MERCHANT_PAYABLE, "shop", 35)), 65),
        (
            Purchase("A", 30, "shop", purse="food"),
            ((PROGRAMME_PURSE, "A/food", -30), (MERCHANT_PAYABLE, "shop", 30)),
            0,
        ),
        (
            Purchase("S", 35, "shop", proof=PROOF),
            ((PURSE, "S", -35), (MERCHANT_PAYABLE, "shop", 35)),
            65,
        ),
        (
            Subsidy("kjp", "tj", 35),
            ((PROGRAMME_FUND, "kjp", -35), (OPERATOR_REVENUE, "tj", 35)),
            0,
        ),
        (
            Share("tj", "mrt", 35),
            ((OPERATOR_REVENUE, "tj", -35), (OPERATOR_REVENUE, "mrt", 35)),
            0,
        ),
    ],
    ids=str,
)
def test_money_moves_from_payer_to_payee(
    intent: Intent, postings: Postings, balance_rp: int
) -> None:
    entry = prepared().done(intent)
    assert entry.postings == postings
    assert entry.balance_rp == balance_rp
    assert (entry.rule, entry.detail) == ("", "")


@pytest.mark.parametrize(
    ("intent", "exceptions", "rule", "detail"),
    [
        (Tap("U", 5, "tj", "in", proof=PROOF), "card_unknown below_floor", "card.status", "card"),
        (Tap("new", 5, "tj", "in", proof=PROOF), "card_unknown below_floor", "card.status", "card"),
        (Tap("new", 0, "tj", "in", proof=PROOF), "card_unknown", "card.status", "card"),
        (Tap("A", 5, "tj", "in", proof=PROOF), "medium_is_account", "card.medium", "proof"),
        (Tap("S", 101, "tj", "in", proof=PROOF), "below_floor", "test.unregistered", "amount_rp"),
        (
            Purchase("S", 5, "shop", purse="bus", proof=PROOF),
            "purse_unknown below_floor",
            "card.status",
            "purse",
        ),
        (
            Tap("X", 5, "tj", "in", proof=PROOF),
            "card_closed medium_is_account below_floor",
            "card.status",
            "card",
        ),
        (
            Tap("H", 80, "tj", "in", proof=PROOF),
            "medium_is_account below_floor",
            "card.medium",
            "proof",
        ),
    ],
    ids=str,
)
def test_an_advice_is_posted_with_what_the_ledger_dislikes(
    intent: Tap | Purchase, exceptions: str, rule: str, detail: str
) -> None:
    ledger = prepared()
    card = ledger.cards.get(intent.card)
    purse = card.purse(intent.purse) if card else None
    before_rp = purse.balance_rp if purse else 0
    entry = ledger.send(intent)
    assert entry.posted
    assert " ".join(entry.exceptions) == exceptions
    assert (entry.rule, entry.detail) == (rule, detail)
    assert ledger.balance_rp(intent.card, intent.purse) == before_rp - intent.amount_rp
    assert entry.balance_rp == before_rp - intent.amount_rp


@pytest.mark.parametrize(
    ("intent", "postings", "reason"),
    [
        (
            Tap("A B", 5, "tj", "in", proof=PROOF),
            ((SUSPENSE, "purse", -5), (OPERATOR_REVENUE, "tj", 5)),
            Reason.ACCOUNT_NAME,
        ),
        (
            Tap("S", 5, "tj", "in", purse="k/p", proof=PROOF),
            ((SUSPENSE, "purse", -5), (OPERATOR_REVENUE, "tj", 5)),
            Reason.ACCOUNT_NAME,
        ),
        (
            Tap("S", 5, "t j", "in", proof=PROOF),
            ((PURSE, "S", -5), (SUSPENSE, "account", 5)),
            Reason.ACCOUNT_NAME,
        ),
        (
            Purchase("M", 5, "shop", purse="one-more", proof=PROOF),
            ((SUSPENSE, "purse", -5), (MERCHANT_PAYABLE, "shop", 5)),
            Reason.PURSE_LIMIT,
        ),
    ],
    ids=str,
)
def test_an_advice_with_no_place_in_the_books_goes_to_suspense(
    intent: Intent, postings: Postings, reason: Reason
) -> None:
    ledger = prepared()
    cards = set(ledger.cards)
    entry = ledger.send(intent)
    assert entry.postings == postings
    assert reason in entry.exceptions
    assert set(ledger.cards) == cards
    if postings[0][0] == SUSPENSE:
        assert entry.balance_rp == 0


@pytest.mark.parametrize(
    ("part", "postings"),
    [
        (Subsidy("k p", "tj", 5), ((SUSPENSE, "account", -5), (OPERATOR_REVENUE, "tj", 5))),
        (Subsidy("kjp", "t j", 5), ((PROGRAMME_FUND, "kjp", -5), (SUSPENSE, "account", 5))),
        (Share("t j", "mrt", 5), ((SUSPENSE, "account", -5), (OPERATOR_REVENUE, "mrt", 5))),
        (Share("tj", "m t", 5), ((OPERATOR_REVENUE, "tj", -5), (SUSPENSE, "account", 5))),
    ],
    ids=str,
)
def test_so_does_what_belongs_to_an_advice(part: Subsidy | Share, postings: Postings) -> None:
    entry = prepared().send(Group((Tap("S", 0, "tj", "in", proof=PROOF), part)))
    assert entry.postings == postings
    assert entry.exceptions == (Reason.ACCOUNT_NAME,)


def test_the_limits_of_a_registered_card_are_others() -> None:
    ledger = prepared()
    assert ledger.send(Tap("A", 101, "tj", "in")).reason is Reason.BELOW_FLOOR
    ledger.done(Tap("R", 35, "tj", "in"), Tap("R", 0, "tj", "in"))
    assert ledger.balance_rp("R") == 0
    assert ledger.send(Purchase("R", 21, "shop")).reason is Reason.BELOW_FLOOR
