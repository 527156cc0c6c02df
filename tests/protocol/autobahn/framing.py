"""Frames one by one: sizes, pings, reserved bits, opcodes (sections 1 to 4 of the suite)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from protocol.errors import Code
from protocol.limits import FRAME_BYTES_MAX, FRAMES_PER_MESSAGE_MAX
from tests.protocol.autobahn.rows import NORMAL, Row, heartbeat, message
from tests.protocol.peer import BINARY, CLOSE, PING, PONG, TEXT, masked

SIZES: Final = (0, 125, 126, 127, 128, 65_535, 65_536, 65_536)
"""The last two differ in how they are cut."""
ONE: Final = heartbeat(1)
TWO: Final = heartbeat(2)
HELLO: Final = b"Hello, world!"
BYTES: Final = b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"


def reserved(bits: int, payload: bytes = ONE, opcode: int = BINARY) -> bytes:
    """Return a frame with reserved bits."""
    return masked(payload, opcode | bits << 4)


def long_form(payload: bytes, width: int) -> bytes:
    """Return a frame whose length stands in more bytes than it needs."""
    short = masked(payload)
    return short[:1] + {2: b"\xfe", 8: b"\xff"}[width] + len(payload).to_bytes(width) + short[2:]


def claims(size: int, opcode: int = BINARY) -> bytes:
    """Return the beginning of a frame that says how long it is."""
    return bytes([0x80 | opcode, 0xFF]) + size.to_bytes(8) + b"mask" + b"some of it"


def messages() -> Iterator[Row]:
    """Yield messages of many sizes, text and binary."""
    for number, size in enumerate(SIZES, start=1):
        text, binary = masked(b"*" * size, TEXT), message(size)
        yield Row(f"1.1.{number}", f"a text of {size} bytes", text, ends=Code.TEXT_FRAME)
        yield Row(f"1.2.{number}", f"a message of {size} bytes", masked(binary), (binary,))


LENGTHS: Final = (
    Row("1.2.a", "a length in two bytes where one does", long_form(ONE, 2), (ONE,)),
    Row("1.2.b", "a length in eight bytes where one does", long_form(ONE, 8), (ONE,)),
    Row("1.2.c", "a length of 2^63: the highest bit", claims(2**63), ends=Code.MESSAGE_TOO_BIG),
    Row("1.2.d", "a length of 2^63 - 1", claims(2**63 - 1), ends=Code.MESSAGE_TOO_BIG),
    Row("1.2.e", "a byte too many", claims(FRAME_BYTES_MAX + 1), ends=Code.MESSAGE_TOO_BIG),
    Row("1.2.f", "no mask", b"\x82" + bytes([len(ONE)]) + ONE, ends=Code.FRAME_INVALID),
    Row("1.2.g", "a mask of zeros", masked(ONE, mask=bytes(4)), (ONE,)),
)

PINGS: Final = (
    Row("2.1", "a ping without a payload", masked(b"", PING), (), (b"",)),
    Row("2.2", "a ping with a text", masked(HELLO, PING), (), (HELLO,)),
    Row("2.3", "a ping with bytes that are no text", masked(BYTES, PING), (), (BYTES,)),
    Row("2.4 (2.6)", "a ping of 125 bytes", masked(b"\xfe" * 125, PING), (), (b"\xfe" * 125,)),
    Row("2.5", "a ping of 126 bytes", masked(b"\xfe" * 126, PING), ends=Code.FRAME_INVALID),
    Row(
        "2.5.a", "a ping that says it is 2^62 long", claims(2**62, PING), ends=Code.MESSAGE_TOO_BIG
    ),
    Row("2.7", "a pong that nobody asked for", masked(b"", PONG)),
    Row("2.8", "the same with a payload", masked(b"unsolicited", PONG)),
    Row("2.9", "a pong, then a ping", masked(b"a", PONG) + masked(b"b", PING), (), (b"b",)),
    Row(
        "2.10 (2.11)",
        "ten pings",
        b"".join(masked(b"payload-%d" % number, PING) for number in range(10)),
        pongs=tuple(b"payload-%d" % number for number in range(10)),
    ),
    Row(
        "2.a",
        "as many pings before a message as may be",
        masked(b"", PING) * FRAMES_PER_MESSAGE_MAX + masked(ONE),
        (ONE,),
        (b"",) * FRAMES_PER_MESSAGE_MAX,
    ),
    Row(
        "2.b",
        "one more",
        masked(b"", PING) * (FRAMES_PER_MESSAGE_MAX + 1) + masked(ONE),
        (),
        (b"",) * FRAMES_PER_MESSAGE_MAX,
        Code.FRAMES_EXCEEDED,
    ),
)

PING_AFTER: Final = masked(b"after", PING)

RESERVED: Final = (
    Row("3.1", "a message with bit 3", reserved(1), ends=Code.FRAME_INVALID),
    Row(
        "3.2",
        "a message, one with bit 2, a ping",
        masked(ONE) + reserved(2) + PING_AFTER,
        (ONE,),
        (),
        Code.FRAME_INVALID,
    ),
    Row(
        "3.3",
        "a message, one with bits 2 and 3, a ping",
        masked(ONE) + reserved(3) + PING_AFTER,
        (ONE,),
        (),
        Code.FRAME_INVALID,
    ),
    Row(
        "3.4",
        "a message, one with bit 1, a ping",
        masked(ONE) + reserved(4) + PING_AFTER,
        (ONE,),
        (),
        Code.FRAME_INVALID,
    ),
    Row("3.5", "a binary message with bits 1 and 3", reserved(5), ends=Code.FRAME_INVALID),
    Row("3.6", "a ping with bits 1 and 2", reserved(6, HELLO, PING), ends=Code.FRAME_INVALID),
    Row("3.7", "a close with all bits", reserved(7, NORMAL, CLOSE), ends=Code.FRAME_INVALID),
    Row("3.a", "a text with bit 1", reserved(4, HELLO, TEXT), ends=Code.FRAME_INVALID),
)


def opcodes() -> Iterator[Row]:
    """Yield frames of opcodes that mean nothing: alone, with a payload, behind a message."""
    for section, first in (("4.1", 3), ("4.2", 11)):
        for number in range(5):
            opcode = first + number
            wrong = masked(b"reserved" if number in {1, 3, 4} else b"", opcode)
            before = number >= 2
            yield Row(
                f"{section}.{number + 1}",
                f"{'a message, then ' * before}opcode {opcode}, then a ping",
                masked(ONE) * before + wrong + PING_AFTER,
                (ONE,) * before,
                (),
                Code.FRAME_INVALID,
            )


ROWS: Final = (*messages(), *LENGTHS, *PINGS, *RESERVED, *opcodes())
