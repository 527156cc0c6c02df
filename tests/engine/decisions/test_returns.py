"""Reversals and refunds, worked out by hand."""

from __future__ import annotations

import pytest

from engine.accounts import (
    BANK_IN_TRANSIT,
    BANK_SETTLEMENT,
    FEES,
    MERCHANT_PAYABLE,
    OPERATOR_REVENUE,
    PROGRAMME_FUND,
    PROGRAMME_PURSE,
    PURSE,
    SUSPENSE,
    Postings,
)
from engine.calendar import DAY_MS
from engine.card import CardStatus
from engine.errors import Bug, Reason
from engine.limits import REPLACEMENTS_FOLLOWED_MAX
from engine.transaction import (
    Adjustment,
    Block,
    Close,
    Group,
    Hold,
    Intent,
    Post,
    Purchase,
    Refund,
    Replace,
    Reversal,
    Share,
    Subsidy,
    Tap,
    TopUp,
    Withdrawal,
)
from tests.engine.decisions.prepared import HOUR_MS, PROOF, prepared
from tests.engine.ledger import Ledger, wib_ms

UNDO = Reversal("orig", 1)


def after(intent: Intent) -> Ledger:
    """Return the prepared ledger after an intent of ("orig", 1)."""
    ledger = prepared()
    assert ledger.send(intent, terminal="orig").posted
    return ledger


REVERSIBLE: list[tuple[Intent, Postings]] = [
    (Tap("A", 35, "tj", "in"), ((PURSE, "A", 35), (OPERATOR_REVENUE, "tj", -35))),
    (
        Tap("A", 35, "tj", "in", purse="kjp"),
        ((PROGRAMME_PURSE, "A/kjp", 35), (OPERATOR_REVENUE, "tj", -35)),
    ),
    (Purchase("A", 35, "shop"), ((PURSE, "A", 35), (MERCHANT_PAYABLE, "shop", -35))),
    (Withdrawal("R", 35, "dki"), ((PURSE, "R", 35), (BANK_SETTLEMENT, "dki", -35))),
    (
        Withdrawal("A", 35, "dki", "kjp"),
        ((PROGRAMME_PURSE, "A/kjp", 35), (BANK_SETTLEMENT, "dki", -35)),
    ),
    (
        TopUp("A", 50, "dki", 3),
        ((BANK_SETTLEMENT, "dki", 53), (PURSE, "A", -50), (FEES, "top_up", -3)),
    ),
    (
        TopUp("X", 50, "dki", leg="bank", proof=PROOF),
        ((BANK_SETTLEMENT, "dki", 50), (BANK_IN_TRANSIT, "dki", -50)),
    ),
    (TopUp("A", 9, purse="bus"), ((PROGRAMME_FUND, "bus", 9), (PROGRAMME_PURSE, "A/bus", -9))),
    (Subsidy("kjp", "tj", 7), ((PROGRAMME_FUND, "kjp", 7), (OPERATOR_REVENUE, "tj", -7))),
    (Share("tj", "mrt", 7), ((OPERATOR_REVENUE, "tj", 7), (OPERATOR_REVENUE, "mrt", -7))),
    (
        Group((TopUp("A", 50, purse="kjp"), Tap("A", 20, "tj", "in"))),
        (
            (PROGRAMME_FUND, "kjp", 50),
            (PROGRAMME_PURSE, "A/kjp", -50),
            (PURSE, "A", 20),
            (OPERATOR_REVENUE, "tj", -20),
        ),
    ),
    (
        Adjustment("wati", "x", ((PURSE, "A", -5), (SUSPENSE, "found", 5)), "A"),
        ((PURSE, "A", 5), (SUSPENSE, "found", -5)),
    ),
    (
        Tap("A B", 5, "t j", "in", proof=PROOF),
        ((SUSPENSE, "purse", 5), (SUSPENSE, "account", -5)),
    ),
]


@pytest.mark.parametrize(("intent", "postings"), REVERSIBLE, ids=str)
def test_a_reversal_posts_every_line_the_other_way_once(intent: Intent, postings: Postings) -> None:
    ledger = prepared()
    before = ledger.accounts()
    ledger.send(intent, terminal="orig")
    entry = ledger.done(UNDO)
    assert entry.postings == postings
    assert ledger.accounts() == before
    assert ledger.send(UNDO).reason is Reason.AMOUNT_EXCEEDED


def test_the_original_keeps_its_side() -> None:
    ledger = after(Tap("A", 35, "tj", "in"))
    original = ledger.find("orig", 1)
    entry = ledger.done(UNDO)
    assert ledger.find("orig", 1) is original is not None
    assert entry.balance_rp == ledger.balance_rp("A") == 100
    assert entry.previous == ledger.index["orig", 1]


