"""The book: the one transition of its state."""

from __future__ import annotations

import msgspec
import pytest

from engine.accounts import OPERATOR_REVENUE, PROGRAMME_PURSE, PURSE
from engine.book import Book, empty_accounts, volume_rp
from engine.card import CardStatus
from engine.seen import Seen
from engine.transaction import Entry, Issue, Refund, Replace, Reversal, Subsidy, Tap, TopUp
from tests.engine.decisions.prepared import PROOF, prepared
from tests.engine.ledger import Ledger


def folded(entries: list[Entry]) -> Book:
    """Return what a journal comes to."""
    book = Book(
        cards={},
        terminals={},
        returned={},
        holders={},
        chips={},
        accounts=empty_accounts(),
        find_entry=lambda *_: None,
    )
    for entry in entries:
        book.apply_recorded(entry)
    return book


def state(book: Book) -> dict[str, object]:
    return {name: value for name, value in vars(book).items() if name != "find_entry"}


def test_the_fold_of_a_journal_that_was_written_and_read_is_the_state() -> None:
    ledger = prepared()
    data = msgspec.msgpack.encode(ledger.entries)
    read = msgspec.msgpack.decode(data, type=list[Entry])
    assert state(folded(read)) == state(ledger.book)


def test_purses_stand_in_the_accounts_as_a_total_and_in_the_cards_one_by_one() -> None:
    ledger = prepared()
    accounts = ledger.book.accounts
    cards = ledger.cards.values()
    assert accounts[PURSE] == {"*": sum(card.main.balance_rp for card in cards)}
    programmes_rp = sum(purse.balance_rp for card in cards for _, purse in card.programmes)
    assert accounts[PROGRAMME_PURSE] == {"*": programmes_rp}
    assert ledger.book.sum_of_accounts_rp() == 0


def test_position_and_clock_follow_the_entries() -> None:
    ledger = Ledger()
    ledger.done(Issue("A", "account", "dki"))
    ledger.wait(5)
    ledger.send(Tap("A", 5, "tj", "in"))
    assert ledger.book.position == 2
    assert ledger.book.decided_ms == ledger.now_ms
    assert ledger.book.terminals.get("T") == Seen(2)


def test_a_card_is_not_brought_into_being_by_a_refusal_or_an_impossible_name() -> None:
    ledger = Ledger()
    ledger.send(Tap("A", 5, "tj", "in"))
    ledger.send(Tap("A/B", 5, "tj", "in", proof=PROOF))
    assert ledger.cards == {}
    ledger.send(Tap("A", 5, "tj", "in", proof=PROOF))
    assert ledger.cards["A"].status is CardStatus.UNISSUED


def test_what_was_returned_of_a_transaction_adds_up() -> None:
    ledger = prepared()
    ledger.done(Refund("tap", 1, 10), Refund("tap", 1, 5), Reversal("tap", 1))
    assert ledger.returned["tap", 1] == 40


def test_a_replacement_needs_a_card() -> None:
    ledger = Ledger()
    ledger.done(Issue("A", "account", "dki"))
    entry = ledger.done(Replace("A", "B"))
    with pytest.raises(AssertionError, match="known card"):
        folded([entry])


def test_the_volume_of_an_entry_is_the_sum_of_its_credits() -> None:
    ledger = prepared()
    assert volume_rp(ledger.done(TopUp("A", 5, "dki", 2))) == 7
    assert volume_rp(ledger.done(Subsidy("kjp", "tj", 3))) == 3
    assert volume_rp(ledger.send(Tap("A", 0, "tj", "in"))) == 0
    assert ledger.book.accounts[OPERATOR_REVENUE]["tj"] > 0
