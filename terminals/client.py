"""The terminal's client: one terminal, one node, however many connections that takes.

It keeps a connection, proves who it is, sends transactions and questions, sends again what was
not answered when a connection ended, and counts. Sending again is always safe (D7), so the
client never has to know what had arrived.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

import trio
import trio_websocket
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocol import limits
from protocol.messages import SUBPROTOCOL
from terminals import wire
from terminals.errors import (
    ClientClosed,
    LinkLost,
    NodeMisbehaved,
    NodeRefused,
    NodeUnreachable,
    TerminalError,
)
from terminals.intents import Intent
from terminals.link import Connect, Link
from terminals.messages import AnswerBody, Failed, Outcome
from terminals.session import HEADER_BYTES, Session
from terminals.window import Batch, Unanswered
from terminals.work import OnOutcome, Question, Statistics, Work

CONNECT_S: Final = 5
"""For the TCP connection, and again for the websocket on it."""
CLOSE_S: Final = 2
"""For the node to answer a close frame; a dead one does not."""
RECEIVE_BYTES: Final = 16 * 1024
MESSAGES_QUEUED_MAX: Final = 16
"""Between the websocket and the session, so that outcomes that came together are taken together."""
PENDING_MAX: Final = limits.CREDITS
"""Transactions of a client without an answer: no more can be under way anyhow."""
HTTP_SERVER_ERROR: Final = 500


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
      silence_s: longest wait for any message.
    """

    software: str = "jakarta-one"
    last_counter: int = 0
    patience_s: float = 120.0
    backoff_first_s: float = 1.0
    backoff_s_max: float = 60.0
    handshake_s: float = limits.HANDSHAKE_S
    answer_s: float = 30.0
    silence_s: float = limits.IDLE_S


