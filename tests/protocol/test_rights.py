"""What each role may submit and ask, as it was decided: least privilege."""

from __future__ import annotations

from typing import Final, get_args

import pytest

from engine.keys import Role
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
from protocol.messages import (
    BalanceOf,
    DryRun,
    Question,
    StatementOf,
    Subscribe,
    TransactionOf,
)
from protocol.rights import RIGHTS, Right, may, view_of

TAP = Tap("c", 1, "o", "in")
ISSUE = Issue("c", "account", "b")

INTENTS: Final[dict[Role, set[str]]] = {
    "terminal": {
        *("tap", "purchase", "top_up", "group"),
        *("reversal", "refund", "hold", "post", "void", "withdrawal"),
    },
    "service": {str(kind.__struct_config__.tag) for kind in get_args(Intent)} - {"adjustment"},
    "operator": {
        *("adjustment", "block", "unblock", "replace", "close", "reversal", "refund", "issue"),
        *("grant", "revoke", "identify"),
    },
    "observer": set(),
}
FIRST_QUESTIONS: Final = (BalanceOf, StatementOf, TransactionOf, DryRun)
QUESTIONS: Final[dict[Role, set[str]]] = {
    "terminal": {"balance", "statement", "transaction", "dry_run"},
    "service": {"balance", "statement", "transaction", "dry_run"},
    "operator": {"balance", "statement", "transaction", "dry_run"},
    "observer": {"balance"},
}


def granted(role: Role, kinds: tuple[type, ...]) -> set[str]:
    """Return the names of what a role may do at all, be it with a condition."""
    return {
        str(kind.__struct_config__.tag)
        for kind, row in RIGHTS.items()
        if kind in kinds and getattr(row, role) is not Right.NO
    }


@pytest.mark.parametrize("role", INTENTS)
def test_a_role_submits_and_asks_what_was_decided(role: Role) -> None:
    assert granted(role, get_args(Intent)) == INTENTS[role]
    assert granted(role, FIRST_QUESTIONS) == QUESTIONS[role]


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
    ("kind", "owner", "observer_may"),
    [
        (1, "c", False),
        (2, "c/p", False),
        (1, "*", True),
        (2, "*", True),
        (11, "c", False),
        (11, "*", True),
        *((kind, "any", True) for kind in range(3, 11)),
    ],
)
def test_an_observer_sees_sums_and_no_card(kind: int, owner: str, *, observer_may: bool) -> None:
    assert may("observer", "AUDIT-01", BalanceOf(kind, owner)) is observer_may
    assert not may("observer", "AUDIT-01", StatementOf(kind, owner))


@pytest.mark.parametrize(
    ("question", "terminal_may"),
    [
        (BalanceOf(1, "c"), True),
        (BalanceOf(2, "c/p"), True),
        (BalanceOf(11, "c"), True),
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
    assert may("terminal", "GATE-01", question) is terminal_may
    assert may("service", "GATE-01", question)


def test_only_an_observer_sees_the_journal_without_what_is_personal() -> None:
    assert {role for role in get_args(Role) if view_of(role) == "redacted"} == {"observer"}
    assert not may("terminal", "GATE-01", Subscribe(1, 0))
