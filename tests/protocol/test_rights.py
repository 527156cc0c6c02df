"""What a terminal and a service may send and ask."""

from __future__ import annotations

from typing import get_args

import pytest

from engine.transaction import (
    Group,
    Intent,
    Issue,
    Part,
    Purchase,
    Refund,
    Reversal,
    Share,
    Subsidy,
    Tap,
    TopUp,
    Transaction,
)
from protocol.messages import BalanceOf, DryRun, Question, StatementOf, TransactionOf
from protocol.rights import TERMINAL_INTENTS, may, may_ask

TAP = Tap("c", 1, "o", "in")
ISSUE = Issue("c", "account", "b")


def test_a_terminal_moves_money_and_changes_no_card_and_no_books() -> None:
    names = {kind.__name__ for kind in TERMINAL_INTENTS}
    money = {"Tap", "Purchase", "TopUp", "Group", "Reversal", "Refund", "Hold", "Post", "Void"}
    assert names == money


def test_a_service_may_submit_every_intent() -> None:
    assert set(get_args(Intent)) > TERMINAL_INTENTS
    assert may("service", "DESK-01", ISSUE)
    assert may("service", "DESK-01", TAP)
    assert may("terminal", "GATE-01", TAP)
    assert not may("terminal", "GATE-01", ISSUE)


@pytest.mark.parametrize("intent", [Subsidy("p", "o", 1), Share("o", "q", 1)], ids=str)
def test_a_terminal_hands_out_no_money_of_programmes_and_operators_alone(intent: Part) -> None:
    for submitted in (intent, Group((intent,)), Group((intent, intent))):
        assert not may("terminal", "GATE-01", submitted)
        assert may("service", "LINK-01", submitted)


@pytest.mark.parametrize(
    ("parts", "terminal_may"),
    [
        ((TAP, Subsidy("p", "o", 1), Share("o", "q", 1)), True),
        ((Share("o", "q", 1), TAP), True),
        ((TAP, Subsidy("p", "q", 1)), False),
        ((TAP, Share("q", "o", 1)), False),
        ((TAP, Tap("c", 1, "q", "out"), Share("q", "o", 1)), True),
        ((Purchase("c", 1, "o"), Subsidy("p", "o", 1)), False),
        ((TopUp("c", 1, "dki"), Purchase("c", 1, "o")), True),
        ((TAP, TopUp("c", 1, purse="p")), False),
    ],
    ids=str,
)
def test_a_terminal_subsidises_and_shares_the_fare_of_its_own_tap(
    parts: tuple[Part, ...], *, terminal_may: bool
) -> None:
    assert may("terminal", "GATE-01", Group(parts)) is terminal_may
    assert may("service", "LINK-01", Group(parts))


def test_a_terminal_tops_up_the_cards_own_purse_alone() -> None:
    assert may("terminal", "KIOSK-01", TopUp("c", 1, "dki"))
    assert not may("terminal", "KIOSK-01", TopUp("c", 1, purse="p"))
    assert may("service", "LINK-01", TopUp("c", 1, purse="p"))


@pytest.mark.parametrize("intent", [Reversal("GATE-01", 1), Refund("GATE-01", 1, 1)], ids=str)
def test_a_terminal_gives_back_only_what_it_took_itself(intent: Intent) -> None:
    assert may("terminal", "GATE-01", intent)
    assert not may("terminal", "GATE-02", intent)
    assert may("service", "DESK-01", intent)


@pytest.mark.parametrize(
    ("question", "terminal_may"),
    [
        (BalanceOf(1, "c"), True),
        (BalanceOf(2, "c/p"), True),
        (BalanceOf(1, "*"), False),
        (StatementOf(2, "*"), False),
        (BalanceOf(3, "transjakarta"), False),
        (StatementOf(1, "c"), True),
        (StatementOf(5, "dki"), False),
        (TransactionOf("GATE-01", 1), True),
        (TransactionOf("GATE-02", 1), False),
        (DryRun(Transaction(1, 1, TAP)), True),
        (DryRun(Transaction(1, 1, ISSUE)), False),
        (DryRun(Transaction(1, 1, Reversal("GATE-01", 1))), True),
        (DryRun(Transaction(1, 1, Reversal("GATE-02", 1))), False),
    ],
)
def test_questions_of_a_terminal_end_at_purses_and_its_own(
    question: Question, *, terminal_may: bool
) -> None:
    assert may_ask("terminal", "GATE-01", question) is terminal_may
    assert may_ask("service", "GATE-01", question)
