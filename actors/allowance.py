"""An allowance: so much of something in each period."""

from __future__ import annotations


class Allowance:
    """What may be spent in a period; it begins anew with the next one, and nothing is saved up.

    What is spent last may go beyond it: its price is known only afterwards.

    Args:
      amount: what may be spent.
      period_s: how long it has to last.
    """

    __slots__ = ("_amount", "_left", "_period_s", "_until_s")

    def __init__(self, amount: int, period_s: float) -> None:
        self._amount = self._left = amount
        self._period_s = period_s
        self._until_s = 0.0

    def is_spent(self, now_s: float) -> bool:
        """Tell whether nothing is left; `now_s` is on a clock that does not run backwards."""
        if now_s >= self._until_s:
            self._until_s = now_s + self._period_s
            self._left = self._amount
        return self._left <= 0

    def spend(self, amount: int) -> None:
        """Take something off."""
        self._left -= amount
