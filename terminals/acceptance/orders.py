"""What officers have ordered a terminal to do, on its own disk: about its lane, and about cards."""

from __future__ import annotations

import threading
from typing import Final

from storage.store import Store, all_rows

ORDERS: Final = "orders"

ORDERS_MAX: Final = 10_000
"""About cards that have not come by yet, and the lane."""

_LANE: Final = b"\xff"
"""Where the order about the lane stands: no text begins so, and so no number of a card."""
_CLOSED: Final = "closed"


class Orders:
    """The orders that hold at a terminal; a power cut does not end them. Any thread may call it.

    Args:
      store: with the table `ORDERS`.

    Raises, in each call that writes:
      StorageFull: no room; nothing was written.
      StorageFailed: the disk failed.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._orders = {key: raw.decode() for key, raw in all_rows(store, ORDERS)}

    @property
    def lane_closed(self) -> bool:
        """Whether no card is to be taken."""
        return _LANE in self._orders

    def close_lane(self, *, closed: bool) -> None:
        """Close the lane, or open it again."""
        with self._lock:
            self._set(_LANE, _CLOSED if closed else "")

    def about(self, card: str) -> str:
        """Return what was ordered about a card, or an empty text."""
        return self._orders.get(card.encode(), "")

    def take(self, card: str, action: str) -> bool:
        """Take an order about a card, in place of the one before; tell whether there was room."""
        with self._lock:
            key = card.encode()
            if len(self._orders) >= ORDERS_MAX and key not in self._orders:
                return False
            self._set(key, action)
            return True

    def forget(self, card: str) -> None:
        """Forget the order about a card: it was carried out, or holds no more."""
        with self._lock:
            self._set(card.encode(), "")

    def _set(self, key: bytes, action: str) -> None:
        self._store.write([(ORDERS, key, action.encode() or None)])
        if action:
            self._orders[key] = action
        else:
            self._orders.pop(key, None)
