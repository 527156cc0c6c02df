"""What money must never do, whatever comes: random histories before an auditor."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings

from engine.book import Book, empty_accounts
from engine.calendar import day_and_month
from engine.decisions import decide
from engine.errors import Reason
from engine.moment import Moment
from engine.transaction import Entry, Intent, Transaction
from tests.engine.decisions.cases import REASONS
from tests.engine.histories import STEPS_MAX, History, histories, play, rules_at
from tests.engine.money_checks import LIMITS
from tests.engine.rules_here import LAW


def empty_book() -> Book:
    return Book(
        cards={},
        terminals={},
        returned={},
        holders={},
        chips={},
        accounts=empty_accounts(),
        find_entry=lambda *_: None,
    )


def state(book: Book) -> dict[str, object]:
    return {name: value for name, value in vars(book).items() if name != "find_entry"}


@settings(max_examples=400)
@given(histories)
def test_no_history_makes_the_auditor_complain(history: History) -> None:
    play(history)


@given(histories)
def test_the_fold_of_a_journal_that_was_written_and_read_is_the_state(
    history: History,
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
def test_deciding_changes_nothing_and_decides_the_same_again(history: History) -> None:
    ledger = play(history)
    book = empty_book()
    book.find_entry = ledger.find
    for entry in ledger.entries:
        now_ms = entry.decided_ms
        now = Moment(now_ms, *day_and_month(now_ms), rules_at(now_ms), LAW.tariffs)
        before = deepcopy(state(book))
        transaction = Transaction(entry.counter, entry.at_ms, entry.intent)
        again = [decide(book, now, entry.terminal, transaction) for _ in range(2)]
        assert state(book) == before
        assert again == [entry, entry]
        book.apply_recorded(entry)


@pytest.mark.slow
def test_the_histories_meet_every_kind_of_intent_every_limit_and_no_other_reason() -> None:
    posted, filed = Counter[type[Intent]](), Counter[Reason]()
    refused = Counter[tuple[type[Intent], Reason]]()
    for seed in range(500):
        for entry in play((seed, STEPS_MAX)).entries:
            filed.update(entry.exceptions)
            if entry.posted:
                posted[type(entry.intent)] += 1
            else:
                refused[type(entry.intent), entry.reason] += 1
    assert min(posted[kind] for kind in get_args(Intent)) >= 30
    assert min(filed[reason] for reason in LIMITS) >= 5
    for reason in LIMITS:
        assert sum(count for (_, why), count in refused.items() if why is reason) >= 10, reason
    assert all(reason in REASONS[kind].split() for kind, reason in refused)
