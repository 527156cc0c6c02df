"""Orders that have no receipt yet: what to send next, and what to send again.

Sending an order again is always safe: the node does it once, under the id that its officer chose.
"""

from __future__ import annotations

import math
from typing import Final

import trio

from protocol import limits
from terminals.messages import Receipt

RECEIPT_S: Final = 600.0
"""Longest wait for a receipt before the connection is held to be dead: publishing a list of two
million entries takes a node a minute, and others may stand before it."""


class Pending:
    """An order without a receipt.

    Attributes:
      packed: as it goes onto the wire.
      sent_s: when it was sent on this connection, or None.
      wanted: whether somebody still waits for the receipt.
      done: set when the receipt has come, or never will.
    """

    __slots__ = ("done", "packed", "receipt", "sent_s", "wanted")

    def __init__(self, packed: bytes) -> None:
        self.packed = packed
        self.sent_s: float | None = None
        self.wanted = True
        self.receipt: Receipt | None = None
        self.done = trio.Event()


class Orders:
    """All orders of a client without a receipt. Times are seconds on the caller's clock."""

    def __init__(self) -> None:
        # Both in the order in which they came.
        self._unsent: dict[str, Pending] = {}
        self._sent: dict[str, Pending] = {}

    def __len__(self) -> int:
        """How many have no receipt."""
        return len(self._unsent) + len(self._sent)

    def __contains__(self, order_id: str) -> bool:
        """Tell whether an id is under way, also if nobody waits for its receipt any more."""
        return order_id in self._unsent or order_id in self._sent

    def add(self, order_id: str, packed: bytes) -> Pending:
        """Take in an order. Its id must not be under way."""
        assert order_id not in self
        pending = self._unsent[order_id] = Pending(packed)
        return pending

    def withdraw(self, order_id: str) -> None:
        """Let go of an order that nobody waits for; what was sent may have been done."""
        self._unsent.pop(order_id, None)
        # The node counts it until it has written the receipt.
        if (pending := self._sent.get(order_id)) is not None:
            pending.wanted = False

    def next_message(self, now_s: float) -> bytes | None:
        """Return the next order to send, and note it as sent."""
        order_id = next(iter(self._unsent), None)
        if order_id is None or len(self._sent) >= limits.ORDERS_OPEN_MAX:
            return None
        pending = self._sent[order_id] = self._unsent.pop(order_id)
        pending.sent_s = now_s
        return pending.packed

    def take(self, receipt: Receipt) -> bool:
        """Hand a receipt to whoever ordered; tell whether it was waited for."""
        pending = self._sent.pop(receipt.id, None)
        if pending is None:
            return False
        pending.receipt = receipt
        pending.done.set()
        return pending.wanted

    def lost(self) -> None:
        """Make everything that somebody waits for due again: the connection ended."""
        again = {order_id: pending for order_id, pending in self._sent.items() if pending.wanted}
        for pending in again.values():
            pending.sent_s = None
        self._unsent = again | self._unsent
        self._sent = {}

    def fail(self) -> None:
        """End: no receipt will come, and nobody waits for ever."""
        for pending in (self._unsent | self._sent).values():
            pending.done.set()

    def overdue_s(self) -> float:
        """Return when the connection is to be held dead for want of a receipt; infinity: not."""
        first = next(iter(self._sent.values()), None)
        return math.inf if first is None or first.sent_s is None else first.sent_s + RECEIPT_S
