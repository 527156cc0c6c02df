"""How a connection is closed (section 7 of the suite)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from protocol.errors import Code
from protocol.limits import FRAME_BYTES_MAX
from tests.protocol.autobahn.rows import BYE, NORMAL, Row, closing, heartbeat, message
from tests.protocol.peer import CLOSE, CONTINUATION, PING, PONG, TEXT, masked

ONE: Final = heartbeat(1)
TWO: Final = heartbeat(2)

VALID: Final = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
REGISTERED: Final = (1012, 1013, 1014)
"""Registered with IANA after the RFC, which leaves that open (7.4.2, 11.7)."""
INVALID: Final = (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999)
NEVER_SENT: Final = 1015
BEYOND: Final = (5000, 65535)
"""The RFC does not define what they mean; here they are invalid like all that it does not."""


def closes(body: bytes) -> bytes:
    """Return a close frame of the client."""
    return masked(body, CLOSE)


def codes() -> Iterator[Row]:
    """Yield a close with each code."""
    for number, code in enumerate(VALID, start=1):
        body = closing(code)
        yield Row(f"7.7.{number}", f"code {code}, valid", closes(body), ends=body)
    for code in REGISTERED:
        body = closing(code, b"registered")
        yield Row(f"7.7.{code}", f"code {code}, registered", closes(body), ends=body)
    for number, code in enumerate(INVALID, start=1):
        sent = closes(closing(code))
        yield Row(f"7.9.{number}", f"code {code}, invalid", sent, ends=Code.FRAME_INVALID)
    sent = closes(closing(NEVER_SENT))
    yield Row("7.9.a", "code 1015, never to be sent", sent, ends=Code.FRAME_INVALID)
    for number, code in enumerate(BEYOND, start=1):
        sent = closes(closing(code))
        yield Row(f"7.13.{number}", f"code {code}, undefined", sent, ends=Code.FRAME_INVALID)


def behind() -> Iterator[Row]:
    """Yield what stands behind a close, and is not heard any more."""
    for id_, what, late in (
        ("7.1.2", "another close", BYE),
        ("7.1.3", "a ping", masked(b"late", PING)),
        ("7.1.4", "a message", masked(TWO)),
        ("7.1.4.t", "a text", masked(b"late", TEXT)),
        ("7.1.a", "a pong", masked(b"late", PONG)),
        ("7.1.b", "a stray continuation", masked(b"late", CONTINUATION)),
        ("7.1.c", "noise", b"\xff" * 50),
        ("7.1.d", "a close with another code", closes(closing(1001, b"no, wait"))),
        ("7.1.e", "the beginning of a frame that never ends", b"\x82\xff" + bytes(7) + b"\x80"),
    ):
        yield Row(id_, f"a close, then {what}", masked(ONE) + BYE + late, (ONE,), (), NORMAL)


LONGEST: Final = message(FRAME_BYTES_MAX)
REASON_MAX: Final = b"*" * 123

SHAPES: Final = (
    Row("7.1.1", "a message, then a close", masked(ONE) + BYE, (ONE,), (), NORMAL),
    Row(
        "7.1.5",
        "a fragment, a close, and the rest of the message",
        masked(ONE[:8], fin=False) + BYE + masked(ONE[8:], CONTINUATION),
        ends=NORMAL,
    ),
    Row(
        "7.1.6",
        "256 KiB, another message, a close, a ping",
        masked(LONGEST) + masked(TWO) + BYE + masked(b"", PING),
        (LONGEST, TWO),
        (),
        NORMAL,
    ),
    Row("7.3.1", "a close without a body", closes(b""), ends=b""),
    Row("7.3.2", "a body of one byte", closes(b"a"), ends=Code.FRAME_INVALID),
    Row("7.3.3", "a code alone", closes(NORMAL), ends=NORMAL),
    Row(
        "7.3.4",
        "a code and a reason",
        closes(closing(1000, b"Hello World!")),
        ends=closing(1000, b"Hello World!"),
    ),
    Row(
        "7.3.5",
        "the longest reason",
        closes(closing(1000, REASON_MAX)),
        ends=closing(1000, REASON_MAX),
    ),
    Row(
        "7.3.6",
        "a reason of one byte more",
        closes(closing(1000, REASON_MAX + b"*")),
        ends=Code.FRAME_INVALID,
    ),
    Row(
        "7.5.1",
        "a reason that is no UTF-8",
        closes(closing(1000, "\u03ba".encode() + b"\xed\xa0\x80edited")),
        ends=Code.PAYLOAD_INVALID,
    ),
    Row("7.a", "pings, then a close", masked(b"p", PING) * 3 + BYE, (), (b"p",) * 3, NORMAL),
)

ROWS: Final = (*SHAPES, *behind(), *codes())
