"""How a terminal is, with each heartbeat, and what time it takes it to be."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import trio
from trio.testing import MockClock

from protocol.messages import Heartbeat, Submit
from terminals.client import ClientOptions
from terminals.clock import NodeClock
from terminals.device import Device, Status
from tests.terminals.fake_node import TAP, FakeNode, FakeSession, numbered
from tests.terminals.list_world import now_ms

NODE_AHEAD_MS = 77_000


@dataclass
class Own:
    """The terminal's own clock, which may be set."""

    wrong_ms: int = 0

    def __call__(self) -> int:
        return now_ms() + self.wrong_ms


def beats(node: FakeNode) -> list[Heartbeat]:
    return [beat for session in node.sessions for beat in session.heartbeats]


async def test_a_heartbeat_tells_how_the_terminal_is(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    status = Status(12, 87, "degraded")
    options = ClientOptions(device=Device(status=lambda: status))
    async with node.open(options=options):
        await trio.sleep(1)
        assert beats(node) == [Heartbeat(0, 12, 87, "degraded")]
        status = Status(0, 86, "ok")
        await trio.sleep(20)
    assert beats(node)[1:] == [Heartbeat(20_000, 0, 86, "ok")]


async def test_heartbeats_go_out_beside_whatever_else_is_said(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    options = ClientOptions(device=Device(status=Status))
    async with node.open(options=options) as client:
        for counter in range(1, 51):
            await client.submit(numbered(counter))
            await trio.sleep(1)
    assert [beat.at_ms for beat in beats(node)] == [0, 20_000, 40_000]


async def test_a_client_without_a_device_says_only_that_it_is_there(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async with node.open() as client:
        for counter in range(1, 51):
            await client.submit(numbered(counter))
            await trio.sleep(1)
        assert beats(node) == []
        await trio.sleep(20)
    assert [(beat.backlog, beat.battery, beat.reader) for beat in beats(node)] == [(0, -1, "")]


async def test_the_backlog_is_what_the_client_has_unless_the_terminal_says_otherwise(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async def answer_late(session: FakeSession, submit: Submit) -> None:
        await trio.sleep(25)
        await node.answer(session, submit)

    node.on_submit = answer_late
    options = ClientOptions(device=Device(status=lambda: Status(battery=5)))
    async with node.open(options=options) as client:
        await trio.sleep(1)
        await client.submit(numbered(1, 2, 3))
        await trio.sleep(1)
    assert [(beat.backlog, beat.battery) for beat in beats(node)] == [(0, 5), (3, 5)]


async def test_a_new_connection_begins_with_a_heartbeat(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async with node.open(options=ClientOptions(device=Device(status=Status))):
        await trio.sleep(5)
        node.sessions[0].drop()
        await trio.sleep(5)
    assert [beat.at_ms for beat in beats(node)] == [0, 6_000]


async def test_a_clock_that_was_set_is_told_at_once(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    own, jumps = Own(), list[int]()
    clock = NodeClock(own, on_jump=jumps.append)
    async with node.open(options=ClientOptions(device=Device(clock=clock))) as client:
        await trio.sleep(5)
        own.wrong_ms = 1_000_000
        await client.submit(numbered(1))
        await trio.sleep(1)
    assert [beat.at_ms for beat in beats(node)] == [0, 1_005_000]
    assert jumps == [1_000_000]


async def test_the_handshake_tells_the_nodes_clock(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    node.server_ms = lambda: now_ms() + NODE_AHEAD_MS
    async with node.open() as client:
        assert client.clock.offset_ms() == NODE_AHEAD_MS
        assert client.clock.uncertainty_ms == 0


async def test_heartbeats_keep_the_estimate_fresh(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    ahead_ms = 0
    node.server_ms = lambda: now_ms() + ahead_ms
    async with node.open() as client:
        ahead_ms = NODE_AHEAD_MS
        await trio.sleep(8 * 20 + 1)
        assert client.clock.offset_ms() == NODE_AHEAD_MS


@pytest.mark.parametrize(("node_time", "at_ms"), [(False, 5_000), (True, 5_000 + NODE_AHEAD_MS)])
async def test_transactions_are_dated_by_the_clock_that_the_terminal_is_told_to_use(
    node: FakeNode, autojump_clock: MockClock, at_ms: int, *, node_time: bool
) -> None:
    node.server_ms = lambda: now_ms() + NODE_AHEAD_MS
    async with node.open(options=ClientOptions(node_time=node_time)) as client:
        await trio.sleep(5)
        await client.send([TAP])
    assert [entry.at_ms for entry in node.entries.values()] == [at_ms]
