"""A filter finds what docs/protocol.md says that it finds, and nothing else.

The judge looks at entries as they are on the wire: lists, and the names of the document's tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias, get_args

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Reason
from engine.transaction import (
    Adjustment,
    Entry,
    Grant,
    Group,
    Hold,
    Intent,
    Purchase,
    Reversal,
    Revoke,
    Share,
    Subsidy,
    Tap,
    TopUp,
    Withdrawal,
)
from protocol.filters import matcher
from protocol.messages import Filter, IntentName
from tests.engine.histories import History, histories, play
from tests.protocol import document

Fields: TypeAlias = dict[str, object]

COLUMNS = {
    kind[1]: [row[0] for row in rows]
    for kind, rows in document.sections().items()
    if kind[0] in {"Intent", "Record"}
}


def fields_of(name: str, values: list[object]) -> Fields:
    """Return what stands in a record of the wire, by the names in the document."""
    return dict(zip(COLUMNS[name], values, strict=False))


def intents_in(intent: list[object]) -> Iterator[tuple[str, Fields]]:
    """Yield name and fields of an intent, and of the parts of a group."""
    name = str(intent[0])
    fields = fields_of(name, intent[1:])
    yield name, fields
    parts = fields.get("parts", [])
    assert isinstance(parts, list)
    for part in parts:
        yield from intents_in(part)


def accounts_in(entry: Fields) -> Iterator[tuple[int, str]]:
    intent, postings = entry["intent"], entry["postings"]
    assert isinstance(intent, list)
    assert isinstance(postings, list)
    lines = fields_of("adjustment", intent[1:])["lines"] if intent[0] == "adjustment" else []
    assert isinstance(lines, list)
    for kind, owner, _ in [*postings, *lines]:
        yield kind, owner


def is_wanted(wanted: Filter, entry: Entry) -> bool:
    """Judge by the document alone."""
    told = fields_of("entry", msgpack.unpackb(msgspec.msgpack.encode(entry)))
    intent = told["intent"]
    assert isinstance(intent, list)
    named = [*intents_in(intent)]
    owned = [*accounts_in(told)]
    if wanted.kinds and not {name for name, _ in named} & set(wanted.kinds):
        return False
    operators = {owner for kind, owner in owned if kind == 3}
    banks = {owner for kind, owner in owned if kind in {5, 6, 9}}
    programmes = {owner for kind, owner in owned if kind == 7}
    programmes |= {owner.partition("/")[2] for kind, owner in owned if kind == 2}
    for _, fields in named:
        operators |= {str(fields.get("operator")), str(fields.get("to_operator"))}
        if fields.get("payee") == "operator":
            operators.add(str(fields["payee_name"]))
        banks.add(str(fields.get("bank")))
        programmes |= {str(fields.get("programme")), str(fields.get("purse"))}
    conditions = (
        (wanted.operators, operators),
        (wanted.banks, banks),
        (wanted.programmes, programmes),
    )
    return all(not names or set(names) & found for names, found in conditions)


def some(*names: str) -> st.SearchStrategy[tuple[str, ...]]:
    return st.just(()) | st.lists(st.sampled_from(names), min_size=1, max_size=3).map(tuple)


kinds: st.SearchStrategy[tuple[IntentName, ...]] = st.just(()) | st.lists(
    st.sampled_from(get_args(IntentName)), min_size=1, max_size=6
).map(tuple)
filters = st.builds(
    Filter,
    kinds,
    some("tj", "mrt", "lrt", "n*body", "shop"),
    some("dki", "bca", "pool", "n*body"),
    some("kjp", "food", "rice", "new", "no*purse"),
)


@given(histories, st.lists(filters, min_size=1, max_size=5))
def test_a_filter_finds_what_the_document_says(history: History, wanted: list[Filter]) -> None:
    entries = play(history).entries
    for each in wanted:
        matches = matcher(each)
        assert [matches(entry) for entry in entries] == [is_wanted(each, e) for e in entries]


def test_the_names_of_intents_are_those_of_the_engine() -> None:
    names = [str(intent.__struct_config__.tag) for intent in get_args(Intent)]
    assert [*get_args(IntentName)] == names


def entry(intent: Intent, *postings: tuple[int, str, int], reason: Reason = Reason.NONE) -> Entry:
    return Entry("T", 1, 1, intent, 1, reason, "", "", 0, (), postings, -1)


TAP = Tap("C", 5, "tj", "out", purse="kjp")
GROUP = Group((TAP, Subsidy("food", "tj", 3), Share("tj", "mrt", 1), TopUp("C", 1, "dki")))
BOOKS = Adjustment("ani", "why", ((3, "lrt", 1), (2, "C/kjp", 1), (9, "bca", -1)))


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(), entry(TAP)),
        (Filter(("tap",)), entry(TAP)),
        (Filter(("tap",)), entry(GROUP)),
        (Filter(("group",)), entry(GROUP)),
        (Filter(("share", "void")), entry(GROUP)),
        (Filter(operators=("tj",)), entry(TAP, reason=Reason.CARD_UNKNOWN)),
        (Filter(operators=("mrt",)), entry(GROUP)),
        (Filter(operators=("tj",)), entry(Reversal("T", 1), (1, "C", 5), (3, "tj", -5))),
        (Filter(operators=("lrt",)), entry(Hold("C", 5, "operator", "lrt", 9))),
        (Filter(operators=("lrt",)), entry(BOOKS, reason=Reason.FUNDS_MIXED)),
        (Filter(banks=("dki",)), entry(GROUP)),
        (Filter(banks=("bca",)), entry(BOOKS)),
        (Filter(banks=("bca",)), entry(Withdrawal("C", 5, "bca"))),
        (Filter(programmes=("kjp",)), entry(Purchase("C", 5, "toko", purse="kjp"))),
        (Filter(programmes=("food",)), entry(Purchase("C", 5, "toko", programme="food"))),
        (Filter(programmes=("kjp",)), entry(Withdrawal("C", 5, "bca", "kjp"))),
        (Filter(programmes=("kjp",)), entry(TAP)),
        (Filter(programmes=("food",)), entry(GROUP)),
        (Filter(programmes=("kjp",)), entry(BOOKS)),
        (Filter(programmes=("kjp",)), entry(Grant("C", "kjp", "sd", "p", 1, 2))),
        (Filter(programmes=("kjp",)), entry(Revoke("C", "kjp", "sold"))),
        (Filter(("tap",), ("mrt",)), entry(GROUP)),
    ],
)
def test_an_entry_is_found(wanted: Filter, found: Entry) -> None:
    assert matcher(wanted)(found)
    assert is_wanted(wanted, found)


@pytest.mark.parametrize(
    ("wanted", "passed"),
    [
        (Filter(("top_up",)), entry(TAP)),
        (Filter(operators=("mrt",)), entry(TAP)),
        (Filter(operators=("shop",)), entry(Hold("C", 5, "merchant", "shop", 9))),
        (Filter(operators=("tj",)), entry(Reversal("T", 1), reason=Reason.ORIGINAL_UNKNOWN)),
        (Filter(banks=("kjp",)), entry(TAP, (7, "kjp", 1))),
        (Filter(programmes=("C",)), entry(TAP, (2, "C/kjp", 1))),
        (Filter(("tap",), ("tj",), ("bca",)), entry(GROUP)),
    ],
)
def test_an_entry_is_passed_over(wanted: Filter, passed: Entry) -> None:
    assert not matcher(wanted)(passed)
    assert not is_wanted(wanted, passed)
