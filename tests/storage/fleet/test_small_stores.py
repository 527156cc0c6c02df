"""Orders and terminals on disk, and walking rows that begin alike."""

from __future__ import annotations

from storage.fleet.order_store import OrderRecord, OrderStore, order_change
from storage.fleet.tables import FLEET_TABLES, LISTS, ORDERS, key_of, rows_under
from storage.fleet.terminal_store import TerminalRecord, TerminalStore, packed
from storage.memory_store import MemoryStore


def test_an_order_is_known_by_its_officer_and_id() -> None:
    orders, record = OrderStore(MemoryStore(tables=FLEET_TABLES)), OrderRecord(b"d", b"r", 1)
    orders.save("ani", "1", record)
    assert orders.find("ani", "1") == record
    assert orders.find("ani", "2") is None
    assert orders.find("budi", "1") is None


def test_names_that_begin_alike_do_not_meet() -> None:
    assert (
        order_change("ani", "1", OrderRecord(b"", b"", 0))[1]
        != (order_change("ani1", "", OrderRecord(b"", b"", 0))[1])
    )


def test_terminals_are_as_they_were_packed() -> None:
    store = MemoryStore(tables=FLEET_TABLES)
    terminals = TerminalStore(store)
    gate = TerminalRecord("G1", "gate", battery=50, lists={"deny": 7})
    row = packed(gate)
    gate.battery = 10
    terminals.save([row, packed(TerminalRecord("B2"))], [(ORDERS, b"k", b"v")])
    assert [record.terminal for record in terminals.load()] == ["B2", "G1"]
    assert terminals.load()[1].battery == 50
    assert terminals.load()[1].lists == {"deny": 7}
    assert store.get(ORDERS, b"k") == b"v"


def test_rows_under_a_prefix_end_where_the_prefix_does() -> None:
    store = MemoryStore(tables=FLEET_TABLES)
    rows = [(key_of("a", bytes([number])), b"") for number in range(5)]
    store.write([(LISTS, key, value) for key, value in [*rows, (key_of("b"), b"")]])
    assert [key for key, _ in rows_under(store, LISTS, key_of("a"))] == [
        bytes([number]) for number in range(5)
    ]
    assert [key for key, _ in rows_under(store, LISTS, key_of("a"), b"\3")] == [b"\3", b"\4"]
    assert [key for key, _ in rows_under(store, LISTS, key_of("b"))] == [b""]
    assert [*rows_under(store, LISTS, key_of("c"))] == []
