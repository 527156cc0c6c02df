"""What the client has delivered, and what was found wrong at any time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NoReturn

from ops.conformance.client.contract import TRANSACTIONS, is_as_told
from ops.conformance.errors import RuleBroken
from ops.conformance.peer import told

FINAL: Final = frozenset({"posted", "refused", "conflict"})


class Book:
    """Keeps account of the client's transactions.

    Attributes:
      final: counters with a final result.
      highest: the highest counter that came.
      faults: what was found wrong first, of each kind that is watched at all times.
    """

    def __init__(self) -> None:
        self.final: set[int] = set()
        self.highest = 0
        self.faults: dict[str, str] = {}

    def fault(self, kind: str, text: str) -> NoReturn:
        """Note that something is wrong which has to be right at all times.

        Raises:
          RuleBroken: always.
        """
        self.faults.setdefault(kind, text)
        raise RuleBroken(text)

    def sent(self, transaction: list[Any]) -> None:
        """Take a transaction of the client."""
        counter = transaction[0]
        self.highest = max(self.highest, counter)
        if not 1 <= counter <= TRANSACTIONS or not is_as_told(transaction):
            self.fault("content", f"{told(transaction)} is not what it has to deliver")
        if counter in self.final:
            self.fault("final", f"{counter} was sent again after its final result")

    def answered(self, outcome: Sequence[Any]) -> None:
        """Note an outcome that is sent; one that may not have arrived is noted by nobody."""
        if outcome[1] in FINAL:
            self.final.add(outcome[0])

    def left(self) -> list[int]:
        """Return the counters without a final result."""
        return [counter for counter in range(1, TRANSACTIONS + 1) if counter not in self.final]
