"""Transactions and entries on the wire: what goes in comes out, and every bound is checked."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import limits
from engine.errors import Reason
from engine.transaction import (
    Adjustment,
    Block,
    Entry,
    Group,
    Hold,
    Intent,
    Issue,
    Item,
    Post,
    Purchase,
    Refund,
    Reversal,
    Share,
    Subsidy,
    Tap,
    TopUp,
    Transaction,
)
from tests.engine.strategies import INTENTS, entries, entry_of, transactions

A_TAP = Tap("A", 3500, "tj", "in")
LONG = "n" * (limits.NAME_LENGTH_MAX + 1)


def decoded(intent: object) -> Intent:
    """Encode what may be no valid intent, and decode it as a terminal's transaction."""
    data = msgspec.msgpack.encode([1, 0, intent])
    return msgspec.msgpack.decode(data, type=Transaction).intent


def test_the_strategies_know_every_kind_of_intent() -> None:
    assert set(INTENTS) == set(get_args(Intent))


@given(transactions)
def test_a_transaction_comes_out_of_msgpack_as_it_went_in(transaction: Transaction) -> None:
    data = msgspec.msgpack.encode(transaction)
    assert msgspec.msgpack.decode(data, type=Transaction) == transaction


@given(entries)
def test_an_entry_comes_out_of_msgpack_as_it_went_in(entry: Entry) -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(entry), type=Entry) == entry


@pytest.mark.parametrize("kind", INTENTS, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_an_intent_is_an_array_that_begins_with_its_name(
    kind: type[Intent], data: st.DataObject
) -> None:
    intent = data.draw(INTENTS[kind])
    array = msgspec.msgpack.decode(msgspec.msgpack.encode(intent))
    words = "".join(f"_{c.lower()}" if c.isupper() else c for c in kind.__name__)
    assert array[0] == words.removeprefix("_")
    assert len(array) == 1 + len(kind.__struct_fields__)


@pytest.mark.parametrize(
    "intent",
    [
        Tap("", 1, "tj", "in"),
        Tap(LONG, 1, "tj", "in"),
        Tap("A", -1, "tj", "in"),
        Tap("A", limits.AMOUNT_RP_MAX + 1, "tj", "in"),
        Tap("A", 1, "", "in"),
        Tap("A", 1, "tj", "in", place=LONG),
        Tap("A", 1, "tj", "in", proof=b""),
        Tap("A", 1, "tj", "in", proof=bytes(limits.PROOF_BYTES_MAX + 1)),
        ["tap", "A", 1, "tj", "sideways"],
        ["tap", "A", "1", "tj", "in"],
        ["tap", "A", 1.0, "tj", "in"],
        ["tap", "A", 1, "tj", "in", "", "", "", None, "", "one field more"],
        ["tap", "A", 1],
        ["no_such_intent", "A"],
        Purchase("A", 0, "shop"),
        Purchase("A", 1, "shop", merchant_kind=LONG),
        Purchase("A", 1, "shop", items=(Item("", 1, 1),)),
        Purchase("A", 1, "shop", items=(Item("books", 0, 1),)),
        Purchase("A", 1, "shop", items=(Item("books", limits.ITEM_COUNT_MAX + 1, 1),)),
        Purchase("A", 1, "shop", items=(Item("books", 1, -1),)),
        Purchase("A", 1, "shop", items=(Item("books", 1, 1),) * (limits.ITEMS_MAX + 1)),
        ["purchase", "A", 1, "shop", "", "", None, "", [["books", 1, 1, 1]]],
        Purchase("A", 1, "shop", charge=LONG),
        Purchase("A", 1, "shop", charge="rent", period=-1),
        Purchase("A", 1, "shop", charge="rent", period=limits.PERIOD_MAX + 1),
        TopUp("A", 0, "dki"),
        TopUp("A", 1, "dki", -1),
        ["top_up", "A", 1, "dki", 0, "air"],
        Subsidy("kjp", "tj", 0),
        Share("tj", "mrt", 0),
        Group(()),
        Group((A_TAP,) * (limits.GROUP_PARTS_MAX + 1)),
        ["group", [["block", "A", "lost"]]],
        Reversal("T", 0),
        Reversal("T", limits.COUNTER_MAX + 1),
        Refund("T", 1, 0),
        Adjustment("wati", "x", ((8, "top_up", 1),)),
        Adjustment("wati", "x", ((8, "top_up", 1),) * (limits.ADJUSTMENT_LINES_MAX + 1)),
        Adjustment("wati", "x", ((0, "top_up", 1), (8, "top_up", -1))),
        Adjustment("wati", "x", ((12, "top_up", 1), (8, "top_up", -1))),
        Adjustment("wati", "x", ((8, "a", limits.ADJUSTMENT_RP_MAX + 1), (8, "b", -1))),
        Adjustment("wati", "x", ((8, "a", 1), (8, "b", -limits.ADJUSTMENT_RP_MAX - 1))),
        Adjustment("wati", "x", ((8, "a", 1), (8, LONG + LONG, -1))),
        Adjustment("wati", "", ((8, "top_up", 1), (8, "top_up", -1))),
        Issue("A", "account", ""),
        ["issue", "A", "paper", "dki"],
        ["issue", "A", "account", "dki", 1],
        Block("A", ""),
        Block("A", "x" * (limits.TEXT_LENGTH_MAX + 1)),
        Hold("A", 0, "operator", "tj", 1),
        Hold("A", 1, "operator", "tj", 0),
        Hold("A", 1, "operator", "tj", limits.HOLD_MS_MAX + 1),
        ["hold", "A", 1, "bank", "dki", 1],
        Post("A", "T", 1, 0),
    ],
    ids=str,
)
def test_what_is_out_of_bounds_is_not_decoded(intent: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        decoded(intent)


@pytest.mark.parametrize(("counter", "at_ms"), [(0, 0), (1, -1), (1, limits.TIME_MS_MAX + 1)])
def test_a_transaction_has_a_counter_from_one_on_and_a_time(counter: int, at_ms: int) -> None:
    data = msgspec.msgpack.encode(Transaction(counter, at_ms, A_TAP))
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(data, type=Transaction)


def test_a_group_is_about_the_card_of_its_first_part_that_names_one() -> None:
    assert Group((Subsidy("kjp", "tj", 1), A_TAP)).card == "A"
    assert Group((Subsidy("kjp", "tj", 1),)).card == ""


@pytest.mark.parametrize("intent", [Reversal("T", 1), Refund("T", 1, 1), Share("tj", "mrt", 1)])
def test_an_intent_without_a_card_has_the_empty_name_for_one(intent: Intent) -> None:
    assert intent.card == ""


def test_an_entry_is_posted_unless_it_was_refused() -> None:
    entry = entry_of(Transaction(1, 0, A_TAP))
    assert entry.posted
    assert not msgspec.structs.replace(entry, reason=Reason.CARD_UNKNOWN).posted
