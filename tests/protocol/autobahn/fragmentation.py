"""Messages in several frames, and what stands between them (section 5 of the suite, and 10)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from protocol.errors import Code
from tests.protocol.autobahn.rows import NORMAL, Row, fragments, heartbeat, message
from tests.protocol.peer import CLOSE, CONTINUATION, PING, PONG, TEXT, masked

ONE: Final = heartbeat(1)
TWO: Final = heartbeat(2)
HEAD: Final = masked(ONE[:8], fin=False)
TAIL: Final = masked(ONE[8:], CONTINUATION)
STRAY: Final = masked(b"stray", CONTINUATION)
STRAY_OPEN: Final = masked(b"stray", CONTINUATION, fin=False)
PING_BETWEEN: Final = masked(b"between", PING)


def controls() -> Iterator[Row]:
    """Yield control frames in fragments, which they must not be."""
    for id_, name, opcode in (
        ("5.1", "ping", PING),
        ("5.2", "pong", PONG),
        ("5.a", "close", CLOSE),
    ):
        body = NORMAL if opcode == CLOSE else b"fragment1"
        sent = masked(body, opcode, fin=False) + masked(b"fragment2", CONTINUATION)
        yield Row(id_, f"a {name} in two fragments", sent, ends=Code.FRAME_INVALID)


def texts() -> Iterator[Row]:
    """Yield texts in fragments: refused at the first one, whatever stands behind it."""
    first, second = masked(b"te", TEXT, fin=False), masked(b"xt", CONTINUATION)
    for id_, what, sent in (
        ("5.3.t (5.4, 5.5)", "a text in two fragments", first + second),
        ("5.6.t (5.7, 5.8)", "a ping between two of a text", first + PING_BETWEEN + second),
        ("5.18.t", "a text in two, both of them beginnings", first + masked(b"xt", TEXT)),
        ("5.19.t (5.20)", "a text in five", first + PING_BETWEEN * 2 + second),
    ):
        yield Row(id_, what, sent, ends=Code.TEXT_FRAME)


def strays() -> Iterator[Row]:
    """Yield continuations of nothing."""
    for id_, kind, stray in (
        ("5.9 (5.10, 5.11)", "a last", STRAY),
        ("5.12 (5.13, 5.14)", "an open", STRAY_OPEN),
    ):
        what = f"{kind} continuation of nothing, then a message"
        yield Row(id_, what, stray + masked(ONE), ends=Code.FRAME_INVALID)
    sent = HEAD + TAIL + STRAY_OPEN + masked(TWO)
    yield Row("5.15", "a message in two, then a stray", sent, (ONE,), (), Code.FRAME_INVALID)
    for id_, stray in (("5.16", STRAY_OPEN), ("5.17", STRAY)):
        sent = (stray + masked(ONE)) * 2
        yield Row(id_, "a stray and a message, twice", sent, ends=Code.FRAME_INVALID)


WHOLE: Final = (
    Row("5.3 (5.4, 5.5)", "a message in two fragments", HEAD + TAIL, (ONE,)),
    Row(
        "5.6 (5.7, 5.8)",
        "the same with a ping between them",
        HEAD + PING_BETWEEN + TAIL,
        (ONE,),
        (b"between",),
    ),
    Row("5.6.a", "with a pong between them", HEAD + masked(b"late", PONG) + TAIL, (ONE,)),
    Row("5.18", "in two, both of them beginnings", HEAD + masked(ONE[8:]), ends=Code.FRAME_INVALID),
    Row("5.18.a", "a text within a message", HEAD + masked(b"t", TEXT), ends=Code.FRAME_INVALID),
    Row(
        "5.19 (5.20)",
        "in five fragments, with pings between them",
        masked(ONE[:4], fin=False)
        + masked(ONE[4:6], CONTINUATION, fin=False)
        + masked(b"pongme 1", PING)
        + masked(ONE[6:9], CONTINUATION, fin=False)
        + masked(ONE[9:10], CONTINUATION, fin=False)
        + masked(b"pongme 2", PING)
        + masked(ONE[10:], CONTINUATION),
        (ONE,),
        (b"pongme 1", b"pongme 2"),
    ),
    Row(
        "5.b",
        "empty fragments around a message",
        masked(b"", fin=False)
        + masked(ONE, CONTINUATION, fin=False)
        + masked(b"", CONTINUATION, fin=False) * 9
        + masked(b"", CONTINUATION),
        (ONE,),
    ),
    Row("5.c", "a fragmented message, then a whole one", HEAD + TAIL + masked(TWO), (ONE, TWO)),
    Row("5.d", "fragments of one byte each", fragments(ONE, 1), (ONE,)),
    Row(
        "10.1.1",
        "65,536 bytes in fragments of 1,300",
        fragments(message(65_536), 1_300),
        (message(65_536),),
    ),
)

ROWS: Final = (*controls(), *WHOLE, *texts(), *strays())
