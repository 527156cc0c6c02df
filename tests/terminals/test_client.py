"""The client against a node that drops, doubles, delays and refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock

from protocol.messages import Error, Outcome, Outcomes, Submit
from terminals import client as client_module
from terminals.client import ClientOptions, TerminalClient
from terminals.errors import (
    ClientClosed,
    LinkLost,
    NodeRefused,
    NodeUnreachable,
    TerminalError,
)
from terminals.link import Link
from tests.terminals.fake_node import KEY, TAP, URL, FakeNode, FakeSession, never, numbered


async def test_what_is_submitted_is_posted_and_answered_in_order(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async with node.open() as client:
        outcomes = await client.submit(numbered(7, 3, 5))
    assert [outcome.counter for outcome in outcomes] == [7, 3, 5]
    assert {outcome.result for outcome in outcomes} == {"posted"}
    (submit,) = node.sessions[0].submits
    assert [transaction.counter for transaction in submit.transactions] == [3, 5, 7]
    assert client.statistics.posted == client.statistics.sent == 3
    assert client.statistics.reconnects == 0


async def test_nothing_to_submit_needs_no_node(node: FakeNode, autojump_clock: MockClock) -> None:
    async with node.open() as client:
        assert await client.submit([]) == []
    assert not node.sessions[0].submits


@pytest.mark.parametrize(
    ("at_node", "at_terminal", "first"), [(0, 0, 1), (41, 0, 42), (41, 99, 100)]
)
async def test_own_counters_go_on_from_the_highest_that_either_side_knows(
    node: FakeNode, autojump_clock: MockClock, at_node: int, at_terminal: int, first: int
) -> None:
    node.last_counter = at_node
    async with node.open(options=ClientOptions(last_counter=at_terminal)) as client:
        one = await client.send([TAP, TAP])
        two = await client.send([TAP])
    assert [outcome.counter for outcome in one + two] == [first, first + 1, first + 2]
    assert all(entry.at_ms == 0 for entry in node.entries.values())


async def test_own_counters_go_on_above_those_that_the_caller_chose(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async with node.open() as client:
        await client.submit(numbered(5, 9, 7))
        (outcome,) = await client.send([numbered(1)[0][2]])
    assert (outcome.counter, outcome.result) == (10, "posted")


async def test_the_window_has_a_bound_and_everything_gets_through_it(
    node: FakeNode, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "PENDING_MAX", 4)

    async def answer(session: FakeSession, submit: Submit) -> None:
        assert len(submit.transactions) <= 4
        await node.answer(session, submit)

    node.on_submit = answer
    async with node.open() as client, trio.open_nursery() as nursery:
        nursery.start_soon(client.submit, numbered(*range(1, 20)))
        nursery.start_soon(client.submit, numbered(*range(20, 40)))
    assert sorted(node.entries) == list(range(1, 40))


async def test_whoever_waits_for_room_is_told_when_the_client_ends(
    node: FakeNode, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "PENDING_MAX", 1)

    async def refuse(session: FakeSession, _submit: Submit) -> None:
        await session.say(Error("field_invalid", "submit", "no"))

    node.on_submit = refuse
    async with node.open() as client:
        with pytest.raises(NodeRefused):
            await client.submit(numbered(1, 2))


async def test_unanswered_transactions_are_sent_again_in_counter_order(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async def answer_half_and_drop(session: FakeSession, submit: Submit) -> None:
        half = submit.transactions[::2]
        await session.say(Outcomes(tuple(map(node.decide, half)), len(half)))
        for transaction in submit.transactions:
            node.decide(transaction)
        node.on_submit = node.answer
        session.drop()

    node.on_submit = answer_half_and_drop
    async with node.open() as client:
        outcomes = await client.submit(numbered(9, 8, 7, 6, 5, 4, 3, 2, 1))
    assert [outcome.counter for outcome in outcomes] == [9, 8, 7, 6, 5, 4, 3, 2, 1]
    (again,) = node.sessions[1].submits
    assert [transaction.counter for transaction in again.transactions] == [2, 4, 6, 8]
    statistics = client.statistics
    assert (statistics.sent, statistics.posted, statistics.resent) == (9, 9, 4)
    assert (statistics.repeated, statistics.reconnects) == (4, 1)


async def test_a_drop_before_any_answer_loses_and_doubles_nothing(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    drops = 5

    async def drop(session: FakeSession, submit: Submit) -> None:
        nonlocal drops
        drops -= 1
        if drops % 2:
            node.decide(submit.transactions[0])
        if not drops:
            node.on_submit = node.answer
        session.drop()

    node.on_submit = drop
    async with node.open() as client:
        await client.submit(numbered(1, 2, 3))
    assert sorted(node.entries) == [1, 2, 3]
    assert client.statistics.posted == 3


async def test_doubled_and_late_answers_are_passed_over(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async def answer_twice(session: FakeSession, submit: Submit) -> None:
        await node.answer(session, submit)
        await session.say(Outcomes((node.decide(submit.transactions[0]), Outcome(99, "posted")), 0))

    node.on_submit = answer_twice
    async with node.open() as client:
        await client.submit(numbered(1))
        await client.submit(numbered(2))
        await trio.sleep(1)
    assert client.statistics.posted == 2
    assert client.statistics.unclaimed == 4


async def test_refusals_and_conflicts_are_answers(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async def answer(session: FakeSession, _submit: Submit) -> None:
        outcomes = (
            Outcome(1, "refused", reason="below_floor", rule="purse.unregistered"),
            Outcome(2, "conflict", detail="intent.amount_rp"),
            Outcome(3, "refused", repeated=True, reason="card_blocked"),
        )
        await session.say(Outcomes(outcomes, 3))

    seen: list[tuple[str, float]] = []
    node.on_submit = answer
    async with node.open(
        on_outcome=lambda outcome, latency_s: seen.append((outcome.result, latency_s))
    ) as client:
        outcomes = await client.submit(numbered(1, 2, 3))
    assert [outcome.reason for outcome in outcomes] == ["below_floor", "", "card_blocked"]
    statistics = client.statistics
    assert (statistics.refused, statistics.conflicts, statistics.repeated) == (2, 1, 1)
    assert seen == [("refused", 0), ("conflict", 0), ("refused", 0)]


async def test_latency_counts_from_the_submit_whatever_happened_in_between(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    latencies_s: list[float] = []
    async with node.open(on_outcome=lambda _, latency_s: latencies_s.append(latency_s)) as client:
        node.refusals = 3
        node.sessions[0].drop()
        await client.submit(numbered(1))
    assert latencies_s == [1 + 2 + 4 + 8]


async def test_a_node_that_is_away_is_tried_again_ever_more_rarely(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    node.refusals = 8
    options = ClientOptions(backoff_s_max=10, patience_s=1_000)
    async with node.open(options=options):
        pass
    pauses_s = [after - before for before, after in pairwise(node.attempts_s)]
    assert pauses_s == [1, 2, 4, 8, 10, 10, 10, 10]


async def test_chance_takes_up_to_half_of_a_pause(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    node.refusals = 2
    draws = iter((0.0, 0.5))
    async with node.open(random=lambda: next(draws)):
        pass
    assert node.attempts_s == [0, 0.5, 0.5 + 1.5]


async def test_pauses_begin_anew_after_an_answer(node: FakeNode, autojump_clock: MockClock) -> None:
    async with node.open() as client:
        for counter in range(1, 4):
            node.refusals = 3
            node.sessions[-1].drop()
            began_s = trio.current_time()
            await client.submit(numbered(counter))
            assert trio.current_time() - began_s == 1 + 2 + 4 + 8


async def test_patience_ends(node: FakeNode, autojump_clock: MockClock) -> None:
    node.refusals = 1_000
    with pytest.raises(NodeUnreachable, match=r"gate-1: no progress in 60 s; connection refused"):
        async with node.open(options=ClientOptions(patience_s=60)):
            pytest.fail("it was not let in")
    assert trio.current_time() == 1 + 2 + 4 + 8 + 16 + 32


async def test_a_node_that_lets_in_and_never_answers_wears_out_patience(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async def drop(session: FakeSession, _submit: Submit) -> None:
        session.drop()

    node.on_submit = drop
    async with node.open(options=ClientOptions(patience_s=60)) as client:
        with pytest.raises(NodeUnreachable):
            await client.submit(numbered(1))
    assert len(node.sessions) == 7


async def test_patience_counts_from_the_trouble_not_from_the_last_word(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async with node.open(options=ClientOptions(patience_s=30)) as client:
        await trio.sleep(10_000)
        node.refusals = 3
        node.sessions[0].drop()
        (outcome,) = await client.submit(numbered(1))
    assert outcome.result == "posted"


async def test_a_refusal_in_the_middle_reaches_everyone_who_waits(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async def refuse(session: FakeSession, _submit: Submit) -> None:
        await trio.sleep(1)
        await session.say(Error("not_allowed", "submit.transactions[0].intent", "no"))

    node.on_submit, node.on_query = refuse, never
    told: list[TerminalError] = []
    async with node.open() as client:

        async def submit(counter: int) -> None:
            with pytest.raises(NodeRefused) as caught:
                await client.submit(numbered(counter))
            told.append(caught.value)

        async def ask() -> None:
            with pytest.raises(NodeRefused) as caught:
                await client.query(["balance", 1, "5"])
            told.append(caught.value)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            nursery.start_soon(submit, 1)
            nursery.start_soon(submit, 2)
        with pytest.raises(NodeRefused):
            await client.submit(numbered(3))
        with pytest.raises(NodeRefused):
            await client.query(["balance", 1, "5"])
        with pytest.raises(NodeRefused):
            await client.send([TAP])
    assert len(told) == 3
    assert len(node.attempts_s) == 1


async def test_what_was_not_sent_is_withdrawn_when_its_caller_is_cancelled(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async with node.open() as client:
        node.refusals = 4
        node.sessions[0].drop()
        await trio.sleep(0.5)
        with trio.move_on_after(1) as scope:
            await client.submit(numbered(1, 2))
        assert scope.cancelled_caught
        await client.submit(numbered(3))
    assert list(node.entries) == [3]


async def test_a_counter_cannot_be_used_while_its_answer_may_still_come(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async def answer_late(session: FakeSession, submit: Submit) -> None:
        await trio.sleep(5)
        await node.answer(session, submit)

    node.on_submit = answer_late
    async with node.open() as client:
        with trio.move_on_after(1):
            await client.submit(numbered(1))
        with pytest.raises(ValueError, match="counter 1 is under way already"):
            await client.submit(numbered(1))
        await trio.sleep(5)
        (outcome,) = await client.submit(numbered(1))
    assert outcome.repeated


async def test_a_counter_may_not_stand_twice(node: FakeNode, autojump_clock: MockClock) -> None:
    async with node.open() as client:
        with pytest.raises(ValueError, match="twice"):
            await client.submit(numbered(1, 1))


async def test_a_transaction_larger_than_any_may_be_is_not_sent(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async with node.open() as client:
        with pytest.raises(ValueError, match="takes 5"):
            await client.submit([(1, 0, ["tap", "x" * 5_000])])
        await client.submit(numbered(1))


async def test_an_error_of_the_body_comes_out_as_it_is(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    with pytest.raises(KeyError, match="mine"):
        async with node.open():
            raise KeyError("mine")


async def test_cancelling_the_body_ends_the_client(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    with trio.move_on_after(3) as scope:
        async with node.open():
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert trio.current_time() == 3


async def test_leaving_while_the_node_is_away_takes_no_time(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async with node.open(options=ClientOptions(backoff_first_s=100)):
        node.refusals = 100
        node.sessions[0].drop()
        await trio.sleep(1)
    assert trio.current_time() == 1


async def test_a_client_that_was_closed_does_nothing_any_more(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async with node.open() as client:
        pass
    with pytest.raises(ClientClosed):
        await client.submit(numbered(1))
    with pytest.raises(ClientClosed):
        await client.wait_ready()


async def test_closing_wakes_whoever_still_waits(node: FakeNode, autojump_clock: MockClock) -> None:
    node.on_submit = never
    async with trio.open_nursery() as nursery, node.open() as client:

        async def wait() -> None:
            with pytest.raises(ClientClosed):
                await client.submit(numbered(1))

        nursery.start_soon(wait)
        await trio.sleep(1)


async def test_run_raises_in_a_nursery_of_ones_own(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    client = TerminalClient(
        URL, "gate-1", KEY, clock_ms=lambda: 0, random=lambda: 1.0, connect=node.connect
    )
    node.error = Error("key_revoked", "", "no")
    with pytest.raises(NodeRefused):
        await client.run()
    with pytest.raises(NodeRefused):
        await client.wait_ready()


async def test_a_link_that_cannot_be_closed_in_order_is_no_failure(
    node: FakeNode, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_link = node.make_link

    @asynccontextmanager
    async def stubborn() -> AsyncIterator[Link]:
        async with make_link() as link:
            yield link
        raise LinkLost("no answer to the close frame")

    monkeypatch.setattr(node, "make_link", stubborn)
    async with node.open() as client:
        await client.submit(numbered(1))
    assert client.statistics.posted == 1
