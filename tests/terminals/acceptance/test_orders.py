"""What officers have ordered of a terminal stays ordered."""

from __future__ import annotations

import pytest

from storage.errors import StorageFull
from storage.memory_store import MemoryStore
from terminals.acceptance import orders as orders_module
from terminals.acceptance.orders import ORDERS, Orders

CARD = "9360020000000017"


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(tables=(ORDERS,))


def test_a_lane_that_was_closed_stays_closed_over_a_power_cut(store: MemoryStore) -> None:
    orders = Orders(store)
    assert not orders.lane_closed
    orders.close_lane(closed=True)
    assert Orders(store).lane_closed
    orders.close_lane(closed=False)
    assert not Orders(store).lane_closed


def test_an_order_about_a_card_stays_until_it_is_forgotten(store: MemoryStore) -> None:
    orders = Orders(store)
    assert orders.take(CARD, "reset_journey")
    assert orders.take(CARD, "block")
    assert (Orders(store).about(CARD), Orders(store).about("another")) == ("block", "")
    orders.forget(CARD)
    assert (orders.about(CARD), Orders(store).about(CARD)) == ("", "")


def test_no_card_is_the_lane(store: MemoryStore) -> None:
    orders = Orders(store)
    orders.take("\xff", "block")
    assert not orders.lane_closed
    orders.close_lane(closed=True)
    assert orders.about("\xff") == "block"


def test_an_order_for_which_there_is_no_room_changes_nothing(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders_module, "ORDERS_MAX", 1)
    orders = Orders(store)
    assert orders.take(CARD, "block")
    assert not orders.take("another", "block")
    store.fail_next(StorageFull("no room"))
    with pytest.raises(StorageFull):
        orders.forget(CARD)
    assert orders.about(CARD) == Orders(store).about(CARD) == "block"
