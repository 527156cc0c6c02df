"""Waiting until a list has spread, at a node that says what a test wants."""

from __future__ import annotations

import click
import pytest
import trio

from ops.fleet.list_wait import POLL_S, wait_spread
from protocol.messages import Answer, ListRow, Lists, Query
from tests.terminals.fake_node import FakeNode, FakeSession


@pytest.fixture
def node(nursery: trio.Nursery) -> FakeNode:
    return FakeNode(nursery)


def standing(version: int, holders: int, connected: int) -> ListRow:
    return ListRow(
        *("deny", version, bytes(32), 5, 60, 0, 0, "ani", "", "", holders, connected),
        *((-1, -1, -1), 0),
    )


def telling(*rows: ListRow | None) -> list[Lists]:
    return [Lists(() if row is None else (row,), ()) for row in rows]


def answer_with(node: FakeNode, told: list[Lists]) -> None:
    """Answer with one after the other, and in the end with the last."""

    async def answer(session: FakeSession, query: Query) -> None:
        await session.say(Answer(query.id, told.pop(0) if len(told) > 1 else told[0]))

    node.on_query = answer


async def test_enough_is_a_share_of_those_who_are_connected(
    node: FakeNode, autojump_clock: trio.testing.MockClock
) -> None:
    answer_with(
        node,
        telling(standing(7, 0, 0), standing(7, 94, 100), standing(8, 1, 100), standing(8, 95, 100)),
    )
    noted: list[int] = []
    async with node.open() as client:
        spread = await wait_spread(
            client, "deny", share=95, timeout_s=60, note=lambda row: noted.append(row.version)
        )
    assert spread.reached
    assert spread.row.version == 8
    assert spread.waited_s == 3 * POLL_S
    assert noted == [7, 7, 8, 8]


async def test_not_enough_ends_when_the_time_is_over(
    node: FakeNode, autojump_clock: trio.testing.MockClock
) -> None:
    answer_with(node, telling(standing(7, 94, 100)))
    async with node.open() as client:
        spread = await wait_spread(client, "deny", share=95, timeout_s=3.2, note=lambda _row: None)
    assert not spread.reached
    assert spread.waited_s == pytest.approx(3.2)


async def test_a_list_that_was_never_published_is_not_waited_for(node: FakeNode) -> None:
    answer_with(node, telling(None))
    async with node.open() as client:
        with pytest.raises(click.ClickException, match="deny was never published"):
            await wait_spread(client, "deny", share=95, timeout_s=60, note=lambda _row: None)
