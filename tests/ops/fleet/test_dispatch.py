"""Following a command, at a node that says what a test wants."""

from __future__ import annotations

import pytest
import trio

from engine.fleet.commands import RestartTerminal
from ops.fleet.dispatch import EXPIRY_MS_MAX, Dispatch, dispatch
from ops.fleet.ordering import Given
from ops.remote import Remote
from protocol.messages import Answer, CommandFound, CommandRow, Query
from terminals.keys import new_key
from tests.terminals.fake_node import SERVER_MS, FakeNode, FakeSession

ANI = Remote("ws://node.example", "gate-1", new_key())
NAMED = Given("X1", "--id X1")


@pytest.fixture
def node(nursery: trio.Nursery) -> FakeNode:
    return FakeNode(nursery)


async def test_a_command_that_never_expires_at_the_node_is_not_waited_for(
    node: FakeNode, autojump_clock: trio.testing.MockClock
) -> None:
    expires_ms = SERVER_MS + 60_000

    async def answer(session: FakeSession, query: Query) -> None:
        row = CommandRow(
            1, "gate-1/X1", RestartTerminal(), "gate-1", SERVER_MS, expires_ms, 1, 0, 0, 0, 0
        )
        await session.say(Answer(query.id, CommandFound(row, (), "")))

    node.on_query = answer
    how = Dispatch(("T",), None, "", "", False, 0, expires_ms, None, True)  # noqa: FBT003
    noted: list[int] = []
    async with node.open() as client:
        sent = await dispatch(
            client, ANI, NAMED, ["restart"], how, lambda row: noted.append(row.accepted)
        )
    assert sent.row is not None
    assert sent.row.accepted == 1
    assert len(noted) > (60_000 + EXPIRY_MS_MAX) // 1_000