@pytest.mark.parametrize(
    "intent",
    [
        Tap("A", 35, "tj", "in"),
        Purchase("A", 35, "shop"),
        Tap("A", 35, "tj", "in", purse="kjp"),
        Tap("S", 35, "t j", "in", proof=PROOF),
    ],
    ids=str,
)
def test_refunds_and_a_reversal_together_give_back_the_whole_and_no_more(intent: Intent) -> None:
    ledger = prepared()
    before = ledger.accounts()
    ledger.send(intent, terminal="orig")
    paid, taken = ledger.entries[-1].postings
    entry = ledger.done(Refund("orig", 1, 10))
    assert entry.postings == ((*paid[:2], 10), (*taken[:2], -10))
    assert ledger.send(Refund("orig", 1, 26)).reason is Reason.AMOUNT_EXCEEDED
    ledger.done(Refund("orig", 1, 5))
    entry = ledger.done(UNDO)
    assert entry.postings == ((*paid[:2], 20), (*taken[:2], -20))
    assert ledger.accounts() == before
    for intent_again in (UNDO, Refund("orig", 1, 1)):
        assert ledger.send(intent_again).reason is Reason.AMOUNT_EXCEEDED
    assert ledger.returned["orig", 1] == 35


def test_a_post_is_given_back_and_its_hold_stays_taken() -> None:
    ledger = prepared()
    ledger.done(Post("H", "hold", 1, 20))
    counter = ledger.entries[-1].counter
    ledger.done(Refund("T", counter, 5), Reversal("T", counter))
    assert ledger.balance_rp("H") == 100
    assert ledger.send(Post("H", "hold", 1, 1)).reason is Reason.HOLD_UNKNOWN


def test_the_money_of_a_replaced_card_goes_to_the_one_that_took_over() -> None:
    ledger = after(Group((Tap("A", 20, "tj", "in"), Tap("A", 10, "tj", "in", purse="kjp"))))
    ledger.done(Replace("A", "A2"), Replace("A2", "A3"))
    entry = ledger.done(UNDO)
    assert entry.postings == (
        (PURSE, "A3", 20),
        (OPERATOR_REVENUE, "tj", -20),
        (PROGRAMME_PURSE, "A3/kjp", 10),
        (OPERATOR_REVENUE, "tj", -10),
    )
    assert (ledger.balance_rp("A3"), ledger.balance_rp("A3", "kjp")) == (100, 60)
    assert ledger.balance_rp("A") == ledger.balance_rp("A2") == 0
    assert entry.previous == len(ledger.entries) - 2
    assert ledger.cards["A3"].last == len(ledger.entries) - 1


@pytest.mark.parametrize("more", [0, 1])
def test_replacements_are_followed_so_far_and_no_further(more: int) -> None:
    ledger = after(Tap("A", 20, "tj", "in"))
    ledger.done(Replace("A", "A1"))
    for number in range(1, REPLACEMENTS_FOLLOWED_MAX + more):
        ledger.done(Replace(f"A{number}", f"A{number + 1}"))
    entry = ledger.send(UNDO)
    assert entry.reason == ("card_replaced" if more else "")


def test_a_blocked_card_gets_its_money_back_and_a_closed_one_does_not() -> None:
    ledger = after(Tap("A", 20, "tj", "in"))
    ledger.done(Block("A", "lost"), Refund("orig", 1, 5), Close("A"))
    for intent in (UNDO, Refund("orig", 1, 5)):
        assert ledger.send(intent).reason is Reason.CARD_CLOSED


def test_so_does_a_card_that_is_not_issued_yet() -> None:
    ledger = after(Tap("U", 20, "tj", "in", proof=PROOF))
    ledger.done(UNDO)
    assert ledger.balance_rp("U") == -5
    assert ledger.cards["U"].status is CardStatus.UNISSUED


@pytest.mark.parametrize(
    "use", [Tap("P", 1, "tj", "in"), Hold("P", 1, "operator", "tj", HOUR_MS)], ids=str
)
def test_money_that_is_spent_or_held_cannot_be_taken_back(use: Intent) -> None:
    ledger = after(TopUp("P", 50, "dki"))
    ledger.done(use)
    entry = ledger.send(UNDO)
    assert (entry.reason, entry.rule) == (Reason.BELOW_FLOOR, "test.unregistered")
    assert entry.balance_rp == ledger.balance_rp("P")


