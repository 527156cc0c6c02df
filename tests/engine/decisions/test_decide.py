"""Deciding: from a transaction to an entry."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine.decisions import decide, paying
from engine.errors import Bug, Reason
from engine.transaction import Entry, Tap, Transaction
from tests.engine.decisions.prepared import prepared


def test_an_entry_carries_the_transaction_whole_and_what_was_decided() -> None:
    ledger = prepared()
    tap = Tap("A", 35, "tj", "in", "P00142", "5")
    entry = decide(ledger.book, ledger.now, "gate-7", Transaction(12, 34, tap))
    assert entry == Entry(
        terminal="gate-7",
        counter=12,
        at_ms=34,
        intent=tap,
        decided_ms=ledger.now_ms,
        reason=entry.reason,
        rule="",
        detail="",
        balance_rp=65,
        exceptions=(),
        postings=((1, "A", -35), (3, "tj", 35)),
        previous=ledger.cards["A"].last,
    )
    assert entry.posted


def test_the_same_book_moment_and_transaction_give_the_same_entry() -> None:
    transaction = Transaction(1, 0, Tap("A", 35, "tj", "in"))
    entries = set()
    for _ in range(3):
        ledger = prepared()
        entries.add(decide(ledger.book, ledger.now, "gate", transaction))
        entries.add(decide(ledger.book, ledger.now, "gate", transaction))
    assert len(entries) == 1


def test_the_rules_of_the_moment_are_the_ones_that_count() -> None:
    ledger = prepared()
    tap = Tap("A", 35, "tj", "in")
    assert ledger.dry_run(tap).posted
    strict = replace(ledger.rules.unregistered, rule="strict", floor_rp=66)
    ledger.rules = replace(ledger.rules, unregistered=strict)
    entry = ledger.dry_run(tap)
    assert (entry.reason, entry.rule) == (Reason.BELOW_FLOOR, "strict")


def test_a_decision_that_does_not_balance_is_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = prepared()
    monkeypatch.setattr(paying, "purse_line", lambda card, _, amount_rp: (1, card, amount_rp + 1))
    with pytest.raises(Bug, match="postings sum to Rp1"):
        ledger.dry_run(Tap("A", 35, "tj", "in"))
