"""How long to wait before a new connection, and when to give a node up."""

from __future__ import annotations

from collections.abc import Callable


class Patience:
    """Pauses that double up to a bound and begin anew after progress, and an end to patience.

    Args:
      first_s: longest pause before the first new connection.
      max_s: bound of the pauses.
      patience_s: longest time without progress.
      random: gives numbers from 0 to 1.
      now_s: the time, in seconds.
    """

    def __init__(
        self,
        first_s: float,
        max_s: float,
        patience_s: float,
        *,
        random: Callable[[], float],
        now_s: float,
    ) -> None:
        self._first_s = self._pause_s = min(first_s, max_s)
        self._max_s = max_s
        self._patience_s = patience_s
        self._random = random
        self._since_s = now_s

    def progress(self, now_s: float) -> None:
        """Note that the node was of use: trouble and pauses begin anew."""
        self._pause_s = self._first_s
        self._since_s = now_s

    def is_over(self, now_s: float) -> bool:
        """Tell whether there was no progress for too long."""
        return now_s - self._since_s >= self._patience_s

    def next_pause_s(self) -> float:
        """Return how long to wait now; the next one is twice as long."""
        # Half of it is chance: those cut off together do not come back together.
        pause_s = self._pause_s * (0.5 + self._random() / 2)
        self._pause_s = min(2 * self._pause_s, self._max_s)
        return pause_s
