"""What money must never do, whatever comes: random histories before an auditor."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from typing import get_args

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from engine.book import Book, empty_accounts
from engine.calendar import day_and_month
from engine.decisions import decide
from engine.errors import Reason
from engine.moment import Moment
from engine.transaction import Entry, Intent, Transaction
from tests.engine.histories import Step, histories, play, rules_at

SHARDS = 100_000


def empty_book() -> Book:
    return Book(
        cards={}, terminals={}, returned={}, accounts=empty_accounts(), find_entry=lambda *_: None
    )


def state(book: Book) -> dict[str, object]:
    return {name: value for name, value in vars(book).items() if name != "find_entry"}


@settings(max_examples=400)
@given(histories)
def test_no_history_makes_the_auditor_complain(history: list[Step]) -> None:
    play(history)


@given(histories)
def test_the_fold_of_a_journal_that_was_written_and_read_is_the_state(
    history: list[Step],
) -> None:
    ledger = play(history)
    journal = msgspec.msgpack.encode(ledger.entries)
    book = empty_book()
    for entry in msgspec.msgpack.decode(journal, type=list[Entry]):
        book.apply_recorded(entry)
    assert state(book) == state(ledger.book)
    cards = msgspec.msgpack.encode(ledger.cards)
    assert msgspec.msgpack.decode(cards, type=dict[str, msgspec.Raw]).keys() == ledger.cards.keys()


@settings(max_examples=50)
@given(histories)
def test_deciding_changes_nothing_and_decides_the_same_again(history: list[Step]) -> None:
    ledger = play(history)
    book = empty_book()
    book.find_entry = ledger.find
    for entry in ledger.entries:
        now_ms = entry.decided_ms
        now = Moment(now_ms, *day_and_month(now_ms), rules_at(now_ms))
        before = deepcopy(state(book))
        transaction = Transaction(entry.counter, entry.at_ms, entry.intent)
        again = [decide(book, now, entry.terminal, transaction) for _ in range(2)]
        assert state(book) == before
        assert again == [entry, entry]
        book.apply_recorded(entry)


def test_the_histories_meet_every_kind_of_intent_and_every_limit() -> None:
    posted, refused, filed = Counter[type[Intent]](), Counter[Reason](), Counter[Reason]()

    @settings(
        max_examples=400,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(histories)
    def meet(history: list[Step]) -> None:
        for entry in play(history).entries:
            posted[type(entry.intent)] += entry.posted
            refused[entry.reason] += not entry.posted
            filed.update(entry.exceptions)

    meet()
    print(posted, refused, filed)
    assert min(posted[kind] for kind in get_args(Intent)) >= 20
