"""A gate that many threads pass together, or one alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Gate:
    """`with gate:` is shared; `with gate.alone():` waits for those inside and keeps others out.

    Whoever wants to be alone is let in before those who come later.
    """

    def __init__(self) -> None:
        self._door = threading.Lock()
        self._inside = 0
        self._left = threading.Condition(threading.Lock())

    def __enter__(self) -> None:
        with self._door, self._left:
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._left:
            self._inside -= 1
            self._left.notify()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be inside when nobody else is; the wait is as long as their stay."""
        with self._door, self._left:
            while self._inside:
                self._left.wait()
            yield
