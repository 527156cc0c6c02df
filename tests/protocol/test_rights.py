"""What a terminal and a service may send and ask."""

from __future__ import annotations

from typing import get_args

import pytest

from engine.transaction import Intent, Issue, Tap, Transaction
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
    assert may("service", ISSUE)
    assert may("service", TAP)
    assert may("terminal", TAP)
    assert not may("terminal", ISSUE)


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
    ],
)
def test_questions_of_a_terminal_end_at_purses_and_its_own(
    question: Question, *, terminal_may: bool
) -> None:
    assert may_ask("terminal", "GATE-01", question) is terminal_may
    assert may_ask("service", "GATE-01", question)
