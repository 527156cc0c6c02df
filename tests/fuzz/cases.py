"""The cases of the fuzzer: what is fed, and what must hold whatever is fed.

Each case draws everything from the `random.Random` it is given, and returns what became of each
thing that it fed: `TAKEN`, or the code that it was rejected with.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from copy import deepcopy
from typing import Final, TypeAlias, get_args

from engine.keys import Role
from protocol import limits
from protocol.errors import CLOSE_CODES, ProtocolViolation
from protocol.messages import FromTerminal, Submit
from protocol.session import Phase, ServerSession, Wanted
from protocol.websocket import ServerWebSocket
from tests.fuzz.mutation import cut, mutate
from tests.fuzz.shapes import makers_of, packed, spoilt
from tests.protocol.peer import (
    CLOSE,
    CONTINUATION,
    NOW_MS,
    PING,
    PONG,
    TAP,
    TERMINAL,
    TEXT,
    UPGRADE,
    StoredKey,
    hello,
    masked,
    new_session,
    open_websocket,
    pack,
    proof,
    ready_session,
    submit,
)

Case: TypeAlias = Callable[[random.Random], list[str]]

TAKEN: Final = "taken"
CLOSED: Final = "not heard"
"""What a session that has ended says of a message: nothing."""

MAKERS: Final = tuple(makers_of(get_args(FromTerminal)).values())

INTENTS: Final = (
    ["purchase", "C", 1, "m", "p", "kjp", b"proof", "food", [["rice", 1, 1]]],
    ["top_up", "C", 1, "dki", 0, "chip", "", b"proof"],
    ["group", [TAP, ["subsidy", "p", "o", 1], ["share", "a", "b", 1]]],
    ["reversal", "T", 1],
    ["refund", "T", 1, 1],
    ["adjustment", "ani", "why", [[1, "C", 5], [3, "o", -5]], "C"],
    ["issue", "C", "account", "dki", True],
    ["replace", "C", "D"],
    ["hold", "C", 1, "operator", "o", 60_000],
    ["post", "C", "T", 1, 1],
    ["withdrawal", "C", 1, "dki", "kjp", "place", b"proof"],
)
PAYLOADS: Final = (
    *(hello(), proof(), submit(), submit(50)),
    *(pack("submit", [[1, NOW_MS, intent]]) for intent in INTENTS),
    pack("query", 1, ["balance", 1, "C", None, 5]),
    pack("query", 2, ["statement", 1, "C", 7, 100]),
    pack("query", 3, ["transaction", TERMINAL, 1]),
    pack("query", 4, ["dry_run", [1, NOW_MS, TAP]]),
    pack("heartbeat", NOW_MS, 3),
)
FRAMES: Final = (
    *(masked(payload) for payload in PAYLOADS),
    masked(submit()[:20], fin=False) + masked(submit()[20:], CONTINUATION),
    masked(submit()) * 8,
    masked(b"are you there?", PING),
    masked(b"", PONG),
    masked(b"\x03\xe8bye", CLOSE),
    masked(b"text", TEXT),
    masked(b"", PING) * (limits.FRAMES_PER_MESSAGE_MAX + 1),
)


def state(session: ServerSession) -> tuple[object, ...]:
    """Return what a rejected payload must leave as it is."""
    names = (session.terminal, session.software, session.role)
    return (*names, session.credits, session.last_heartbeat)


class Sessions:
    """Sessions in each phase, fresh for each case."""

    def __init__(self) -> None:
        new = new_session(StoredKey())
        challenged = new_session(StoredKey())
        challenged.receive(hello(), NOW_MS)
        challenged.outbox.clear()
        others: tuple[Role, ...] = ("service", "operator", "observer")
        ready = (ready_session(), *(ready_session(role) for role in others))
        self._templates = (new, challenged, *ready)

    def draw(self, rng: random.Random) -> ServerSession:
        return deepcopy(rng.choice(self._templates))

    def fresh(self) -> list[ServerSession]:
        return [deepcopy(template) for template in self._templates]


SESSIONS: Final = Sessions()


def feed(session: ServerSession, payload: bytes) -> str:
    """Give a payload to a session, check all that is promised, and tell what became of it."""
    before, credits_before = state(session), session.credits
    was_closed = session.phase is Phase.CLOSED
    said_before = len(session.outbox)
    try:
        wanted = session.receive(payload, NOW_MS + 1)
    except ProtocolViolation as violation:
        check_rejection(session, violation)
        assert state(session) == before
        return str(violation.code)
    assert len(session.outbox) <= said_before + 1
    if was_closed:
        assert (wanted, state(session), len(session.outbox)) == (None, before, said_before)
        return CLOSED
    taken = len(wanted.transactions) if isinstance(wanted, Submit) else 0
    assert session.credits == credits_before - taken
    assert wanted is None or isinstance(wanted, get_args(Wanted))
    return TAKEN


def check_rejection(session: ServerSession, violation: ProtocolViolation) -> None:
    assert violation.code in CLOSE_CODES
    assert len(violation.text) <= limits.ERROR_TEXT_LENGTH_MAX
    assert session.phase is Phase.CLOSED
    assert len(session.outbox[-1]) < 2_000


def message_case(rng: random.Random) -> list[str]:
    """Feed a mutated message to a session, and a valid one behind it."""
    session = SESSIONS.draw(rng)
    became = feed(session, mutate(rng, rng.choice(PAYLOADS), PAYLOADS))
    session.outbox.clear()
    return [became, feed(session, rng.choice(PAYLOADS))]


def typed_case(rng: random.Random) -> list[str]:
    """Feed a message made from its type, or almost: a field is wrong, or a byte."""
    message = rng.choice(MAKERS)(rng)
    how = rng.random()
    if how < 0.6:
        message = spoilt(rng, message)
    payload = packed(message)
    if how > 0.8:
        payload = mutate(rng, payload, PAYLOADS)
    return [feed(SESSIONS.draw(rng), payload)]


def receive_all(websocket: ServerWebSocket, pieces: list[bytes]) -> tuple[list[bytes], bytes]:
    """Return messages and output of a connection that is fed bytes, then ended."""
    messages: list[bytes] = []
    output = b""
    for piece in pieces:
        was_closed = websocket.closed
        received = websocket.receive(piece)
        assert not (was_closed and received)
        messages += received
        output += websocket.take_output()
    websocket.receive_eof()
    assert websocket.closed
    assert websocket.receive(b"late") == []
    return messages, output + websocket.take_output()


def check_output(websocket: ServerWebSocket, output: bytes) -> None:
    """Check that there are only pongs, then at most one close with a documented code."""
    closes: list[bytes] = []
    while output:
        assert not closes, "nothing follows a close frame"
        head, size = output[:2]
        assert head in {0x80 | PONG, 0x80 | CLOSE}
        assert size <= 125
        body, output = output[2 : 2 + size], output[2 + size :]
        if head == 0x80 | CLOSE:
            closes.append(body)
    if websocket.violation:
        assert closes[0][:2] == websocket.violation.close_code.to_bytes(2)


def frame_case(rng: random.Random) -> list[str]:
    """Feed a mutated stream of frames, cut at random, to a connection and on to a session."""
    websocket = open_websocket(message_bytes_max=rng.choice((100, 10_000)))
    stream = b"".join(rng.choice(FRAMES) for _ in range(rng.randint(1, 5)))
    messages, output = receive_all(websocket, cut(rng, mutate(rng, stream, FRAMES)))
    check_output(websocket, output)
    session = SESSIONS.draw(rng)
    became = [TAKEN if websocket.violation is None else str(websocket.violation.code)]
    for message in messages:
        session.outbox.clear()
        became.append(feed(session, message))
    return became


def request_case(rng: random.Random) -> list[str]:
    """Feed a mutated request, with frames behind it."""
    websocket = ServerWebSocket()
    sent = mutate(rng, UPGRADE, FRAMES) + rng.choice(FRAMES)
    messages, output = receive_all(websocket, cut(rng, sent))
    assert output == b"" or output.startswith(b"HTTP/1.1 ")
    opened = output.startswith(b"HTTP/1.1 101 ")
    assert opened or not messages
    return [TAKEN if opened else f"http {output[9:12].decode() or 'dropped'}"]


def noise_case(rng: random.Random) -> list[str]:
    """Feed bytes without any sense to everything."""
    noise = rng.randbytes(rng.choice((0, 1, 10, 100, 5_000)))
    receive_all(ServerWebSocket(), cut(rng, noise))
    websocket = open_websocket()
    check_output(websocket, receive_all(websocket, cut(rng, noise))[1])
    return [feed(SESSIONS.draw(rng), noise)]