def test_each_purse_of_a_group_is_checked() -> None:
    ledger = after(Group((Tap("A", 20, "tj", "in"), TopUp("A", 50, purse="kjp"))))
    ledger.done(Tap("A", 90, "tj", "in", purse="kjp"))
    assert ledger.send(UNDO).reason is Reason.BELOW_FLOOR


def test_a_full_purse_takes_no_money_back() -> None:
    ledger = after(Tap("A", 20, "tj", "in"))
    ledger.done(TopUp("A", 110, "dki"))
    assert ledger.send(UNDO).reason is Reason.ABOVE_CEILING
    ledger.done(Refund("orig", 1, 10))


@pytest.mark.parametrize(
    ("later_ms", "rule", "sums"),
    [
        (0, "return.today", (0, 0, 100)),
        (DAY_MS, "return.this_month", (0, 0, 100)),
        (31 * DAY_MS, "return.uncounted", (0, 0, 0)),
    ],
)
def test_what_is_given_back_comes_off_the_sums_it_was_added_to(
    later_ms: int, rule: str, sums: tuple[int, int, int]
) -> None:
    ledger = after(Tap("A", 35, "tj", "in"))
    ledger.wait(later_ms)
    entry = ledger.done(UNDO)
    assert entry.rule == rule
    ledger.done(Tap("A", 10, "tj", "in"))
    spent_day_rp, spent_month_rp, received_rp = sums
    main = ledger.cards["A"].main
    assert main.spent_day_rp == spent_day_rp + 10
    assert main.spent_month_rp == spent_month_rp + 10
    assert main.received_month_rp == received_rp


def test_a_top_up_that_is_taken_back_frees_the_limit_of_its_month_only() -> None:
    ledger = prepared()
    ledger.now_ms = wib_ms(2024, 1, 31, 23)
    ledger.send(TopUp("A", 50, "dki"), terminal="orig")
    ledger.send(TopUp("A", 40, "dki"), terminal="second")
    ledger.done(UNDO)
    assert ledger.cards["A"].main.received_month_rp == 140
    ledger.wait(HOUR_MS)
    ledger.done(TopUp("A", 30, "dki"), Reversal("second", 1))
    assert ledger.cards["A"].main.received_month_rp == 30


@pytest.mark.parametrize(
    "intent", [Reversal("nobody", 1), Refund("nobody", 1, 5), Reversal("tap", 2)], ids=str
)
def test_a_return_needs_an_original(intent: Intent) -> None:
    entry = prepared().send(intent)
    assert (entry.reason, entry.detail) == (Reason.ORIGINAL_UNKNOWN, "counter")
    assert entry.previous == -1


def test_a_card_that_is_gone_is_a_defect() -> None:
    ledger = after(Tap("A", 35, "tj", "in"))
    del ledger.cards["A"]
    with pytest.raises(Bug, match="card A"):
        ledger.send(UNDO)


def test_what_an_advice_took_from_a_replaced_card_goes_back_to_that_card() -> None:
    ledger = prepared()
    ledger.send(Tap("O", 30, "tj", "in", proof=PROOF), terminal="orig")
    assert ledger.balance_rp("O") == -30
    entry = ledger.done(UNDO)
    assert entry.postings == ((PURSE, "O", 30), (OPERATOR_REVENUE, "tj", -30))
    assert (ledger.balance_rp("O"), ledger.balance_rp("N")) == (0, 200)


def test_so_does_what_one_took_from_a_closed_card_and_no_more() -> None:
    ledger = prepared()
    ledger.send(Tap("X", 30, "tj", "in", proof=PROOF), terminal="orig")
    lines = ((PURSE, "X", 10), (SUSPENSE, "found", -10))
    ledger.done(Adjustment("wati", "x", lines, "X"))
    assert ledger.send(UNDO).reason is Reason.CARD_CLOSED
    ledger.done(Refund("orig", 1, 20))
    assert ledger.balance_rp("X") == 0


def test_a_correction_is_undone_on_its_own_card_or_not_at_all() -> None:
    lines = ((PURSE, "A", 10), (SUSPENSE, "found", -10))
    ledger = after(Adjustment("wati", "x", lines, "A"))
    ledger.done(Replace("A", "A2"))
    assert ledger.send(UNDO).reason is Reason.CARD_REPLACED
    ledger.send(Tap("O", 30, "tj", "in", proof=PROOF))
    lines = ((PURSE, "O", 30), (SUSPENSE, "found", -30))
    ledger.send(Adjustment("wati", "x", lines, "O"), terminal="second")
    entry = ledger.send(Reversal("second", 1))
    assert (entry.reason, ledger.balance_rp("N")) == (Reason.CARD_REPLACED, 200)
