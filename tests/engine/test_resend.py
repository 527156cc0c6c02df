"""Sending again: the same content, or the name of what differs."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.resend import difference
from engine.transaction import Group, Intent, Subsidy, Tap, Transaction
from tests.engine.strategies import INTENTS, entry_of, intents, transactions

FIELDS = [(kind, field) for kind in INTENTS for field in kind.__struct_fields__]


@given(transactions, st.integers(0, 2**40))
def test_the_same_content_differs_in_nothing(transaction: Transaction, decided_ms: int) -> None:
    entry = replace(entry_of(transaction), decided_ms=decided_ms, balance_rp=7, previous=3)
    assert difference(entry, transaction) == ""


@pytest.mark.parametrize(
    ("kind", "field"), FIELDS, ids=[f"{kind.__name__}.{field}" for kind, field in FIELDS]
)
@settings(max_examples=30)
@given(data=st.data())
def test_each_field_that_differs_is_named(
    kind: type[Intent], field: str, data: st.DataObject
) -> None:
    ours, theirs = data.draw(INTENTS[kind]), data.draw(INTENTS[kind])
    value = getattr(theirs, field)
    assume(value != getattr(ours, field))
    found = difference(
        entry_of(Transaction(1, 0, ours)), Transaction(1, 0, replace(ours, **{field: value}))
    )
    # Parts and lines are named one by one, where there are as many of them.
    assert found == f"intent.{field}" or found.startswith(f"intent.{field}[")


@given(intents, intents)
def test_two_kinds_differ_in_the_intent(ours: Intent, theirs: Intent) -> None:
    assume(type(ours) is not type(theirs))
    found = difference(entry_of(Transaction(1, 0, ours)), Transaction(1, 0, theirs))
    assert found == "intent"


@given(transactions, st.integers(0, 2**40))
def test_another_time_is_named_before_anything_else(transaction: Transaction, at_ms: int) -> None:
    assume(at_ms != transaction.at_ms)
    other = Transaction(transaction.counter, at_ms, Tap("nobody's", 1, "tj", "in"))
    assert difference(entry_of(transaction), other) == "at_ms"


def test_a_part_is_named_by_number_and_field() -> None:
    tap, subsidy = Tap("A", 1, "tj", "in"), Subsidy("kjp", "tj", 2)
    entry = entry_of(Transaction(1, 0, Group((tap, subsidy))))
    cases: dict[str, Group] = {
        "intent.parts[1].amount_rp": Group((tap, replace(subsidy, amount_rp=3))),
        "intent.parts[0]": Group((subsidy, subsidy)),
        "intent.parts": Group((tap,)),
    }
    for path, group in cases.items():
        assert difference(entry, Transaction(1, 0, group)) == path


def test_transactions_of_two_identities_are_not_compared() -> None:
    entry = entry_of(Transaction(1, 0, Tap("A", 1, "tj", "in")))
    with pytest.raises(AssertionError, match="one identity"):
        difference(entry, Transaction(2, 0, entry.intent))
