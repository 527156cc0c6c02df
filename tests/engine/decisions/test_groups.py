"""Groups: posted together or not at all."""

from __future__ import annotations

import pytest

from engine.accounts import (
    BANK_SETTLEMENT,
    FEES,
    MERCHANT_PAYABLE,
    OPERATOR_REVENUE,
    PROGRAMME_FUND,
    PROGRAMME_PURSE,
    PURSE,
    SUSPENSE,
    AccountKind,
)
from engine.decisions import checks
from engine.errors import Reason
from engine.transaction import Group, Issue, Purchase, Reversal, Share, Subsidy, Tap, TopUp
from tests.engine.decisions.prepared import PROOF, prepared
from tests.engine.ledger import Ledger


def state(ledger: Ledger) -> tuple[object, ...]:
    """Return the cards' purses and all balances."""
    purses = {name: (card.main, card.programmes) for name, card in ledger.cards.items()}
    return purses, ledger.accounts()


def test_fare_subsidy_and_share_are_one_entry() -> None:
    ledger = prepared()
    group = Group((Tap("A", 20, "tj", "out"), Subsidy("kjp", "tj", 15), Share("tj", "mrt", 10)))
    entry = ledger.done(group)
    assert entry.postings == (
        (PURSE, "A", -20),
        (OPERATOR_REVENUE, "tj", 20),
        (PROGRAMME_FUND, "kjp", -15),
        (OPERATOR_REVENUE, "tj", 15),
        (OPERATOR_REVENUE, "tj", -10),
        (OPERATOR_REVENUE, "mrt", 10),
    )
    assert entry.balance_rp == ledger.balance_rp("A") == 80


def test_each_part_is_decided_on_what_the_ones_before_it_leave() -> None:
    ledger = prepared()
    parts = (TopUp("A", 50, "dki"), Purchase("A", 100, "shop"), Tap("A", 50, "tj", "in"))
    entry = ledger.send(Group(parts))
    assert (entry.reason, entry.detail) == (Reason.DAY_LIMIT, "parts[2].amount_rp")
    assert ledger.send(Group(parts[1:])).reason is Reason.BELOW_FLOOR
    assert ledger.done(Group(parts[:2])).balance_rp == 50


def test_a_purse_opened_by_one_part_may_be_used_by_the_next() -> None:
    ledger = prepared()
    group = Group((TopUp("A", 50, purse="bus"), Tap("A", 20, "tj", "in", purse="bus")))
    entry = ledger.done(group)
    assert entry.postings == (
        (PROGRAMME_FUND, "bus", -50),
        (PROGRAMME_PURSE, "A/bus", 50),
        (PROGRAMME_PURSE, "A/bus", -20),
        (OPERATOR_REVENUE, "tj", 20),
    )
    assert entry.balance_rp == ledger.balance_rp("A", "bus") == 30


def test_one_refused_part_refuses_them_all_and_is_named() -> None:
    ledger = prepared()
    before = state(ledger)
    entry = ledger.send(Group((TopUp("A", 50, "dki"), Share("tj", "m t", 5))))
    assert (entry.reason, entry.rule) == (Reason.ACCOUNT_NAME, "account.name")
    assert entry.detail == "parts[1].to_operator"
    assert entry.postings == ()
    assert state(ledger) == before


def test_a_refusal_tells_the_balance_as_it_is_not_as_it_would_have_been() -> None:
    ledger = prepared()
    group = Group((Tap("A", 30, "tj", "in"), Tap("A", 71, "tj", "in")))
    entry = ledger.send(group)
    assert (entry.reason, entry.balance_rp) == (Reason.BELOW_FLOOR, 100)
    entry = ledger.send(Group((Tap("A", 30, "tj", "in"), Tap("A", 61, "tj", "in", purse="kjp"))))
    assert (entry.reason, entry.balance_rp) == (Reason.BELOW_FLOOR, 60)


def test_one_proof_makes_an_advice_of_them_all() -> None:
    ledger = prepared()
    group = Group(
        (
            Tap("S", 120, "tj", "in", proof=PROOF),
            Subsidy("kjp", "tj", 5),
            Purchase("S", 10, "shop"),
            TopUp("S", 300, "dki"),
        )
    )
    entry = ledger.send(group)
    assert entry.posted
    assert entry.exceptions == (Reason.BELOW_FLOOR, Reason.ABOVE_CEILING)
    assert (entry.rule, entry.detail) == ("test.unregistered", "parts[0].amount_rp")
    assert (MERCHANT_PAYABLE, "shop", 10) in entry.postings
    assert (BANK_SETTLEMENT, "dki", -300) in entry.postings
    assert entry.balance_rp == ledger.balance_rp("S") == 100 - 120 - 10 + 300


def test_an_advice_brings_its_card_into_being_part_by_part() -> None:
    ledger = prepared()
    group = Group(
        (
            Tap("new", 0, "tj", "in", proof=PROOF),
            TopUp("new", 50, purse="kjp"),
            Purchase("new", 20, "shop", purse="kjp"),
        )
    )
    entry = ledger.send(group)
    assert entry.exceptions == (Reason.CARD_UNKNOWN,)
    assert entry.balance_rp == ledger.balance_rp("new", "kjp") == 30


