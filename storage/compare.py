"""Comparing two stores of views, row by row."""

from __future__ import annotations

from collections.abc import Iterator

from storage.errors import StorageDamaged
from storage.store import Row, Store, all_rows
from storage.view_rows import DERIVED_TABLES, RUNS, describe, merged_runs


def differences(views: Store, fold: Store) -> Iterator[str]:
    """Yield in words where views are not what they should be.

    Args:
      views: the store to judge.
      fold: the store that holds what the journal says.
    """
    for table in DERIVED_TABLES:
        try:
            for key, finding in _unequal(_rows(views, table), _rows(fold, table)):
                yield f"the views, {table}, {describe(table, key)}: {finding}"
        except StorageDamaged as damage:
            yield f"the views, {table}: {damage}"


def _rows(store: Store, table: str) -> Iterator[Row]:
    rows = all_rows(store, table)
    # Where one run ends and the next begins depends on the moments of the checkpoints.
    return merged_runs(rows) if table == RUNS else rows


def _unequal(theirs: Iterator[Row], ours: Iterator[Row]) -> Iterator[tuple[bytes, str]]:
    """Walk two tables side by side, both in the order of their keys."""
    one, other = next(theirs, None), next(ours, None)
    while one or other:
        if other is None or (one and one[0] < other[0]):
            assert one is not None
            yield one[0], "this row says what the journal does not say"
            one = next(theirs, None)
        elif one is None or other[0] < one[0]:
            yield other[0], "this row is missing"
            other = next(ours, None)
        else:
            if one[1] != other[1]:
                yield one[0], "this row is not what the journal says"
            one, other = next(theirs, None), next(ours, None)