@asynccontextmanager
async def websocket(url: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[Link]:
    """Open a websocket to a node.

    Args:
      url: where the node is; `wss://` for one that speaks TLS.
      tls: whom to trust with `wss://`, and what to show; None trusts whom the system trusts.

    Raises:
      LinkLost: no connection, or the node is not ready for one.
      NodeRefused: whatever answers there is no node of this protocol.

    Cancellation: the connection is dropped instead of closed.
    """
    parts = _parts(url)
    stream = await _open_stream(parts, tls)
    try:
        # trio-websocket leaves the stream open when the websocket does not come about: it is ours.
        async with stream, _flat_nursery() as nursery:
            connection = await _open_websocket(nursery, stream, parts)
            yield _WebSocket(connection)
            with trio.move_on_after(CLOSE_S):
                await connection.aclose()
            nursery.cancel_scope.cancel()
    except trio_websocket.ConnectionRejected as rejected:
        if rejected.status_code >= HTTP_SERVER_ERROR:
            raise LinkLost(f"{url} answers {rejected.status_code}") from rejected
        raise NodeRefused(f"http_{rejected.status_code}", "", f"{url} is no node") from rejected


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        if parts.scheme in {"ws", "wss"} and parts.hostname and parts.port != 0:
            return parts
    except ValueError:
        pass
    raise NodeRefused("url", "", f"{url!r} is not of the form ws://HOST:PORT or wss://HOST:PORT")


async def _open_stream(
    parts: SplitResult, tls: ssl.SSLContext | None
) -> trio.SocketStream | trio.SSLStream[trio.SocketStream]:
    host = parts.hostname or ""
    try:
        with trio.fail_after(CONNECT_S):
            if parts.scheme == "ws":
                return await trio.open_tcp_stream(host, parts.port or 80)
            secure = await trio.open_ssl_over_tcp_stream(
                host, parts.port or 443, https_compatible=True, ssl_context=tls
            )
            await _shake_hands(secure)
            return secure
    except trio.TooSlowError as error:
        raise LinkLost(f"no connection to {parts.netloc} in {CONNECT_S:g} s") from error
    except trio.BrokenResourceError as broken:
        raise LinkLost(f"no connection to {parts.netloc}: {_in_words(broken)}") from broken
    except OSError as error:
        raise LinkLost(f"no connection to {parts.netloc}: {error.strerror or error}") from error


def _in_words(broken: trio.BrokenResourceError) -> str:
    cause = broken.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        # Not for good: one that has run out is renewed.
        return f"its certificate is not trusted: {cause.verify_message}"
    return str(cause or broken)


async def _shake_hands(stream: trio.SSLStream[trio.SocketStream]) -> None:
    try:
        await stream.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise


async def _open_websocket(
    nursery: trio.Nursery,
    stream: trio.SocketStream | trio.SSLStream[trio.SocketStream],
    parts: SplitResult,
) -> trio_websocket.WebSocketConnection:
    connection: trio_websocket.WebSocketConnection | None = None
    # It does not see a peer that dies before it has answered; this sees it, if late.
    with trio.move_on_after(CONNECT_S):
        connection = await trio_websocket.wrap_client_stream(
            nursery,
            stream,
            parts.netloc,
            parts.path or "/",
            subprotocols=[SUBPROTOCOL],
            message_queue_size=MESSAGES_QUEUED_MAX,
            max_message_size=limits.FRAME_BYTES_MAX,
            receive_buffer_size=RECEIVE_BYTES,
        )
    if connection is None:
        raise LinkLost(f"no websocket at {parts.netloc} in {CONNECT_S:g} s")
    if connection.subprotocol != SUBPROTOCOL:
        raise NodeRefused("subprotocol", "", f"{parts.netloc} does not speak {SUBPROTOCOL}")
    return connection


@asynccontextmanager
async def _flat_nursery() -> AsyncIterator[trio.Nursery]:
    """Open a nursery out of which an error that comes alone comes as it is, not in a group."""
    try:
        async with trio.open_nursery() as nursery:
            yield nursery
    except BaseExceptionGroup as group:
        error, *others = group.exceptions
        if others:
            raise
        raise error from error.__cause__


class _WebSocket:
    def __init__(self, connection: trio_websocket.WebSocketConnection) -> None:
        self._connection = connection

    async def send(self, payload: bytes) -> None:
        try:
            await self._connection.send_message(payload)
        except trio_websocket.ConnectionClosed as closed:
            raise _lost(closed) from closed

    async def receive(self) -> bytes:
        try:
            message = await self._connection.get_message()
        except trio_websocket.ConnectionClosed as closed:
            raise _lost(closed) from closed
        if isinstance(message, str):
            raise NodeMisbehaved("a text message")
        return message


def _lost(closed: trio_websocket.ConnectionClosed) -> LinkLost:
    reason = closed.reason
    code, text = (reason.code, reason.reason or reason.name) if reason else (1006, "lost")
    return LinkLost(f"connection closed: {text}", code=code)


class TerminalClient:
    """A terminal at its node. `run` must be running; `open_terminal` sees to that.

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
        self._url = url
        self._key = key
        self._clock_ms = clock_ms
        self._random = random
        self._connect = connect
        self._options = options
        self._counter = options.last_counter
        self._work = Work(on_outcome)
        self._ready = trio.Event()
        self._ended = trio.Event()
        self._asking = trio.CapacityLimiter(limits.QUERIES_OPEN_MAX)

    @property
    def statistics(self) -> Statistics:
        """What has been done so far."""
        return self._work.statistics

    @property
    def last_counter(self) -> int:
        """The highest counter that the terminal has used, or that the node has seen of it."""
        return self._counter

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
        at_ms = self._clock_ms()
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
            await self._keep_connected()
        except TerminalError as error:
            self._work.fail(error)
            raise
        finally:
            self._work.fail(ClientClosed(f"{self.terminal} has ended"))
            self._ready.set()
            self._ended.set()

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
        first_pause_s = min(options.backoff_first_s, options.backoff_s_max)
        pause_s = first_pause_s
        trouble_since_s = trio.current_time()
        while not work.stop.is_set():
            progress = work.progress
            try:
                await self._one_session()
            except LinkLost as error:
                now_s = trio.current_time()
                if work.progress > progress:
                    pause_s = first_pause_s
                    trouble_since_s = now_s
                if now_s - trouble_since_s >= options.patience_s:
                    raise NodeUnreachable(
                        f"{self.terminal}: no progress in {options.patience_s:g} s; {error}"
                    ) from error
                work.lost()
                # Half of it is chance: those cut off together do not come back together.
                with trio.move_on_after(pause_s * (0.5 + self._random() / 2)):
                    await work.stop.wait()
                pause_s = min(2 * pause_s, options.backoff_s_max)

    async def _one_session(self) -> None:
        work, options = self._work, self._options
        async with self._connect(self._url) as link:
            session = Session(
                link,
                work,
                self._clock_ms,
                answer_s=options.answer_s,
                silence_s=options.silence_s,
            )
            with trio.move_on_after(options.handshake_s) as handshake:
                ready = await session.greet(self.terminal, self._key, options.software)
            if handshake.cancelled_caught:
                raise LinkLost(f"no handshake in {options.handshake_s:g} s")
            self._counter = max(self._counter, ready.last_counter)
            work.statistics.sessions += 1
            work.progress += work.idle
            self._ready.set()
            await session.run(ready)


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
    async with _flat_nursery() as nursery:
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
