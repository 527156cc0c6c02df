"""Orders: sent until there is a receipt, and no more of them than the node allows."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from protocol import limits
from protocol.messages import Error, ListWithdraw, Order, Receipt
from terminals import orders
from terminals.errors import ClientClosed, NodeRefused, TerminalError
from tests.terminals.fake_node import FakeNode, FakeSession, never

DROP = ["list_withdraw", "draft-1"]


async def test_an_order_gets_its_receipt(node: FakeNode, autojump_clock: MockClock) -> None:
    async def refuse(session: FakeSession, order: Order) -> None:
        await session.say(Receipt(order.id, "refused", "draft_unknown", "order.action", "no", 3, 4))

    node.on_order = refuse
    async with node.open() as client:
        receipt = await client.order("drop-1", DROP)
    assert node.orders == [Order("drop-1", ListWithdraw("draft-1"))]
    assert (receipt.id, receipt.result, receipt.code) == ("drop-1", "refused", "draft_unknown")
    assert (receipt.field, receipt.text, receipt.version, receipt.count) == (
        "order.action",
        "no",
        3,
        4,
    )


async def test_an_order_without_a_receipt_is_sent_again_on_the_next_connection(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async def drop(session: FakeSession, _order: Order) -> None:
        if len(node.orders) == 3:
            node.on_order = node.answer_order
        session.drop()

    node.on_order = drop
    async with node.open() as client, trio.open_nursery() as nursery:
        for number in range(2):
            nursery.start_soon(client.order, f"drop-{number}", DROP)
    assert sorted(order.id for order in node.orders[-2:]) == ["drop-0", "drop-1"]
    assert len(node.sessions) == 4


async def test_no_more_orders_are_open_than_the_node_allows(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    waiting: list[str] = []

    async def answer_late(session: FakeSession, order: Order) -> None:
        waiting.append(order.id)
        assert len(waiting) <= limits.ORDERS_OPEN_MAX
        if len(waiting) == limits.ORDERS_OPEN_MAX or order.id == "last":
            for order_id in waiting:
                await session.say(Receipt(order_id, "done"))
            waiting.clear()

    node.on_order = answer_late
    async with node.open() as client, trio.open_nursery() as nursery:
        for number in range(2 * limits.ORDERS_OPEN_MAX + 3):
            nursery.start_soon(client.order, f"drop-{number}", DROP)
        await trio.sleep(1)
        nursery.start_soon(client.order, "last", DROP)
    assert len(node.orders) == 2 * limits.ORDERS_OPEN_MAX + 4


async def test_what_was_sent_counts_as_open_when_nobody_waits_for_it_any_more(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    node.on_order = never
    async with node.open() as client:
        async with trio.open_nursery() as nursery:
            for number in range(limits.ORDERS_OPEN_MAX):
                nursery.start_soon(client.order, f"drop-{number}", DROP)
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
        node.on_order = node.answer_order
        with pytest.raises(ValueError, match="drop-3 is under way already"):
            await client.order("drop-3", DROP)
        with trio.move_on_after(1) as scope:
            await client.order("one-more", DROP)
        assert scope.cancelled_caught
        await node.sessions[0].say(Receipt("drop-3", "done"))
        await trio.sleep(1)
        assert client.statistics.unclaimed == 1
        assert (await client.order("drop-3", DROP)).result == "done"
    assert [order.id for order in node.orders].count("drop-3") == 2


async def test_a_withdrawn_order_is_not_sent_on_the_next_connection(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    node.on_order = never
    async with node.open() as client:
        with trio.move_on_after(1):
            await client.order("drop-1", DROP)
        node.sessions[0].drop()
        await trio.sleep(5)
        node.on_order = node.answer_order
        await client.order("drop-2", DROP)
    assert [order.id for order in node.orders] == ["drop-1", "drop-2"]


async def test_a_node_that_loses_an_order_is_left(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async def lose(_session: FakeSession, _order: Order) -> None:
        node.on_order = node.answer_order

    node.on_order = lose
    async with node.open() as client:
        await client.order("drop-1", DROP)
    assert client.statistics.reconnects == 1
    assert trio.current_time() == pytest.approx(orders.RECEIPT_S + 1)


async def test_a_receipt_that_nobody_waits_for_is_counted(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async with node.open() as client:
        await node.sessions[0].say(Receipt("what", "done"))
        await trio.sleep(1)
    assert client.statistics.unclaimed == 1


async def test_an_order_longer_than_the_node_takes_is_not_sent(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async with node.open() as client:
        with pytest.raises(ValueError, match="the order long takes 300"):
            await client.order("long", ["list_withdraw", "x" * 300_000])
        await client.order("drop-1", DROP)


async def test_whoever_waits_for_a_receipt_is_told_when_the_client_ends(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async def refuse(session: FakeSession, _order: Order) -> None:
        await session.say(Error("orders_exceeded", "order", "no"))

    node.on_order = refuse
    told: list[TerminalError] = []
    async with node.open() as client:

        async def wait() -> None:
            with pytest.raises(NodeRefused) as caught:
                await client.order(f"drop-{len(told)}", DROP)
            told.append(caught.value)

        await wait()
        await wait()
    assert [error.code for error in told if isinstance(error, NodeRefused)] == 2 * [
        "orders_exceeded"
    ]
    with pytest.raises(NodeRefused):
        await client.order("drop-9", DROP)


async def test_an_order_to_a_client_that_has_ended_is_refused(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async with node.open() as client:
        pass
    with pytest.raises(ClientClosed):
        await client.order("drop-1", DROP)
