"""Two stores of views side by side."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from storage.compare import differences
from storage.memory_store import MemoryStore
from storage.view_rows import CARDS, RUNS, VIEWS_TABLES, encode, transaction_key

tables = st.dictionaries(st.binary(min_size=1, max_size=2), st.binary(max_size=1), max_size=8)


def store(rows: dict[bytes, bytes], table: str = CARDS) -> MemoryStore:
    store = MemoryStore(tables=VIEWS_TABLES)
    store.write((table, key, value) for key, value in rows.items())
    return store


@given(tables, tables)
def test_each_row_that_differs_is_told_once(
    ours: dict[bytes, bytes], theirs: dict[bytes, bytes]
) -> None:
    told = list(differences(store(theirs), store(ours)))
    missing, added = set(ours) - set(theirs), set(theirs) - set(ours)
    altered = {key for key in set(ours) & set(theirs) if ours[key] != theirs[key]}
    assert sum("is missing" in each for each in told) == len(missing)
    assert sum("does not say" in each for each in told) == len(added)
    assert sum("is not what" in each for each in told) == len(altered)
    assert len(told) == len(missing | added | altered)


def test_runs_may_be_cut_anywhere() -> None:
    whole = {transaction_key("A", 1): encode((10, 5))}
    cut = {transaction_key("A", 1): encode((10, 2)), transaction_key("A", 3): encode((12, 3))}
    assert not list(differences(store(cut, RUNS), store(whole, RUNS)))
    overlapping = {**cut, transaction_key("A", 1): encode((10, 3))}
    assert list(differences(store(overlapping, RUNS), store(whole, RUNS)))
    nothing = {**cut, transaction_key("A", 9): encode((17, 0))}
    assert list(differences(store(nothing, RUNS), store(whole, RUNS)))
