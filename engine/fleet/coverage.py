"""How long it took until terminals held a version: the time until 50, 95 and 100 per cent did.

What counts is the terminals that are connected: one that comes later is late by itself. A share
was reached at the first moment at which so many of the connected terminals held the version.
"""

from __future__ import annotations

from typing import Final

SHARES: Final = (50, 95, 100)
"""Per cent."""

NOT_YET: Final = -1


class Coverage:
    """The spread of one version over the fleet.

    Args:
      published_ms: when it was published.

    Attributes:
      reached_ms: for each of `SHARES` how long it took, `NOT_YET` while it has not been reached.
    """

    def __init__(self, published_ms: int) -> None:
        self.published_ms = published_ms
        self.reached_ms = [NOT_YET] * len(SHARES)

    def look(self, holders: int, connected: int, now_ms: int) -> None:
        """Note how many of the connected terminals hold the version now."""
        if not connected:
            return
        for at, share in enumerate(SHARES):
            if self.reached_ms[at] == NOT_YET and 100 * holders >= share * connected:
                self.reached_ms[at] = max(0, now_ms - self.published_ms)
