"""Orders of events: several sessions at once, messages right and wrong, keys, deadlines, closes.

What must hold is told apart from how: a session moves forward only, credits and questions add up,
who is in has proven a key that was valid then, and what happens to one session changes no other.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache, partial
from itertools import pairwise
from typing import Final, TypeAlias, get_args

import msgspec

from engine.keys import Role
from protocol import limits
from protocol.errors import Code, ProtocolViolation
from protocol.messages import (
    Balance,
    FeedEnd,
    FromNode,
    FromTerminal,
    JournalPart,
    Order,
    Outcome,
    Query,
    Receipt,
    Submit,
    Subscribe,
)
from protocol.rights import may
from protocol.session import Bounds, Phase, ServerSession, Wanted
from protocol.websocket import ServerWebSocket
from tests.fuzz.cases import CLOSED, MAKERS, PAYLOADS, TAKEN, check_rejection
from tests.fuzz.mutation import mutate
from tests.fuzz.shapes import makers_of, packed, spoilt
from tests.protocol import peer
from tests.protocol.peer import BINARY, CONTINUATION, NOW_MS, PING, UPGRADE, StoredKey

NAMES: Final = ("GATE-01", "GATE-02", "BANK-1")
NONCES: Final = (peer.NONCE, bytes(32))
CREDITS: Final = 3
QUERIES: Final = 2
RATE: Final = 12
STEPS: Final = 30
ANEW_SHARE: Final = 0.8
"""How often somebody comes anew where a session has ended; else it is tried on."""
RECORDED_MAX: Final = 8
ROLES: Final[tuple[Role, ...]] = get_args(Role)
ORDER: Final = (Phase.NEW, Phase.CHALLENGED, Phase.READY, Phase.CLOSED)

OFTEN: Final = {"submit": 10, "query": 6, "order": 2}
"""What has a bound that only many of it reach."""

WHEN_READY: Final = [
    make
    for name, make in makers_of(get_args(FromTerminal)).items()
    if name not in {"hello", "prove"}
    for _ in range(OFTEN.get(name, 1))
]

_DECODER: Final = msgspec.msgpack.Decoder(FromNode)


@cache
def proof(nonce: bytes, terminal: str) -> bytes:
    """Return a proof; signing takes as long as all the rest."""
    return peer.proof(nonce, terminal)


def framed(rng: random.Random, payload: bytes) -> bytes:
    """Return a message in frames, masked with zeros, some of them fragments with pings between."""
    cuts = sorted(rng.randint(0, len(payload)) for _ in range(rng.choice((0, 0, 0, 1, 3))))
    edges = [0, *cuts, len(payload)]
    sent = b""
    for number, (start, stop) in enumerate(pairwise(edges)):
        opcode = CONTINUATION if number else BINARY
        sent += _frame(opcode, payload[start:stop], fin=number == len(cuts))
        if rng.random() < 0.2:
            sent += _frame(PING, b"?", fin=True)
    return sent


def _frame(opcode: int, body: bytes, *, fin: bool) -> bytes:
    head = bytes([fin << 7 | opcode])
    if len(body) < 126:
        return head + bytes([0x80 | len(body)]) + bytes(4) + body
    if len(body) < 65_536:
        return head + b"\xfe" + len(body).to_bytes(2) + bytes(4) + body
    return head + b"\xff" + len(body).to_bytes(8) + bytes(4) + body


class Line:
    """One connection, and what we know of it."""

    def __init__(self, scene: Scene, name: str, nonce: bytes) -> None:
        self.scene = scene
        self.name = name
        self.nonce = nonce
        self.websocket = ServerWebSocket()
        self.session = ServerSession(
            nonce,
            scene.now_s,
            lambda terminal, _key: scene.keys.get(terminal),
            lambda _terminal: 7,
            bounds=Bounds(CREDITS, RATE, QUERIES),
        )
        self.phase = Phase.NEW
        self.unanswered = 0
        self.queries: list[int] = []
        self.orders = 0
        self.subscriptions: list[int] = []
        self.websocket.receive(UPGRADE)
        self.websocket.take_output()

    def proper(self, rng: random.Random) -> bytes:
        """Return what a terminal would say now."""
        if self.session.phase is Phase.NEW:
            return peer.hello(self.name)
        if self.session.phase is Phase.CHALLENGED:
            return proof(self.nonce, self.session.terminal)
        return packed(rng.choice(WHEN_READY)(rng))

    def say(self, rng: random.Random, payload: bytes) -> list[str]:
        """Send a payload, as it is or through the websocket; return what became of it."""
        if rng.random() < 0.5:
            return [self.feed(payload)]
        self.websocket.begin_second()
        if self.session.phase is Phase.READY:
            self.websocket.allow(limits.FRAME_BYTES_MAX)
        became = [self.feed(each) for each in self.websocket.receive(framed(rng, payload))]
        self.websocket.take_output()
        if self.websocket.violation is not None:
            became.append(str(self.websocket.violation.code))
        return became or [CLOSED]

    def feed(self, payload: bytes) -> str:
        """Give a payload to the session, and check what it makes of it."""
        session = self.session
        before = session.credits
        try:
            wanted = session.receive(payload, self.scene.now_ms)
        except ProtocolViolation as violation:
            check_rejection(session, violation)
            assert self.phase is not Phase.CLOSED
            assert session.credits == before
            return str(violation.code)
        if self.phase is Phase.CLOSED:
            assert wanted is None
            return CLOSED
        if wanted is not None:
            self._take(wanted, before)
        if self.phase is Phase.CHALLENGED and session.phase is Phase.READY:
            key = self.scene.keys.get(session.terminal)
            assert key is not None
            assert (key.revoked_ms, key.role) == (None, session.role)
            assert key.expires_ms is None or key.expires_ms > self.scene.now_ms
            assert payload == proof(self.nonce, session.terminal), "it has proven it"
        return TAKEN

    def _take(self, wanted: Wanted, credits_before: int) -> None:
        role, terminal = self.session.role, self.session.terminal
        assert may(role, terminal, wanted)
        match wanted:
            case Submit():
                count = len(wanted.transactions)
                assert count <= credits_before
                assert all(may(role, terminal, each.intent) for each in wanted.transactions)
                self.unanswered += count
            case Query():
                assert wanted.id not in self.queries
                assert may(role, terminal, wanted.question)
                self.queries.append(wanted.id)
            case Order() | JournalPart():
                assert isinstance(wanted, JournalPart) or may(role, terminal, wanted.action)
                self.orders += 1
            case Subscribe():
                assert wanted.id not in self.subscriptions
                self.subscriptions.append(wanted.id)
            case _:
                pass

    def check(self) -> None:
        """Check that the session is where it must be, and that what it says can be read."""
        session = self.session
        assert ORDER.index(session.phase) >= ORDER.index(self.phase), "it only goes forward"
        self.phase = session.phase
        assert session.credits == CREDITS - self.unanswered
        assert len(self.queries) <= QUERIES
        assert self.orders <= limits.ORDERS_OPEN_MAX
        assert len(self.subscriptions) <= limits.SUBSCRIPTIONS_OPEN_MAX
        for payload in session.outbox:
            _DECODER.decode(payload)
        session.outbox.clear()


Step: TypeAlias = Callable[["Scene", random.Random, Line], list[str]]


class Scene:
    """Three connections of one node."""

    def __init__(self, rng: random.Random) -> None:
        self.now_ms, self.now_s = NOW_MS, 500.0
        self.keys: dict[str, StoredKey] = {name: StoredKey(rng.choice(ROLES)) for name in NAMES}
        self.recorded: list[bytes] = list(PAYLOADS[:2])
        self.lines = [self.line(rng) for _ in range(3)]

    def line(self, rng: random.Random) -> Line:
        """Return a new connection."""
        return Line(self, rng.choice(NAMES), rng.choice(NONCES))

    def record(self, payload: bytes) -> bytes:
        """Remember a payload, to be sent again by somebody."""
        self.recorded.append(payload)
        del self.recorded[:-RECORDED_MAX]
        return payload


# --- what may happen --------------------------------------------------------------------------


def _say_proper(scene: Scene, rng: random.Random, line: Line) -> list[str]:
    return line.say(rng, scene.record(line.proper(rng)))


def _say_spoilt(_: Scene, rng: random.Random, line: Line) -> list[str]:
    return line.say(rng, packed(spoilt(rng, rng.choice(MAKERS)(rng))))


def _say_mutated(scene: Scene, rng: random.Random, line: Line) -> list[str]:
    return line.say(rng, mutate(rng, rng.choice(scene.recorded), scene.recorded))


def _say_again(scene: Scene, rng: random.Random, line: Line) -> list[str]:
    return line.say(rng, rng.choice(scene.recorded))


def _say_much(_: Scene, rng: random.Random, line: Line) -> list[str]:
    beat = peer.pack("heartbeat", 1)
    return [became for _ in range(RATE // 2) for became in line.say(rng, beat)]


def _answer(_: Scene, rng: random.Random, line: Line) -> list[str]:
    count = rng.randint(0, line.unanswered)
    line.unanswered -= count
    line.session.outbox.append(line.session.answer([Outcome(1, "posted")] * count))
    return []


def _answer_query(_: Scene, rng: random.Random, line: Line) -> list[str]:
    if line.queries:
        query_id = line.queries.pop(rng.randrange(len(line.queries)))
        body = Balance(1, 2, 3)
        line.session.outbox.append(line.session.answer_query(query_id, body))
    return []


def _answer_order(_: Scene, _rng: random.Random, line: Line) -> list[str]:
    if line.orders:
        line.orders -= 1
        line.session.outbox.append(line.session.tell(Receipt("1", "done")))
    return []


def _end_feed(_: Scene, rng: random.Random, line: Line) -> list[str]:
    if line.subscriptions:
        number = line.subscriptions.pop(rng.randrange(len(line.subscriptions)))
        line.session.outbox.append(line.session.end_feed(FeedEnd(number)))
    return []


def _change_keys(scene: Scene, rng: random.Random, _: Line) -> list[str]:
    name = rng.choice(NAMES)
    match rng.randrange(4):
        case 0:
            scene.keys.pop(name, None)
        case 1:
            scene.keys[name] = StoredKey(rng.choice(ROLES), scene.now_ms)
        case 2:
            expires_ms = scene.now_ms + rng.choice((0, 1_000))
            scene.keys[name] = StoredKey(rng.choice(ROLES), expires_ms=expires_ms)
        case _:
            scene.keys[name] = StoredKey(rng.choice(ROLES))
    return [_checked(each, partial(_check_key, scene, each)) for each in scene.lines]


def _check_key(scene: Scene, line: Line) -> None:
    line.session.check_key(scene.keys.get(line.session.terminal), scene.now_ms)


def _pass_time(scene: Scene, rng: random.Random, _: Line) -> list[str]:
    scene.now_ms = max(0, scene.now_ms + rng.choice((1, 1_000, 60_000, -3_600_000, 10**11)))
    scene.now_s += rng.choice((0.1, 1.0, limits.HANDSHAKE_S, limits.IDLE_S))
    return [
        _checked(each, partial(each.session.check_deadline, scene.now_s)) for each in scene.lines
    ]


def _checked(line: Line, check: Callable[[], None]) -> str:
    try:
        check()
    except ProtocolViolation as violation:
        check_rejection(line.session, violation)
        return str(violation.code)
    return TAKEN


def _close(_: Scene, rng: random.Random, line: Line) -> list[str]:
    line.session.close(ProtocolViolation(rng.choice((Code.NODE_STOPPING, Code.INTERNAL_ERROR))))
    line.websocket.close(1012, "node_stopping")
    return []


def _connect_anew(scene: Scene, rng: random.Random, line: Line) -> list[str]:
    scene.lines[scene.lines.index(line)] = scene.line(rng)
    return []


STEPS_DRAWN: Final[tuple[Step, ...]] = (
    *(_say_proper,) * 12,
    *(_say_spoilt, _say_mutated, _say_again, _say_much),
    *(_answer,) * 3,
    # Of questions more are asked than answered, or hardly one is ever asked too many.
    *(_answer_query, _answer_order, _end_feed),
    *(_change_keys, _pass_time, _close),
    *(_connect_anew,) * 2,
)


def order_case(rng: random.Random) -> list[str]:
    """Let things happen to three connections, in any order."""
    scene = Scene(rng)
    became: list[str] = []
    for _ in range(STEPS):
        line = rng.choice(scene.lines)
        is_over = line.phase is Phase.CLOSED and rng.random() < ANEW_SHARE
        step = _connect_anew if is_over else rng.choice(STEPS_DRAWN)
        became += step(scene, rng, line)
        for each in scene.lines:
            each.check()
    return became or [CLOSED]
