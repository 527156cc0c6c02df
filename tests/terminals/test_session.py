"""One connection: how it begins, what it may carry, and how it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
import trio
from trio.testing import MockClock

from protocol import limits, messages
from protocol.messages import Error, Outcome, Outcomes, Query, Submit
from terminals.client import ClientOptions, open_terminal
from terminals.errors import (
    LinkLost,
    NodeMisbehaved,
    NodeRefused,
    NodeUnreachable,
)
from terminals.greeting import FINAL_CODES
from terminals.link import Link
from terminals.messages import Balance
from tests.protocol import document
from tests.terminals.fake_node import KEY, NONCE, URL, FakeNode, FakeSession, numbered


async def test_a_terminal_says_who_it_is(node: FakeNode, autojump_clock: MockClock) -> None:
    async with node.open("gate-9", options=ClientOptions(software="validator 2.1")):
        pass
    hello = node.sessions[0].hello
    assert hello is not None
    assert (hello.terminal, hello.software, hello.versions) == ("gate-9", "validator 2.1", (1,))


async def test_a_frame_holds_no_more_than_the_node_takes(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    node.per_frame_max = 10
    async with node.open() as client:
        await client.submit(numbered(*range(1, 26)))
    sizes = [len(submit.transactions) for submit in node.sessions[0].submits]
    assert sizes == [10, 10, 5]


async def test_credits_are_never_overdrawn(node: FakeNode, autojump_clock: MockClock) -> None:
    node.credits = 3
    open_now = 0

    async def answer(session: FakeSession, submit: Submit) -> None:
        nonlocal open_now
        open_now += len(submit.transactions)
        assert open_now <= node.credits
        await trio.sleep(1)
        open_now -= len(submit.transactions)
        await node.answer(session, submit)

    node.on_submit = answer
    async with node.open() as client:
        outcomes = await client.submit(numbered(*range(1, 11)))
    assert len(outcomes) == 10


async def test_the_pace_stays_below_what_the_node_allows(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async with node.open() as client:
        for counter in range(1, 2_501):
            await client.submit(numbered(counter))
    times_s = node.sessions[0].received_s
    per_second = [
        sum(since_s <= at_s < since_s + 1 for at_s in times_s) for since_s in times_s[::100]
    ]
    assert max(per_second) < limits.FRAMES_PER_SECOND_MAX
    assert max(per_second) > limits.FRAMES_PER_SECOND_MAX / 2


@pytest.mark.parametrize("result", ["busy", "in_progress"])
async def test_what_the_node_puts_off_is_sent_again_when_it_says(
    node: FakeNode, autojump_clock: MockClock, result: messages.Result
) -> None:
    times_s: list[float] = []

    async def put_off(session: FakeSession, submit: Submit) -> None:
        times_s.append(trio.current_time())
        if len(times_s) < 3:
            outcomes = tuple(
                Outcome(transaction.counter, result, retry_after_ms=200)
                for transaction in submit.transactions
            )
            await session.say(Outcomes(outcomes, len(outcomes)))
        else:
            await node.answer(session, submit)

    node.on_submit = put_off
    async with node.open() as client:
        (outcome,) = await client.submit(numbered(1))
    assert outcome.result == "posted"
    assert times_s == pytest.approx([0, 0.2, 0.4])
    assert client.statistics.deferred == 2


async def test_an_idle_terminal_says_so_and_counts_what_it_still_has(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    answered = trio.Event()

    async def answer_late(session: FakeSession, submit: Submit) -> None:
        await answered.wait()
        await node.answer(session, submit)

    async with node.open(options=ClientOptions(answer_s=1_000, pulse_s=1_000)) as client:
        await trio.sleep(50)
        node.on_submit = answer_late
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.submit, numbered(1))
            await trio.sleep(30)
            answered.set()
    heartbeats = node.sessions[0].heartbeats
    assert [(beat.at_ms, beat.backlog) for beat in heartbeats[:2]] == [(20_000, 0), (40_000, 0)]
    assert heartbeats[2].backlog == 1


async def test_a_silent_node_is_left(node: FakeNode, autojump_clock: MockClock) -> None:
    node.pulses = False
    async with node.open(options=ClientOptions(pulse_s=7)) as client:
        await trio.sleep(node.heartbeat_s + 8)
        await client.submit(numbered(1))
    assert len(node.sessions) == 2


async def test_a_node_that_says_anything_after_a_heartbeat_is_alive(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    node.pulses = False
    async with node.open(options=ClientOptions(pulse_s=7)) as client:
        await trio.sleep(node.heartbeat_s + 1)
        await client.query(["balance", 1, "5"])
        await trio.sleep(node.heartbeat_s - 1)
    assert len(node.sessions) == 1


async def test_a_node_that_lets_nothing_through_is_left(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async with node.open(options=ClientOptions(pulse_s=7)) as client:
        await client.submit(numbered(1))
        node.sessions[0].let_nothing_through()
        await trio.sleep(node.heartbeat_s + 8)
        await client.submit(numbered(1))
    assert len(node.sessions) == 2


async def test_a_connection_that_swallows_an_answer_is_left(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async def swallow(_session: FakeSession, submit: Submit) -> None:
        node.decide(submit.transactions[0])
        node.on_submit = node.answer

    node.on_submit = swallow
    async with node.open(options=ClientOptions(answer_s=30)) as client:
        (outcome,) = await client.submit(numbered(1))
    assert outcome.repeated
    assert trio.current_time() == 31


async def test_a_connection_that_swallows_a_question_is_left(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async def swallow(_session: FakeSession, _query: Query) -> None:
        node.on_query = node.answer_query

    node.on_query = swallow
    async with node.open() as client:
        answer = await client.query(["balance", 1, "5"])
    assert answer == Balance(5, 7, 1_700_000_000_000)
    assert client.statistics.reconnects == 1


async def test_a_handshake_that_takes_too_long_is_tried_again(
    node: FakeNode, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    handshake = node.handshake

    async def hang(_session: FakeSession) -> None:
        monkeypatch.setattr(node, "handshake", handshake)
        await trio.sleep_forever()

    monkeypatch.setattr(node, "handshake", hang)
    async with node.open(options=ClientOptions(handshake_s=10)):
        assert trio.current_time() == 11


@pytest.mark.parametrize("code", ["key_unknown", "key_revoked", "proof_invalid", "field_invalid"])
async def test_a_terminal_that_is_not_wanted_does_not_come_back(
    node: FakeNode, autojump_clock: MockClock, code: str
) -> None:
    node.error = Error(code, "hello.public_key", "go away")
    with pytest.raises(NodeRefused, match=f"{code} hello.public_key: go away") as caught:
        async with node.open():
            pytest.fail("it was not let in")
    assert (caught.value.code, caught.value.field) == (code, "hello.public_key")
    assert len(node.attempts_s) == 1


@pytest.mark.parametrize(
    "code", ["internal_error", "node_stopping", "idle", "code_of_a_later_version"]
)
async def test_a_node_that_is_busy_with_itself_is_tried_again(
    node: FakeNode, autojump_clock: MockClock, code: str
) -> None:
    node.error = Error(code, "", "later")
    with pytest.raises(NodeUnreachable, match=f"{code}: later"):
        async with node.open(options=ClientOptions(patience_s=5)):
            pytest.fail("it was not let in")
    assert len(node.attempts_s) > 2


@pytest.mark.parametrize(
    ("code", "comes_back"),
    [
        *((code, True) for code in (1000, 1001, 1005, 1006, 1011, 1012, 1013, 3999, 4004, 4999)),
        *((code, False) for code in (1002, 1003, 1007, 1008, 1009, 4000, 4002, 4003, 4007, 4009)),
    ],
)
async def test_the_code_of_a_close_frame_tells_whether_to_come_back(
    node: FakeNode, autojump_clock: MockClock, code: int, *, comes_back: bool
) -> None:
    async with node.open() as client:
        node.sessions[0].drop(code)
        await trio.sleep(1)
        if comes_back:
            await client.submit(numbered(1))
        else:
            with pytest.raises(NodeRefused, match=f"closed_{code}"):
                await client.submit(numbered(1))


@pytest.mark.parametrize("payload", [b"", b"\xc1", b"\x91\xa5hello", b"\x93\xa5pulse\x01\xa1x"])
async def test_a_node_that_speaks_something_else_is_left_for_good(
    node: FakeNode, autojump_clock: MockClock, payload: bytes
) -> None:
    async with node.open() as client:
        await node.sessions[0].say_bytes(payload)
        await trio.sleep(1)
        with pytest.raises(NodeMisbehaved):
            await client.submit(numbered(1))


@pytest.mark.parametrize(
    "message",
    [messages.Challenge(1, bytes(32), 0), messages.Ready(0, 0, 1, 1, 4096, 1, ())],
)
async def test_a_second_handshake_in_a_session_is_no_protocol(
    node: FakeNode, autojump_clock: MockClock, message: messages.FromNode
) -> None:
    async with node.open() as client:
        await node.sessions[0].say(message)
        await trio.sleep(1)
        with pytest.raises(NodeMisbehaved, match="did not expect"):
            await client.submit(numbered(1))


@pytest.mark.parametrize("at", ["challenge", "version", "ready"])
async def test_a_handshake_out_of_order_is_no_protocol(
    node: FakeNode, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    async def confuse(session: FakeSession) -> None:
        await session.hear()
        if at != "challenge":
            await session.say(messages.Challenge(2 if at == "version" else 1, bytes(32), 0))
        if at == "ready":
            await session.hear()
        await session.say(messages.Pulse(0, 0))

    monkeypatch.setattr(node, "handshake", confuse)
    with pytest.raises(NodeMisbehaved, match="expected"):
        async with node.open():
            pytest.fail("it was not let in")


class LastWord:
    """A connection that breaks behind `ready`, and what the node said last on its way."""

    def __init__(self) -> None:
        self._sent = 0
        self._says: list[messages.FromNode] = [
            messages.Challenge(1, NONCE, 0),
            messages.Ready(0, 0, 10, 20, 4096, 10, ()),
            Error("key_revoked", "hello.public_key", "no more"),
        ]

    async def send(self, payload: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self._sent += bool(payload)
        if self._sent > 2:
            raise LinkLost("gone")

    async def receive(self) -> bytes:
        if len(self._says) == 1:
            await trio.sleep(0.1)
        return msgspec.msgpack.encode(self._says.pop(0))


async def test_the_last_word_of_a_node_is_heard_where_nothing_can_be_sent_any_more(
    autojump_clock: MockClock,
) -> None:
    connections = []

    @asynccontextmanager
    async def connect(url: str) -> AsyncIterator[Link]:
        connections.append(url)
        await trio.lowlevel.checkpoint()
        yield LastWord()

    with pytest.raises(NodeRefused, match="key_revoked"):
        async with open_terminal(
            URL, "gate-1", KEY, clock_ms=lambda: 0, random=lambda: 1.0, connect=connect
        ) as client:
            await client.submit(numbered(1))
    assert connections == [URL]


def test_a_client_comes_back_by_itself_where_the_document_says_later() -> None:
    told = {row[0].strip("`"): row[3] for row in document.table("code")}
    assert {code for code, when in told.items() if when != "later"} == FINAL_CODES