def test_a_group_may_be_about_no_card() -> None:
    ledger = prepared()
    entry = ledger.done(Group((Subsidy("kjp", "tj", 5), Share("tj", "mrt", 5))))
    assert (entry.balance_rp, entry.previous) == (0, -1)


def test_a_group_may_move_nothing() -> None:
    ledger = prepared()
    before = state(ledger)
    entry = ledger.done(Group((Tap("A", 0, "tj", "in"),)))
    assert (entry.postings, entry.balance_rp) == ((), 100)
    assert state(ledger) == before


def test_parts_on_two_cards_are_no_group() -> None:
    ledger = prepared()
    entry = ledger.send(Group((Tap("A", 5, "tj", "in"), Tap("R", 5, "tj", "in"))))
    assert (entry.reason, entry.detail) == (Reason.GROUP_CARDS, "parts")


def test_what_an_advice_says_of_a_second_card_is_posted_to_suspense() -> None:
    ledger = prepared()
    before = ledger.cards["D"]
    parts = Tap("S", 20, "tj", "in", proof=PROOF), Tap("D", 5, "tj", "in", purse="kjp", proof=PROOF)
    entry = ledger.send(Group((Subsidy("kjp", "tj", 2), *parts, TopUp("D", 9, "dki", 1))))
    assert entry.posted
    assert entry.exceptions == (Reason.GROUP_CARDS,)
    assert (entry.rule, entry.detail) == ("funds.apart", "parts[2].card")
    assert entry.postings == (
        (PROGRAMME_FUND, "kjp", -2),
        (OPERATOR_REVENUE, "tj", 2),
        (PURSE, "S", -20),
        (OPERATOR_REVENUE, "tj", 20),
        (SUSPENSE, "purse", -5),
        (OPERATOR_REVENUE, "tj", 5),
        (BANK_SETTLEMENT, "dki", -10),
        (SUSPENSE, "purse", 9),
        (FEES, "top_up", 1),
    )
    assert entry.balance_rp == ledger.balance_rp("S") == 80
    assert ledger.cards["D"] == before
    back = ledger.done(Reversal("T", entry.counter))
    assert back.balance_rp == 100
    assert ledger.accounts().get((AccountKind.SUSPENSE, "purse"), 0) == 0


def test_an_account_that_cannot_be_is_filed_with_a_second_card_too() -> None:
    parts = Tap("S", 20, "tj", "in", proof=PROOF), Tap("never issued", 5, "t j", "in")
    entry = prepared().send(Group(parts))
    assert entry.exceptions == (Reason.GROUP_CARDS, Reason.ACCOUNT_NAME)
    assert entry.postings[2:] == ((SUSPENSE, "purse", -5), (SUSPENSE, "account", 5))


@pytest.fixture
def three_fit(monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """Return a ledger in which one operator more has room beside two that are there."""
    monkeypatch.setattr(checks, "ACCOUNTS_PER_KIND_MAX", 3)
    ledger = Ledger()
    ledger.done(Issue("S", "stored", "dki"), Share("tj", "mrt", 1))
    return ledger


@pytest.mark.parametrize(
    ("parts", "detail"),
    [
        ((Share("tj", "lrt", 1), Share("tj", "krl", 1)), "parts[1].to_operator"),
        ((Share("tj", "lrt", 1), Share("krl", "tj", 1)), "parts[1].operator"),
        ((Subsidy("kjp", "lrt", 1), Subsidy("kjp", "krl", 1)), "parts[1].operator"),
        ((Share("lrt", "krl", 1),), "parts[0].to_operator"),
        ((Share("tj", "lrt", 1), Share("lrt", "mrt", 1), Subsidy("kjp", "lrt", 1)), ""),
    ],
    ids=str,
)
def test_an_account_that_one_part_opens_takes_room_from_the_next(
    three_fit: Ledger, parts: tuple[Share | Subsidy, ...], detail: str
) -> None:
    before = state(three_fit)
    entry = three_fit.dry_run(Group(parts))
    assert state(three_fit) == before
    assert entry.reason is (Reason.ACCOUNT_LIMIT if detail else Reason.NONE)
    assert entry.detail == detail


def test_what_finds_no_room_in_an_advice_is_in_suspense_account_by_account(
    three_fit: Ledger,
) -> None:
    tap = Tap("S", 5, "lrt", "in", proof=PROOF)
    entry = three_fit.send(Group((tap, Share("lrt", "krl", 2), Tap("S", 3, "kci", "in"))))
    assert Reason.ACCOUNT_LIMIT in entry.exceptions
    assert entry.postings == (
        (PURSE, "S", -5),
        (OPERATOR_REVENUE, "lrt", 5),
        (OPERATOR_REVENUE, "lrt", -2),
        (SUSPENSE, "account", 2),
        (PURSE, "S", -3),
        (SUSPENSE, "account", 3),
    )
    assert len(three_fit.book.accounts[OPERATOR_REVENUE]) == 3
