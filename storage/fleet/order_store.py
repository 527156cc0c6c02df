"""Orders on disk: what became of each, so that sending one again changes nothing."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from storage.fleet.tables import ORDERS, encode, key_of, read
from storage.store import Change, Store


class OrderRecord(Struct, frozen=True, array_like=True):
    """What became of an order.

    Attributes:
      digest: of what was ordered, so that the same id with other content is told from it.
      receipt: the message that answered it.
      at_ms: when.
    """

    digest: bytes
    receipt: bytes
    at_ms: int


_ORDER: Final = msgspec.msgpack.Decoder(OrderRecord)


class OrderStore:
    """The orders in the fleet's store.

    Args:
      store: with the tables of the fleet.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, officer: str, order_id: str) -> OrderRecord | None:
        """Return what became of an order, or None if it never came."""
        value = self._store.get(ORDERS, key_of(officer, order_id.encode()))
        return None if value is None else read(_ORDER, value)

    def save(self, officer: str, order_id: str, record: OrderRecord) -> None:
        """Write what became of an order that changed nothing else."""
        self._store.write([order_change(officer, order_id, record)])


def order_change(officer: str, order_id: str, record: OrderRecord) -> Change:
    """Return the change that is written together with what an order does."""
    return ORDERS, key_of(officer, order_id.encode()), encode(record)
