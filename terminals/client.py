"""The terminal's client: one terminal, one node, however many connections that takes.

It keeps a connection, proves who it is, sends transactions and questions, sends again what was
not answered when a connection ended, and counts. Sending again is always safe (D7), so the
client never has to know what had arrived.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocol import limits
from terminals import wire
from terminals.clock import NodeClock
from terminals.device import NO_DEVICE, Device
from terminals.errors import (
    ClientClosed,
    LinkLost,
    NodeUnreachable,
    TerminalError,
)
from terminals.intents import Intent
from terminals.link import Connect
from terminals.messages import AnswerBody, Failed, Outcome, Receipt
from terminals.nursery import flat_nursery
from terminals.patience import Patience
from terminals.session import HEADER_BYTES, Session
from terminals.websocket import CLOSE_S, websocket
from terminals.window import Batch, Unanswered
from terminals.work import OnOutcome, Question, Statistics, Work

PENDING_MAX: Final = limits.CREDITS
"""Transactions of a client without an answer: no more can be under way anyhow."""


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """How a client goes about its work.

    Attributes:
      software: what the terminal says of itself.
      last_counter: the highest counter used so far, where the terminal remembers more than the
        node does.
      patience_s: longest time without progress before the client gives up a node.
      backoff_first_s, backoff_s_max: longest pause before the first new connection, doubled each
        time, and its bound.
      handshake_s: from the open connection to `ready`.
      answer_s: longest wait for an answer before a connection is held to be dead.
      pulse_s: longest wait for the pulse of a heartbeat, or for anything in its place.
      node_time: whether `send` dates transactions by the node's clock as it is estimated, not by
        the terminal's own.
      device: what else there is to look after: lists, commands, how the terminal is.
    """

    software: str = "jakarta-one"
    last_counter: int = 0
    patience_s: float = 120.0
    backoff_first_s: float = 1.0
    backoff_s_max: float = 60.0
    handshake_s: float = limits.HANDSHAKE_S
    answer_s: float = 30.0
    pulse_s: float = 10.0
    node_time: bool = False
    device: Device = NO_DEVICE


class TerminalClient:
    """A terminal at its node. `run` must be running; `open_terminal` sees to that.

    Attributes:
      terminal: its name.
      clock: the node's clock, as it is estimated.
      connected: whether there is a connection on which the node has let the terminal in.

    Args:
      url: where the node is.
      terminal: the name of the terminal.
      key: its key.
      clock_ms: its clock, in milliseconds since 1970 (UTC).
      random: gives numbers from 0 to 1; pauses between attempts depend on them.
      connect: opens a connection.
      options: how to go about it.
      on_outcome: is told of each final outcome.
    """

    def __init__(
        self,
        url: str,
        terminal: str,
        key: Ed25519PrivateKey,
        *,
        clock_ms: Callable[[], int],
        random: Callable[[], float],
        connect: Connect = websocket,
        options: ClientOptions = ClientOptions(),
        on_outcome: OnOutcome | None = None,
    ) -> None:
        self.terminal = terminal
        self.clock = options.device.clock or NodeClock(clock_ms)
        self.connected = False
        self._url = url
        self._key = key
        self._random = random
        self._connect = connect
        self._options = options
        self._counter = options.last_counter
        self._work = Work(on_outcome)
        self._ready = trio.Event()
        self._ended = trio.Event()
        self._asking = trio.CapacityLimiter(limits.QUERIES_OPEN_MAX)
        self._frame_bytes_max = limits.FRAME_BYTES_MAX

    @property
    def statistics(self) -> Statistics:
        """What has been done so far."""
        return self._work.statistics

    @property
    def last_counter(self) -> int:
        """The highest counter that the terminal has used, or that the node has seen of it."""
        return self._counter

    @property
    def frame_bytes_max(self) -> int:
        """The longest message that the node takes, as it said last."""
        return self._frame_bytes_max

    async def submit(self, transactions: Sequence[tuple[int, int, Intent]]) -> list[Outcome]:
        """Submit transactions under counters of the caller's choice; wait for all outcomes.

        The client's own counters go on above them.

        Args:
          transactions: counter, the terminal's time in milliseconds, and the intent of each.

        Returns:
          The outcomes in the same order, each `posted`, `refused` or `conflict`.

        Raises:
          ValueError: a counter is under way already, or a transaction is larger than any may be.
          TerminalError: the client ended; what was sent may have been posted or not.

        Cancellation: what was not sent is withdrawn; what was sent may have been posted, and
          submitting it again tells.
        """
        batch = Batch(counter for counter, _, _ in transactions)
        if len(batch.missing) != len(transactions):
            raise ValueError("a counter stands twice")
        self._counter = max(self._counter, *batch.missing, 0)
        try:
            for counter, at_ms, intent in transactions:
                packed = wire.transaction(counter, at_ms, intent)
                if len(packed) > wire.FRAME_BYTES_MIN - HEADER_BYTES:
                    raise ValueError(f"transaction {counter} takes {len(packed)} bytes")
                await self._add(Unanswered(counter, packed, batch, trio.current_time()))
            if transactions:
                self._work.touch()
                await batch.done.wait()
        finally:
            self._work.window.withdraw(batch)
        if batch.missing:
            raise self._failure()
        return [batch.outcomes[counter] for counter, _, _ in transactions]

    async def send(self, intents: Iterable[Intent]) -> list[Outcome]:
        """Submit intents under the terminal's own next counters; else as `submit`."""
        await self.wait_ready()
        at_ms = self._stamp_ms()
        numbered = [
            (counter, at_ms, intent)
            for counter, intent in enumerate(intents, start=self._counter + 1)
        ]
        self._counter += len(numbered)
        return await self.submit(numbered)

    async def query(self, question: Sequence[object]) -> AnswerBody:
        """Ask, as often as the node is too busy to answer, and return its answer.

        Args:
          question: its name and fields in the protocol's order, as `["balance", 1, card]`.

        Raises:
          TerminalError: the client ended.

        Cancellation: leaves no trace.
        """
        async with self._asking:
            while True:
                answer = await self._ask(question)
                if not isinstance(answer, Failed) or not answer.retry_after_ms:
                    return answer
                await trio.sleep(answer.retry_after_ms / 1000)

    async def order(self, order_id: str, action: Sequence[object]) -> Receipt:
        """Send an order until its receipt comes; `terminals.officer` has what one mostly wants.

        Returns:
          The receipt; `busy`: the node has not looked at it.

        Raises:
          ValueError: the id is under way already, or the order is longer than any may be.
          TerminalError: the client ended; what was sent may have been done or not.

        Cancellation: it may have been done.
        """
        work = self._work
        packed = wire.order(order_id, action)
        if len(packed) > self._frame_bytes_max:
            raise ValueError(f"the order {order_id} takes {len(packed)} bytes")
        if order_id in work.orders:
            raise ValueError(f"the order {order_id} is under way already")
        if work.failure is not None:
            raise self._failure()
        pending = work.orders.add(order_id, packed)
        work.touch()
        try:
            await pending.done.wait()
        finally:
            work.orders.withdraw(order_id)
        if pending.receipt is None:
            raise self._failure()
        return pending.receipt

    async def wait_ready(self) -> None:
        """Wait until the node has let the terminal in for the first time.

        Raises:
          TerminalError: the client ended before.
        """
        await self._ready.wait()
        if self._work.failure is not None:
            raise self._failure()

    async def aclose(self) -> None:
        """End in good order; what is still unanswered raises ClientClosed where it is waited for.

        Cancellation: the connection is dropped instead of closed.
        """
        self._work.stop.set()
        self._work.touch()
        with trio.move_on_after(CLOSE_S):
            await self._ended.wait()

    async def run(self) -> None:
        """Keep the connection until `aclose`.

        Raises:
          NodeRefused: the node does not want this terminal, or what it sends.
          NodeMisbehaved: what the node sends is not of the protocol.
          NodeUnreachable: no progress for longer than the patience allows.
        """
        try:
            async with flat_nursery() as nursery:
                for part in self._options.device.parts:
                    part.attach(self._work.touch)
                    nursery.start_soon(part.run)
                await self._keep_connected()
                nursery.cancel_scope.cancel()
        except TerminalError as error:
            self._work.fail(error)
            raise
        finally:
            self._work.fail(ClientClosed(f"{self.terminal} has ended"))
            self._ready.set()
            self._ended.set()

    def _stamp_ms(self) -> int:
        clock = self.clock
        return clock.corrected_ms() if self._options.node_time else clock.own_ms()

    async def _add(self, transaction: Unanswered) -> None:
        work = self._work
        if len(work.window) >= PENDING_MAX:
            work.touch()
        while len(work.window) >= PENDING_MAX and work.failure is None:
            await work.changed.wait()
        if work.failure is not None:
            raise self._failure()
        if transaction.counter in work.window:
            raise ValueError(f"counter {transaction.counter} is under way already")
        work.window.add(transaction)

    async def _ask(self, content: Sequence[object]) -> AnswerBody:
        if self._work.failure is not None:
            raise self._failure()
        question = Question(content)
        number = self._work.ask(question)
        try:
            await question.done.wait()
        finally:
            self._work.forget(number)
        if question.answer is None:
            raise self._failure()
        return question.answer

    def _failure(self) -> TerminalError:
        failure = self._work.failure
        assert failure is not None
        # Raised to everyone who waits: each shall see only the way it took to them.
        return failure.with_traceback(None)

    async def _keep_connected(self) -> None:
        work, options = self._work, self._options
        patience = Patience(
            options.backoff_first_s,
            options.backoff_s_max,
            options.patience_s,
            random=self._random,
            now_s=trio.current_time(),
        )
        while not work.stop.is_set():
            progress = work.progress
            try:
                await self._one_session()
            except LinkLost as error:
                now_s = trio.current_time()
                if work.progress > progress:
                    patience.progress(now_s)
                if patience.is_over(now_s):
                    raise NodeUnreachable(
                        f"{self.terminal}: no progress in {options.patience_s:g} s; {error}"
                    ) from error
                work.lost()
                with trio.move_on_after(patience.next_pause_s()):
                    await work.stop.wait()

    async def _one_session(self) -> None:
        work, options = self._work, self._options
        async with self._connect(self._url) as link:
            session = Session(
                link,
                work,
                options.device,
                self.clock,
                answer_s=options.answer_s,
                pulse_s=options.pulse_s,
            )
            with trio.move_on_after(options.handshake_s) as handshake:
                ready = await session.greet(self.terminal, self._key, options.software)
            if handshake.cancelled_caught:
                raise LinkLost(f"no handshake in {options.handshake_s:g} s")
            self._counter = max(self._counter, ready.last_counter)
            self._frame_bytes_max = ready.frame_bytes_max
            work.statistics.sessions += 1
            work.progress += work.idle
            self._ready.set()
            self.connected = True
            try:
                await session.run(ready)
            finally:
                self.connected = False


@asynccontextmanager
async def open_terminal(
    url: str,
    terminal: str,
    key: Ed25519PrivateKey,
    *,
    clock_ms: Callable[[], int],
    random: Callable[[], float],
    connect: Connect = websocket,
    options: ClientOptions = ClientOptions(),
    on_outcome: OnOutcome | None = None,
) -> AsyncIterator[TerminalClient]:
    """Run a client while the body runs; the arguments are those of `TerminalClient`.

    Raises:
      TerminalError: the node did not let the terminal in. If it ends later, the calls of the
        client raise it.

    Cancellation: the connection is dropped instead of closed; no task is left behind.
    """
    client = TerminalClient(
        url,
        terminal,
        key,
        clock_ms=clock_ms,
        random=random,
        connect=connect,
        options=options,
        on_outcome=on_outcome,
    )
    async with flat_nursery() as nursery:
        nursery.start_soon(_run_quietly, client)
        await client.wait_ready()
        yield client
        await client.aclose()
        nursery.cancel_scope.cancel()


async def _run_quietly(client: TerminalClient) -> None:
    try:
        await client.run()
    except TerminalError:
        # Whoever waits for an answer, now or later, is told; nobody else needs to end with it.
        return
