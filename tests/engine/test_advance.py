"""What entries do to a card."""

from __future__ import annotations

from msgspec.structs import replace

from engine.accounts import OPERATOR_REVENUE, PURSE, SUSPENSE
from engine.advance import advance, card_of, unknown_card
from engine.card import Card, CardStatus, Purse
from engine.errors import Reason
from engine.transaction import Adjustment, Block, Refund, Reversal, Tap, Transaction
from tests.engine.ledger import NOON
from tests.engine.strategies import entry_of

LINES = ((OPERATOR_REVENUE, "tj", -5), (PURSE, "A", 5))
CARD = Card("A", "account", "dki", main=Purse(100))


def test_what_refers_to_another_transaction_belongs_to_the_card_of_its_lines() -> None:
    for intent in (Reversal("T", 1), Refund("T", 1, 5)):
        assert card_of(intent, LINES) == "A"
        assert card_of(intent, ()) == ""


def test_everything_else_belongs_to_the_card_it_names() -> None:
    assert card_of(Tap("B", 5, "tj", "in"), LINES) == "B"
    lines = ((PURSE, "A", 5), (SUSPENSE, "found", -5))
    assert card_of(Adjustment("wati", "x", lines, "A"), lines) == "A"
    assert card_of(Adjustment("wati", "x", lines), lines) == ""


def test_a_card_that_is_not_there_starts_empty_and_unissued() -> None:
    entry = entry_of(Transaction(1, NOON, Tap("A", 5, "tj", "in")))
    lines = ((PURSE, "A", -5), (OPERATOR_REVENUE, "tj", 5))
    card = advance(None, replace(entry, postings=lines), 7)
    assert card.main.balance_rp == -5
    assert replace(card, main=Purse()) == replace(unknown_card("A"), last=7)


def test_a_refused_entry_changes_nothing_but_the_place_in_the_history() -> None:
    entry = entry_of(Transaction(1, NOON, Block("A", "lost")))
    refused = replace(entry, reason=Reason.CARD_BLOCKED)
    assert advance(CARD, refused, 7) == replace(CARD, last=7)
    assert advance(CARD, entry, 7) == replace(CARD, last=7, status=CardStatus.BLOCKED)


def test_the_card_before_an_entry_is_left_as_it_was() -> None:
    before = replace(CARD)
    entry = entry_of(Transaction(1, NOON, Tap("A", 5, "tj", "in")))
    lines = ((PURSE, "A", -5), (OPERATOR_REVENUE, "tj", 5))
    assert advance(CARD, replace(entry, postings=lines), 7).main.balance_rp == 95
    assert before == CARD
