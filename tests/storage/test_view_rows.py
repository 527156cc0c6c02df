"""Keys that sort and cannot be mixed up, and values that are refused when they are not ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import StorageDamaged
from storage.store import KEY_BYTES_MAX
from storage.view_rows import (
    ACCOUNTS,
    BALANCES,
    CARD,
    CARDS,
    EXCEPTIONS,
    LANDMARKS,
    RETURNED,
    RUN,
    RUNS,
    account_key,
    account_of,
    decode,
    describe,
    encode,
    merged_runs,
    name_key,
    number_of,
    position_key,
    transaction_key,
)

names = st.text(st.sampled_from("a\0é"), min_size=1, max_size=4)
counters = st.integers(1, 2**53)
transactions = st.tuples(names, counters)


@given(transactions, transactions)
def test_transactions_of_one_terminal_lie_together_by_ascending_counter(
    one: tuple[str, int], other: tuple[str, int]
) -> None:
    key, other_key = transaction_key(*one), transaction_key(*other)
    assert (key == other_key) == (one == other)
    assert number_of(key) == one[1]
    if one[0] == other[0]:
        assert (key < other_key) == (one[1] < other[1])
    else:
        # All transactions of one terminal come before all of the other.
        ends = [transaction_key(one[0], counter) for counter in (1, 2**53)]
        assert (ends[0] < other_key) == (ends[1] < other_key)


def test_the_longest_names_make_keys_that_a_store_takes() -> None:
    longest = "\U0001f68c" * 64
    assert len(transaction_key(longest, 2**53)) < KEY_BYTES_MAX
    assert len(account_key(10, longest) + position_key(2**53)) < KEY_BYTES_MAX


@given(st.integers(1, 10), names)
def test_an_account_is_read_from_its_key(kind: int, owner: str) -> None:
    assert account_of(account_key(kind, owner)) == (kind, owner)


def test_a_key_of_no_account_is_refused() -> None:
    with pytest.raises(StorageDamaged, match="delete the folder"):
        account_of(b"\x03\x00\x01\xff")


def test_the_empty_name_has_a_key_and_it_is_nobodys() -> None:
    assert name_key("") == b"\0"
    assert name_key("6013") == b"6013"


def test_a_value_that_is_not_ours_is_refused() -> None:
    with pytest.raises(StorageDamaged, match="delete the folder `views`"):
        decode(CARD, encode([1, 2]))


@given(st.lists(st.tuples(st.sampled_from("AB"), st.booleans()), max_size=30), st.data())
def test_runs_merged_do_not_depend_on_where_they_were_cut(
    sent: list[tuple[str, bool]], data: st.DataObject
) -> None:
    counters = {"A": 0, "B": 0}
    ones: dict[bytes, tuple[int, int]] = {}
    for position, (terminal, is_gap) in enumerate(sent):
        counters[terminal] += 1 + is_gap
        ones[transaction_key(terminal, counters[terminal])] = (position, 1)
    single = [(key, encode(value)) for key, value in sorted(ones.items())]
    merged = list(merged_runs(single))
    assert list(merged_runs(merged)) == merged
    assert sum(decode(RUN, value)[1] for _, value in merged) == len(sent)
    middle = data.draw(st.integers(0, len(single)))
    cut = [*merged_runs(single[:middle]), *merged_runs(single[middle:])]
    assert list(merged_runs(cut)) == merged


def test_keys_are_told_as_people_read_them() -> None:
    account = account_key(3, "transjakarta")
    assert describe(CARDS, b"6013\xff") == "6013\\xff"
    assert describe(EXCEPTIONS, position_key(7)) == describe(LANDMARKS, b"\7") == "position 7"
    for table in (RUNS, RETURNED):
        assert describe(table, transaction_key("GATE-1", 9)) == "GATE-1 counter 9"
    assert describe(ACCOUNTS, account) == "3 transjakarta"
    assert describe(BALANCES, account + position_key(5)) == "3 transjakarta position 5"
