"""The terminal actor: one connection, from its first byte to its last.

It reads once, takes every frame that came, hands all transactions to the shard, and writes once
(D3). Outcomes that have to be durable first come back through `answer`, called by the committer,
and go straight into the socket.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import trio
from msgspec import Struct

from actors import limits
from actors.desk import Desk
from actors.feed import Feeds, Following
from actors.fleet.fleet import Fleet
from actors.keys import Keys, LatestTime
from actors.reception import Reception
from actors.runtime import Life
from actors.shard import Placed, Shard, outcome_of
from actors.transport import Transport
from actors.turns import Breath
from protocol.errors import Code, ProtocolViolation
from protocol.limits import FRAME_BYTES_MAX
from protocol.messages import (
    AnswerBody,
    FeedEnd,
    FromNode,
    Outcome,
    Query,
    Submit,
    Subscribe,
    Unsubscribe,
)
from protocol.rights import view_of
from protocol.session import EnrolledKey, Phase, ServerSession
from protocol.websocket import ServerWebSocket


class Services(Struct, frozen=True):
    """What a terminal actor needs of its node.

    Attributes:
      shard: the shard as it is now; it may have been started again.
      desk: answers questions.
      fleet: lists, commands and orders.
      feeds: lets services follow the journal.
      keys: who may connect.
      latest_ms: the time by which keys expire.
      now_ms: the host's clock; deadlines do not run on it, for it may be set.
      nonce: 32 fresh bytes of chance.
    """

    shard: Callable[[], Shard]
    desk: Desk
    fleet: Fleet
    feeds: Feeds
    keys: Keys
    latest_ms: LatestTime
    now_ms: Callable[[], int]
    nonce: Callable[[], bytes]


class TerminalActor:
    """Serves one connection.

    Args:
      transport: the connection.
      services: of the node.
      reception: of the node.
    """

    def __init__(self, transport: Transport, services: Services, reception: Reception) -> None:
        self._transport = transport
        self._services = services
        self._reception = reception
        self._shard = services.shard()
        # Made for those that follow something: it knows this actor, and keeps it from being let go.
        self._following: Following | None = None
        self._websocket = ServerWebSocket()
        self._gone_by_s = math.inf
        self._second = 0
        self._known = False
        self.session = ServerSession(
            services.nonce(),
            trio.current_time(),
            services.keys.find,
            partial(_last_counter, self._shard),
            latest_ms=services.latest_ms(),
            certified_names=transport.certified_names,
        )

    async def run(self, life: Life) -> None:
        """Serve the terminal until either side ends it.

        Cancellation: the connection is cut; what was decided is posted all the same.
        """
        life.ready()
        self._reception.arrive(self)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read, nursery)
                nursery.start_soon(self._transport.flush)
                await life.stopping.wait()
                # What was taken is answered first; then the terminal is told to come again.
                await self._shard.wait_durable(self._shard.book.position)
                self._fail(ProtocolViolation(Code.NODE_STOPPING))
                await trio.sleep(limits.LINGER_S)
                nursery.cancel_scope.cancel()
        finally:
            self._services.fleet.leave(self)
            self._reception.depart(self, self.session.terminal)
            self._transport.close()
            self._following = None
            self._websocket.release()

    async def _read(self, nursery: trio.Nursery) -> None:
        failure: Exception | None = None
        try:
            while not self._websocket.closed and (data := await self._transport.receive()):
                await self._take_in_parts(data, nursery)
        except Exception as defect:  # noqa: BLE001 - it is raised when the terminal was told
            failure = defect
            self._fail(ProtocolViolation(Code.INTERNAL_ERROR))
        try:
            await self._reception.wait_to_leave()
            await self._linger()
        finally:
            # Also when the tree stops meanwhile: a defect is never lost.
            if failure is not None:
                raise failure
        nursery.cancel_scope.cancel()

    async def _linger(self) -> None:
        # The other side may still be sending: a hard close now would throw away our last frame.
        self._transport.send_eof()
        with trio.move_on_after(limits.LINGER_S):
            for _ in range(limits.LINGER_READS_MAX):
                if not await self._transport.receive():
                    break

    async def _take_in_parts(self, data: bytes, nursery: trio.Nursery) -> None:
        """Take what was read, and let others in between: it may be a lot of work."""
        breath = Breath()
        for start in range(0, len(data), limits.TAKEN_AT_ONCE_BYTES):
            part = data[start : start + limits.TAKEN_AT_ONCE_BYTES]
            if not self._known:
                async with self._reception.turn():
                    await self._take(part, breath, nursery)
            else:
                await self._take(part, breath, nursery)
            if self._websocket.closed:
                break

    async def _take(self, data: bytes, breath: Breath, nursery: trio.Nursery) -> None:
        session, websocket = self.session, self._websocket
        now_ms = self._services.now_ms()
        self._begin_second()
        at_once: list[Outcome] = []
        violation: ProtocolViolation | None = None
        for payload in websocket.receive(data):
            await breath.take()
            try:
                wanted = session.receive(payload, now_ms)
            except ProtocolViolation as broken:
                # With its traceback it would hold all that is here, itself included.
                violation = broken.with_traceback(None)
                break
            if isinstance(wanted, Submit):
                at_once += self._shard.submit(self, session.terminal, wanted.transactions)
            elif isinstance(wanted, Query):
                self._services.desk.ask(self, session.terminal, wanted)
            elif isinstance(wanted, Subscribe | Unsubscribe):
                self._follow(wanted, nursery)
            elif wanted is not None:
                self._services.fleet.take(self, session.terminal, wanted)
            elif not self._known and session.phase is Phase.READY:
                self._begin()
        if at_once:
            session.outbox.append(session.answer(at_once))
        self._send_outbox()
        if violation:
            self._hang_up(violation)
        else:
            self._transport.send_nowait(websocket.take_output())

    def _begin(self) -> None:
        """Take longer messages, now that it is known who sends them."""
        self._known = True
        self._websocket.allow(FRAME_BYTES_MAX)
        session = self.session
        self._reception.greet(self, session.terminal)
        if session.role == "terminal":
            # Its `ready` comes before all that the fleet has to tell it.
            self._send_outbox()
            self._services.fleet.arrive(self, session.terminal, session.software, session.key_mark)

    def _follow(self, wanted: Subscribe | Unsubscribe, nursery: trio.Nursery) -> None:
        if self._following is None:
            self._following = Following(self._services.feeds, self, self._shard)
        self._following.take(wanted, view_of(self.session.role), nursery)

    def _begin_second(self) -> None:
        second = int(trio.current_time())
        if second != self._second:
            self._second = second
            self._websocket.begin_second()

    def make_room(self) -> None:
        """End a handshake at once, for others that want to come in."""
        self._fail(ProtocolViolation(Code.HANDSHAKE_TIMEOUT))
        self._transport.close()

    def give_way(self) -> None:
        """End the session, for this terminal has connected anew."""
        self._fail(ProtocolViolation(Code.SESSIONS_EXCEEDED))

    def answer(self, placed: Sequence[Placed]) -> None:
        """Tell the terminal what has become durable."""
        articles = self._shard.law.articles
        outcomes = [
            outcome_of(entry, position, articles)
            for run in placed
            for position, entry in enumerate(run.entries, run.first_position)
        ]
        self._send(self.session.answer(outcomes))

    def answer_query(self, query_id: int, body: AnswerBody) -> None:
        """Tell the terminal the answer to a question."""
        self._send(self.session.answer_query(query_id, body))

    def tell(self, message: FromNode) -> None:
        """Tell the terminal something about lists, commands or orders."""
        self._send(self.session.tell(message))

    @property
    def unsent_bytes(self) -> int:
        """What was said and not sent yet."""
        return self._transport.unsent_bytes

    @property
    def open(self) -> bool:
        """Whether anything can still be said."""
        return self._websocket.open

    async def wait_low(self) -> None:
        """Wait until little waits to be sent."""
        await self._transport.wait_low()

    def send_feed(self, payload: bytes) -> None:
        """Tell the terminal what it follows."""
        self._send(payload)

    def end_feed(self, end: FeedEnd) -> None:
        """Tell the terminal why it follows no more."""
        self._send(self.session.end_feed(end))

    def check_deadline(self) -> None:
        """End the connection if it was silent for too long, or does not hang up when told to."""
        now_s = trio.current_time()
        if now_s > self._gone_by_s:
            self._transport.close()
        try:
            self.session.check_deadline(now_s)
        except ProtocolViolation as violation:
            self._fail(violation)

    def check_key(self, found: EnrolledKey | None, now_ms: int) -> None:
        """End the connection if its key, as it is enrolled now, may do nothing any more."""
        try:
            self.session.check_key(found, now_ms)
        except ProtocolViolation as violation:
            self._fail(violation)

    def _fail(self, violation: ProtocolViolation) -> None:
        self.session.close(violation)
        self._send_outbox()
        self._hang_up(violation)

    def _hang_up(self, violation: ProtocolViolation) -> None:
        self._websocket.close(violation.close_code, violation.code)
        self._transport.send_nowait(self._websocket.take_output())
        if self._websocket.close_sent:
            self._gone_by_s = trio.current_time() + limits.LINGER_S
        else:
            # There is no websocket to say it on, so there is nothing to wait for.
            self._transport.close()

    def _send_outbox(self) -> None:
        outbox = self.session.outbox
        if outbox:
            frame = self._websocket.frame
            self._send_framed(b"".join([frame(payload) for payload in outbox]))
            outbox.clear()

    def _send(self, payload: bytes) -> None:
        self._send_framed(self._websocket.frame(payload))

    def _send_framed(self, data: bytes) -> None:
        if self._websocket.sendable:
            self._transport.send_nowait(data)


def _last_counter(shard: Shard, terminal: str) -> int:
    seen = shard.book.terminals.get(terminal)
    return seen.high if seen else 0
