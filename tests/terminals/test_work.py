"""Questions: asked as often as needed, and answered once."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from protocol import limits, messages
from protocol.messages import Answer, Failed, Query
from terminals.messages import Balance
from tests.terminals.fake_node import FakeNode, FakeSession, never


async def test_a_question_is_asked_until_the_node_has_time(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async def busy(session: FakeSession, query: Query) -> None:
        node.on_query = node.answer_query
        await session.say(Answer(query.id, Failed("busy", "", "taps come first", 500)))

    node.on_query = busy
    async with node.open() as client:
        answer = await client.query(["balance", 1, "5"])
    assert answer == Balance(5, 7, 1_700_000_000_000)
    assert trio.current_time() == pytest.approx(0.5)


async def test_a_question_without_an_answer_is_answered_so(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async def unknown(session: FakeSession, query: Query) -> None:
        await session.say(Answer(query.id, Failed("not_found", "query.question.owner", "none")))

    node.on_query = unknown
    async with node.open() as client:
        answer = await client.query(["balance", 1, "5"])
    assert answer == ("not_found", "query.question.owner", "none", 0)


async def test_no_more_questions_are_open_than_the_node_allows(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    open_now = most = 0

    async def answer_late(session: FakeSession, query: Query) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        if open_now == limits.QUERIES_OPEN_MAX:
            open_now = 0
            for number in range(query.id - limits.QUERIES_OPEN_MAX + 1, query.id + 1):
                await session.say(Answer(number, messages.Balance(number, 0, 0)))

    node.on_query = answer_late
    answers: list[object] = []
    async with node.open() as client, trio.open_nursery() as nursery:

        async def ask() -> None:
            answers.append(await client.query(["balance", 1, "5"]))

        for _ in range(4 * limits.QUERIES_OPEN_MAX):
            nursery.start_soon(ask)
    assert most == limits.QUERIES_OPEN_MAX
    assert answers == [Balance(number, 0, 0) for number in range(64)]


async def test_open_questions_are_asked_again_after_a_reconnect(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async def drop(session: FakeSession, _query: Query) -> None:
        node.on_query = node.answer_query
        session.drop()

    node.on_query = drop
    async with node.open() as client:
        answer = await client.query(["balance", 1, "5"])
    assert isinstance(answer, Balance)


async def test_an_answer_that_nobody_asked_for_is_counted(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async with node.open() as client:
        await node.sessions[0].say(Answer(4_711, messages.Balance(0, 0, 0)))
        await trio.sleep(1)
    assert client.statistics.unclaimed == 1


async def test_a_cancelled_question_is_forgotten(node: FakeNode, autojump_clock: MockClock) -> None:
    node.on_query = never
    async with node.open() as client:
        with trio.move_on_after(5) as scope:
            await client.query(["balance", 1, "5"])
        assert scope.cancelled_caught
        await trio.sleep(1_000)
    assert client.statistics.reconnects == 0
