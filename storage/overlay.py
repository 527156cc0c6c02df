"""A table kept in memory where it is in use, and in the views where it rests.

A row is looked for where it is newest: among the rows changed since the last checkpoint, then
among those that a checkpoint is writing, then in a bounded cache, then in the views.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_MERGE_ROWS_MAX: Final = 10_000
"""Rows of a checkpoint that are copied into the cache, half a millisecond; more take its place."""

_LET_GO_ROWS: Final = 2
"""Rows let go for each that comes. To free a hundred thousand at once takes fifty milliseconds, in
which nobody's tap is decided."""


class Overlay(Generic[K, V]):
    """A table for the book; all but `peek` belong to the thread that decides.

    The cache has two generations: what is looked up moves to the younger one, and when that is
    full it becomes the older, and the older is dropped. Rows changed since the last checkpoint are
    outside of it and bounded by the time between two checkpoints. A row is a value: it is replaced,
    never changed in place, so the thread that writes a checkpoint reads it without a lock.

    Args:
      load: the rows of the views for some keys, None where there is none; called from any thread.
      clean_rows_max: the most rows of the cache, beyond what the last checkpoint wrote.
    """

    def __init__(
        self, load: Callable[[Sequence[K]], Sequence[V | None]], *, clean_rows_max: int
    ) -> None:
        assert clean_rows_max >= 2, "two generations"  # noqa: PLR2004 - the two of the message
        self._load = load
        self._generation_max = clean_rows_max // 2
        self._current: dict[K, V] = {}
        self._saving: dict[K, V] = {}
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}
        self._dropped: list[dict[K, V]] = []

    def get(self, key: K, /) -> V | None:
        """Return the row, or None."""
        row = self._current.get(key)
        if row is not None:
            return row
        row = self._saving.get(key)
        if row is not None:
            return row
        row = self._young.get(key)
        if row is not None:
            return row
        row = self._old.get(key)
        if row is None:
            row = self._load((key,))[0]
        if row is not None:
            self._keep(key, row)
        return row

    def __setitem__(self, key: K, row: V, /) -> None:
        """Set the row; the next checkpoint writes it."""
        self._current[key] = row
        if self._dropped:
            self._let_go(1)

    def peek(self, key: K) -> V | None:
        """Return the row, or None, from any thread: nothing is moved.

        A checkpoint may begin or fail between two looks, which moves rows between the layers, so
        the first layer is looked at once more; when it has succeeded, the row is in the views.
        """
        for layer in (self._current, self._saving, self._current):
            row = layer.get(key)
            if row is not None:
                return row
        return self._load((key,))[0]

    def prefetch(self, keys: Iterable[K]) -> None:
        """Load what is not in memory of some keys, in one look at the views."""
        current, saving, young, old = self._current, self._saving, self._young, self._old
        missing = [
            key
            for key in set(keys)
            if key not in current and key not in saving and key not in young and key not in old
        ]
        if not missing:
            return
        rows = zip(missing, self._load(missing), strict=True)
        found = {key: row for key, row in rows if row is not None}
        self._make_room(len(found))
        self._young.update(found)

    def freeze(self) -> Mapping[K, V]:
        """Return the rows changed since the last checkpoint, for one that begins now."""
        assert not self._saving, "one checkpoint at a time"
        # In this order, so that `peek` finds every row in one of the two.
        self._saving = self._current
        self._current = {}
        return self._saving

    def saved(self) -> None:
        """The views hold the frozen rows: they are clean now."""
        saving, self._saving = self._saving, {}
        if len(saving) <= _MERGE_ROWS_MAX:
            self._young.update(saving)
        else:
            self._begin_generation(saving)

    def restore(self) -> None:
        """The checkpoint failed: the frozen rows wait for the next one, under newer ones."""
        self._current = {**self._saving, **self._current}
        self._saving = {}

    def clean_rows(self) -> int:
        """Return how many rows the cache holds, those that are being let go among them."""
        return len(self._young) + len(self._old) + sum(map(len, self._dropped))

    def _keep(self, key: K, row: V) -> None:
        self._make_room(1)
        self._young[key] = row

    def _make_room(self, rows: int) -> None:
        if len(self._young) + rows > self._generation_max:
            self._begin_generation({})
        if self._dropped:
            self._let_go(rows)

    def _begin_generation(self, rows: dict[K, V]) -> None:
        self._dropped.append(self._old)
        self._old, self._young = self._young, rows

    def _let_go(self, rows: int) -> None:
        oldest = self._dropped[0]
        for _ in range(min(_LET_GO_ROWS * rows, len(oldest))):
            oldest.popitem()
        if not oldest:
            del self._dropped[0]
