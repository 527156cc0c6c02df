"""A node of a few lines, on memory channels, that does what a test tells it to do wrong.

It reads and writes with the types of protocol.messages: another implementation than the client's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import msgspec
import trio
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from engine.transaction import Transaction
from protocol import messages
from protocol.messages import (
    Answer,
    BalanceOf,
    Challenge,
    Error,
    FeedEnd,
    FromNode,
    FromTerminal,
    Heartbeat,
    Hello,
    Order,
    Outcome,
    Outcomes,
    Prove,
    Pulse,
    Query,
    Ready,
    Receipt,
    Submit,
    Subscribe,
)
from terminals import intents
from terminals.client import ClientOptions, TerminalClient, open_terminal
from terminals.errors import LinkLost
from terminals.keys import new_key
from terminals.link import Link
from terminals.work import OnOutcome

URL: Final = "ws://node.example"
KEY: Final = new_key()
NONCE: Final = bytes(range(32))
DEFAULTS: Final = ClientOptions()
SERVER_MS: Final = 1_700_000_000_000

TAP: Final = intents.tap("card", 3_500, "transjakarta", "in", proof=b"p")

_DECODER: Final = msgspec.msgpack.Decoder(FromTerminal)


def numbered(*counters: int) -> list[tuple[int, int, intents.Intent]]:
    """Return the same tap under each of these counters."""
    return [(counter, 1_000, TAP) for counter in counters]


class ChannelLink:
    """One end of a connection."""

    def __init__(
        self, outgoing: trio.MemorySendChannel[bytes], incoming: trio.MemoryReceiveChannel[bytes]
    ) -> None:
        self._outgoing = outgoing
        self._incoming = incoming
        self.close_code = 1006
        self.is_stuck = False

    async def send(self, payload: bytes) -> None:
        if self.is_stuck:
            await trio.sleep_forever()
        try:
            await self._outgoing.send(payload)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise LinkLost("gone", code=self.close_code) from error

    async def receive(self) -> bytes:
        try:
            return await self._incoming.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError) as error:
            raise LinkLost("gone", code=self.close_code) from error


class FakeSession:
    """One connection, as the node sees it."""

    def __init__(self, link: ChannelLink, peer: ChannelLink, scope: trio.CancelScope) -> None:
        self._link = link
        self._peer = peer
        self._scope = scope
        self.hello: Hello | None = None
        self.heartbeats: list[Heartbeat] = []
        self.submits: list[Submit] = []
        self.received_s: list[float] = []
        self.received_bytes: list[int] = []

    async def say(self, message: FromNode) -> None:
        await self._link.send(msgspec.msgpack.encode(message))

    async def say_bytes(self, payload: bytes) -> None:
        await self._link.send(payload)

    async def hear(self) -> FromTerminal:
        payload = await self._link.receive()
        message: FromTerminal = _DECODER.decode(payload)
        self.received_bytes.append(len(payload))
        self.received_s.append(trio.current_time())
        return message

    def let_nothing_through(self) -> None:
        """From now on whatever the terminal sends waits on its way."""
        self._peer.is_stuck = True

    def drop(self, code: int = 1006) -> None:
        """End the connection without a word."""
        self._peer.close_code = code
        self._scope.cancel()


async def never(_session: FakeSession, _message: FromTerminal) -> None:
    """Do not answer."""
    await trio.lowlevel.checkpoint()


async def refuse_to_tell(session: FakeSession, message: Subscribe) -> None:
    """Let nobody follow."""
    await session.say(FeedEnd(message.id, "not_allowed", "subscribe", "not for this role"))


class FakeNode:
    """The node; tests replace its hooks and read what it has seen.

    Attributes:
      entries: content by counter, as a ledger would hold it.
      refusals: how many of the next connections fail.
      orders: all that came, those that were sent again too.
      told: what it heard of lists and commands.
      pulses: whether heartbeats are answered.
      on_submit, on_query, on_order, on_subscribe, on_told: what it does with them.
    """

    def __init__(self, nursery: trio.Nursery) -> None:
        self.entries: dict[int, Transaction] = {}
        self.sessions: list[FakeSession] = []
        self.attempts_s: list[float] = []
        self.refusals = 0
        self.last_counter = 0
        self.credits = 2_000
        self.per_frame_max = 500
        self.heartbeat_s = 20
        self.pulses = True
        self.frame_bytes_max = 262_144
        self.error: Error | None = None
        self.on_submit: Callable[[FakeSession, Submit], Awaitable[None]] = self.answer
        self.on_query: Callable[[FakeSession, Query], Awaitable[None]] = self.answer_query
        self.orders: list[Order] = []
        self.on_order: Callable[[FakeSession, Order], Awaitable[None]] = self.answer_order
        self.on_subscribe: Callable[[FakeSession, Subscribe], Awaitable[None]] = refuse_to_tell
        self.told: list[FromTerminal] = []
        self.on_told: Callable[[FakeSession, FromTerminal], Awaitable[None]] = never
        self.capabilities: tuple[str, ...] = messages.CAPABILITIES
        self.server_ms: Callable[[], int] = lambda: SERVER_MS
        self._nursery = nursery

    def connect(self, url: str) -> AbstractAsyncContextManager[Link]:
        assert url == URL
        return self.make_link()

    @asynccontextmanager
    async def make_link(self) -> AsyncIterator[Link]:
        self.attempts_s.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        if self.refusals:
            self.refusals -= 1
            raise LinkLost("connection refused")
        to_node, from_terminal = trio.open_memory_channel[bytes](64)
        to_terminal, from_node = trio.open_memory_channel[bytes](64)
        link = ChannelLink(to_node, from_node)
        with to_node, from_node:
            self._nursery.start_soon(self._serve, from_terminal, to_terminal, link)
            yield link

    async def _serve(
        self,
        incoming: trio.MemoryReceiveChannel[bytes],
        outgoing: trio.MemorySendChannel[bytes],
        peer: ChannelLink,
    ) -> None:
        with incoming, outgoing, trio.CancelScope() as scope:
            await trio.lowlevel.checkpoint()
            session = FakeSession(ChannelLink(outgoing, incoming), peer, scope)
            self.sessions.append(session)
            try:
                await self.handshake(session)
                while True:
                    await self._take(session, await session.hear())
            except LinkLost:
                return

    async def handshake(self, session: FakeSession) -> None:
        hello = await session.hear()
        assert isinstance(hello, Hello)
        session.hello = hello
        await session.say(Challenge(1, NONCE, self.server_ms()))
        prove = await session.hear()
        assert isinstance(prove, Prove)
        text = messages.proof_text(NONCE, hello.public_key, hello.terminal)
        try:
            Ed25519PublicKey.from_public_bytes(hello.public_key).verify(prove.signature, text)
        except InvalidSignature:
            self.error = Error("proof_invalid", "prove.signature", "no")
        if self.error is not None:
            await session.say(self.error)
            session.drop()
            return
        await session.say(
            Ready(
                self.server_ms(),
                max(self.last_counter, *self.entries, 0),
                self.credits,
                self.heartbeat_s,
                self.frame_bytes_max,
                self.per_frame_max,
                self.capabilities,
            )
        )

    async def _take(self, session: FakeSession, message: FromTerminal) -> None:
        if isinstance(message, Submit):
            session.submits.append(message)
            await self.on_submit(session, message)
        elif isinstance(message, Query):
            await self.on_query(session, message)
        elif isinstance(message, Order):
            self.orders.append(message)
            await self.on_order(session, message)
        elif isinstance(message, Subscribe):
            await self.on_subscribe(session, message)
        elif isinstance(message, Heartbeat):
            session.heartbeats.append(message)
            if self.pulses:
                await session.say(Pulse(message.at_ms, self.server_ms()))
        else:
            self.told.append(message)
            await self.on_told(session, message)

    def decide(self, transaction: Transaction) -> Outcome:
        """Post, or find what was posted before."""
        counter = transaction.counter
        known = self.entries.setdefault(counter, transaction)
        repeated = known is not transaction
        if known != transaction:
            return Outcome(counter, "conflict", detail="intent", repeated=True)
        return Outcome(counter, "posted", 0, list(self.entries).index(counter), repeated)

    async def answer(self, session: FakeSession, submit: Submit) -> None:
        outcomes = tuple(self.decide(transaction) for transaction in submit.transactions)
        await session.say(Outcomes(outcomes, len(outcomes)))

    async def answer_query(self, session: FakeSession, query: Query) -> None:
        assert isinstance(query.question, BalanceOf)
        body = messages.Balance(int(query.question.owner), 7, SERVER_MS)
        await session.say(Answer(query.id, body))

    async def answer_order(self, session: FakeSession, order: Order) -> None:
        await session.say(Receipt(order.id, "done", count=len(self.orders)))

    def open(
        self,
        terminal: str = "gate-1",
        *,
        options: ClientOptions = DEFAULTS,
        random: Callable[[], float] = lambda: 1.0,
        on_outcome: OnOutcome | None = None,
    ) -> AbstractAsyncContextManager[TerminalClient]:
        """Open a client of this node, whose clock is that of trio."""
        return open_terminal(
            URL,
            terminal,
            KEY,
            clock_ms=lambda: int(trio.current_time() * 1000),
            random=random,
            connect=self.connect,
            options=options,
            on_outcome=on_outcome,
        )
