"""Session and websocket beside models of a few lines: what is taken, what is refused, and why."""

from __future__ import annotations

import operator
from typing import Final, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import Code, ProtocolViolation
from protocol.messages import FeedEnd, Outcome, Query, Submit, Unsubscribe
from protocol.session import Phase
from tests.protocol.peer import (
    BINARY,
    CLOSE,
    CONTINUATION,
    NOW_MS,
    PING,
    PONG,
    TEXT,
    StoredKey,
    hello,
    masked,
    new_session,
    open_websocket,
    pack,
    proof,
    submit,
)

# --- the session ------------------------------------------------------------------------------

CREDITS: Final = 10
QUERIES: Final = 3
FEEDS: Final = 4
BALANCE: Final = ["balance", 1, "C"]
steps = st.one_of(
    st.sampled_from(["hello", "prove", "heartbeat", "answer"]).map(lambda name: (name, 0)),
    st.tuples(st.just("submit"), st.integers(1, 6)),
    st.tuples(st.just("query"), st.integers(1, 5)),
    st.tuples(st.sampled_from(["subscribe", "unsubscribe"]), st.integers(1, 6)),
)


class Model:
    """What a session must do, told apart from how."""

    def __init__(self) -> None:
        self.phase = "new"
        self.unanswered = 0
        self.queries: set[int] = set()
        self.feeds: set[int] = set()

    def refusal(self, name: str, number: int) -> Code | None:
        """Return why a message is refused; it counts where it is not."""
        wanted = {"hello": "new", "prove": "challenged"}.get(name, "ready")
        if self.phase != wanted:
            return Code.MESSAGE_UNEXPECTED
        if name == "submit":
            if self.unanswered + number > CREDITS:
                return Code.CREDITS_EXCEEDED
            self.unanswered += number
        elif name == "query":
            if number in self.queries:
                return Code.FIELD_INVALID
            if len(self.queries) == QUERIES:
                return Code.QUERIES_EXCEEDED
            self.queries.add(number)
        elif name == "subscribe":
            if number in self.feeds:
                return Code.FIELD_INVALID
        elif name in {"hello", "prove"}:
            self.phase = "challenged" if name == "hello" else "ready"
        return None

    def follow(self, name: str, number: int) -> str | None:
        """Return what becomes of a message about a subscription, which the session hands on."""
        if name == "subscribe" and len(self.feeds) < FEEDS:
            self.feeds.add(number)
            return name
        if name == "unsubscribe" and number in self.feeds:
            return name
        return None


def message(name: str, number: int) -> bytes:
    """Return the payload of a step."""
    return {
        "hello": hello(),
        "prove": proof(),
        "heartbeat": pack("heartbeat", number),
        "submit": submit(number),
        "query": pack("query", number, BALANCE),
        "subscribe": pack("subscribe", number, 0),
        "unsubscribe": pack("unsubscribe", number),
    }[name]


handshakes = st.sampled_from([[("hello", 0), ("prove", 0)]] * 9 + [[]])


@given(st.builds(operator.add, handshakes, st.lists(steps, max_size=30)))
def test_a_session_takes_and_refuses_what_its_model_does(drawn: list[tuple[str, int]]) -> None:
    session = new_session(StoredKey("service"), credits_max=CREDITS, queries_open_max=QUERIES)
    model = Model()
    for name, number in drawn:
        if name == "answer":
            session.answer([Outcome(1, "posted")] * model.unanswered)
            model.unanswered = 0
            continue
        expected = model.refusal(name, number)
        try:
            taken = session.receive(message(name, number), NOW_MS)
        except ProtocolViolation as violation:
            refused: Code | None = violation.code
        else:
            refused = None
            assert isinstance(taken, Submit) == (name == "submit")
            assert isinstance(taken, Query) == (name == "query")
            if name in {"subscribe", "unsubscribe"}:
                told = None if taken is None else str(taken.__struct_config__.tag)
                assert told == model.follow(name, number)
            if isinstance(taken, Unsubscribe):
                session.end_feed(FeedEnd(number))
                model.feeds.remove(number)
        assert refused is expected
        assert session.credits == CREDITS - model.unanswered
        if expected:
            assert session.phase is Phase.CLOSED
            return
        assert session.phase == model.phase


# --- the websocket ----------------------------------------------------------------------------


class Frame(NamedTuple):
    """A frame as it is to be sent, whatever is wrong with it."""

    opcode: int
    fin: bool
    reserved: int
    body: bytes

    def encoded(self) -> bytes:
        return masked(self.body, self.opcode | self.reserved << 4, fin=self.fin)


BYTES_MAX: Final = 150

frames = st.builds(
    Frame,
    st.sampled_from([BINARY] * 6 + [CONTINUATION] * 4 + [PING, PONG, TEXT, 3, 11]),
    st.booleans(),
    st.sampled_from([0] * 30 + [1, 4]),
    st.binary(max_size=20) | st.integers(100, 200).map(bytes),
)
closes = st.builds(
    Frame, st.just(CLOSE), st.booleans(), st.just(0), st.sampled_from([b"", b"\x03", b"\x03\xe8"])
)


def ending(frame: Frame, parts: list[bytes] | None) -> int:
    """Return the code that a frame ends the connection with, 0 if it goes on."""
    control = frame.opcode >= CLOSE
    kept = sum(len(part) for part in parts or [])
    if frame.opcode not in {CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG}:
        return 1002
    if kept + len(frame.body) > BYTES_MAX:
        return 1009
    if frame.reserved or (control and (len(frame.body) > 125 or not frame.fin)):
        return 1002
    if frame.opcode == CLOSE:
        return 1002 if frame.body == b"\x03" else 1000
    if not control and (parts is None) == (frame.opcode == CONTINUATION):
        return 1002
    return 1003 if frame.opcode == TEXT else 0


@given(st.lists(frames | closes, max_size=20))
def test_a_websocket_takes_and_refuses_what_its_model_does(sent: list[Frame]) -> None:
    websocket = open_websocket(message_bytes_max=BYTES_MAX)
    parts: list[bytes] | None = None
    for frame in sent:
        received = websocket.receive(frame.encoded())
        output = websocket.take_output()
        if code := ending(frame, parts):
            assert (received, websocket.closed, websocket.open) == ([], True, False)
            assert (websocket.violation is None) == (code == 1000)
            # A close without a code is answered by one.
            assert output[:1] == b"\x88"
            assert output[2:4] in (code.to_bytes(2), frame.body)
            return
        if frame.opcode == PING:
            assert output == bytes([0x80 | PONG, len(frame.body)]) + frame.body
        if frame.opcode not in {PING, PONG}:
            parts = [*(parts or []), frame.body]
        if frame.opcode not in {PING, PONG} and frame.fin:
            assert received == [b"".join(parts or [])]
            parts = None
        else:
            assert received == []
