"""What an officer does: orders until they are done, and lists in parts that fit."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from protocol import limits
from protocol.messages import Error, ListPart, ListPublish, ListWithdraw, Order, Receipt
from terminals import officer, wire
from terminals.errors import NodeRefused
from tests.terminals.fake_node import FakeNode, FakeSession


def cards(count: int) -> Iterable[officer.Entry]:
    return ((f"60135001{number:08}", "lost") for number in range(count))


def refusing(node: FakeNode, order_id: str, code: str) -> None:
    """Have the node refuse one order, and do all others."""

    async def answer(session: FakeSession, order: Order) -> None:
        if order.id == order_id:
            await session.say(Receipt(order.id, "refused", code))
        else:
            await node.answer_order(session, order)

    node.on_order = answer


def ids(node: FakeNode) -> list[str]:
    return [order.id for order in node.orders]


async def test_an_order_is_sent_until_the_node_has_time_for_it(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    times_s: list[float] = []

    async def busy(session: FakeSession, order: Order) -> None:
        times_s.append(trio.current_time())
        turned_away = Receipt(order.id, "busy", "overload")
        await session.say(turned_away if len(times_s) < 9 else Receipt(order.id, "waiting"))

    node.on_order = busy
    async with node.open() as client:
        receipt = await officer.order(client, "drop-1", ["list_withdraw", "d"])
    assert receipt.result == "waiting"
    assert times_s == pytest.approx([0, 0.2, 0.6, 1.4, 3, 6.2, 11.2, 16.2, 21.2])
    assert len(set(ids(node))) == 1


@pytest.mark.parametrize("order_id", ["", "a b", "a/b", "*", "é", "x" * 65])
async def test_an_id_that_is_no_name_is_not_sent(
    node: FakeNode, autojump_clock: MockClock, order_id: str
) -> None:
    async with node.open() as client:
        with pytest.raises(ValueError, match="is no id"):
            await officer.order(client, order_id, ["list_withdraw", "d"])
    assert not node.orders


async def test_a_list_is_published_in_parts(node: FakeNode, autojump_clock: MockClock) -> None:
    async with node.open() as client:
        receipt = await officer.publish(
            client,
            "deny",
            "morning",
            cards(2_345),
            base=7,
            whole=True,
            activate_ms=99,
            note="as they say",
        )
    *parts, last = node.orders
    assert last == Order(
        "morning.publish",
        ListPublish("morning", "deny", 3, 7, whole=True, activate_ms=99, note="as they say"),
    )
    assert receipt.id == "morning.publish"
    assert sorted(order.id for order in parts) == ["morning.0", "morning.1", "morning.2"]
    sent: list[officer.Entry] = []
    for number, order in enumerate(sorted(parts, key=lambda order: order.id)):
        assert isinstance(order.action, ListPart)
        assert (order.action.draft, order.action.name) == ("morning", "deny")
        assert order.action.part == number
        sent += order.action.entries
    assert sent == list(cards(2_345))


async def test_a_list_is_emptied_without_any_part(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async with node.open() as client:
        await officer.publish(client, "deny", "none", [], base=1, whole=True)
    assert node.orders == [Order("none.publish", ListPublish("none", "deny", 0, 1, whole=True))]


async def test_a_part_that_is_refused_ends_the_draft(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    refusing(node, "d.1", "key_invalid")
    async with node.open() as client:
        receipt = await officer.publish(client, "deny", "d", cards(50_000), base=0, whole=False)
    assert (receipt.id, receipt.code) == ("d.1", "key_invalid")
    assert "d.publish" not in ids(node)
    assert len(node.orders) <= officer.PARTS_AT_ONCE + 2


@pytest.mark.parametrize(
    ("code", "dropped"),
    [
        ("version_passed", True),
        ("nothing_changes", True),
        ("parts_missing", True),
        ("conflict", False),
        ("draft_unknown", False),
    ],
)
async def test_a_draft_that_is_of_no_more_use_is_withdrawn(
    node: FakeNode, autojump_clock: MockClock, code: str, *, dropped: bool
) -> None:
    refusing(node, "d.publish", code)
    async with node.open() as client:
        receipt = await officer.publish(client, "deny", "d", cards(1), base=0, whole=False)
    assert (receipt.id, receipt.code) == ("d.publish", code)
    assert (node.orders[-1].action == ListWithdraw("d")) == dropped


@pytest.mark.parametrize("draft", ["", "a b", "x" * 57])
async def test_a_draft_needs_a_name(node: FakeNode, autojump_clock: MockClock, draft: str) -> None:
    async with node.open() as client:
        with pytest.raises(ValueError, match="is no name for a draft"):
            await officer.publish(client, "deny", draft, cards(1), base=0, whole=False)
    assert not node.orders


async def test_more_entries_than_a_draft_may_have_are_not_published(
    node: FakeNode, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LIST_PARTS_MAX", 2)
    async with node.open() as client:
        with pytest.raises(ValueError, match="at most 2 parts"):
            await officer.publish(client, "deny", "d", cards(2_001), base=0, whole=False)
    assert "d.publish" not in ids(node)


async def test_a_client_that_ends_meanwhile_ends_the_publishing(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async def end(session: FakeSession, _order: Order) -> None:
        await session.say(Error("key_revoked", "", "no"))

    node.on_order = end
    async with node.open() as client:
        with pytest.raises(NodeRefused, match="key_revoked"):
            await officer.publish(client, "deny", "d", cards(50_000), base=0, whole=False)


async def test_publishing_goes_on_over_connections(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    taken: set[str] = set()

    async def drop_often(session: FakeSession, order: Order) -> None:
        taken.add(order.id)
        if len(node.orders) % 5 == 0:
            session.drop()
        else:
            await node.answer_order(session, order)

    node.on_order = drop_often
    async with node.open() as client:
        receipt = await officer.publish(client, "deny", "d", cards(10_000), base=0, whole=False)
    assert receipt.result == "done"
    assert taken == {*(f"d.{number}" for number in range(10)), "d.publish"}
    assert client.statistics.reconnects


ENTRIES = st.lists(
    st.tuples(st.text(min_size=1, max_size=128), st.none() | st.text(max_size=1_000)), max_size=60
)


@given(ENTRIES, st.integers(4_700, 12_000))
def test_parts_hold_all_entries_in_order_and_fit(
    entries: list[officer.Entry], bytes_max: int
) -> None:
    parts = list(officer.cut(entries, bytes_max))
    assert [entry for part in parts for entry in part] == entries
    for number, part in enumerate(parts):
        action = ["list_part", "d" * 56, "firmware", number, part]
        assert len(wire.order("d" * 60, action)) <= bytes_max + officer.HEADER_BYTES


def test_an_entry_that_fits_into_no_part_is_said() -> None:
    with pytest.raises(ValueError, match="the entry of 'key' takes"):
        list(officer.cut([("key", "x" * 5_000)], 4_000))
