"""Compression (sections 12 and 13 of the suite): offers are passed over, nothing is inflated."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

from protocol.errors import Code
from tests.protocol.autobahn.rows import Row, heartbeat, message
from tests.protocol.peer import BINARY, CONTINUATION, PING, TEXT, UPGRADE, masked

ONE: Final = heartbeat(1)
RSV1: Final = 0x40

LENGTHS: Final = (
    *((size, 0) for size in (16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072)),
    *((size, 256) for size in (8192, 16384, 32768, 65536, 131072)),
    *((131072, part) for part in (1024, 4096, 32768)),
)
"""Of a message, and of its fragments; 0: it has none."""

OFFERS: Final = (
    b"permessage-deflate",
    b"permessage-deflate; server_no_context_takeover",
    b"permessage-deflate; server_max_window_bits=8",
    b"permessage-deflate; server_max_window_bits=15",
    b"permessage-deflate; server_no_context_takeover; server_max_window_bits=8",
    b"permessage-deflate; client_no_context_takeover; client_max_window_bits",
    b"permessage-deflate; server_max_window_bits=8, permessage-deflate",
)
ODD_OFFERS: Final = (
    b"permessage-deflate; server_max_window_bits=99",
    b"permessage-deflate; nobody_knows=this",
    b"permessage-bzip2, x-webkit-deflate-frame, permessage-deflate",
    b'permessage-deflate; server_max_window_bits="',
    b",;=,",
    b"",
    b"x" * 4000,
)
"""Of what does not fit, too: an extension that is not accepted is not used (RFC 6455, 9.1)."""


def offering(offer: bytes) -> bytes:
    """Return a request that offers extensions."""
    line = b"Sec-WebSocket-Extensions: " + offer + b"\r\n"
    return UPGRADE.replace(b"Host: node\r\n", b"Host: node\r\n" + line)


def deflated(payload: bytes) -> bytes:
    """Return a payload as permessage-deflate would send it (RFC 7692, 7.2.1)."""
    press = zlib.compressobj(wbits=-15)
    return (press.compress(payload) + press.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\0\0\xff\xff")


def compressed() -> Iterator[Row]:
    """Yield compressed messages that nobody has agreed to."""
    for number, (size, part) in enumerate(LENGTHS, start=1):
        body = deflated(message(size))
        first = body[: part or size]
        sent = masked(first, BINARY | RSV1, fin=part == 0)
        if part:
            sent += masked(body[part:], CONTINUATION)
        what = f"{size} compressed bytes" + (f" in fragments of {part}" if part else "")
        row = Row(f"12.1.{number}", what, sent, ends=Code.FRAME_INVALID)
        yield row._replace(request=offering(OFFERS[0]))


def offers() -> Iterator[Row]:
    """Yield offers, and messages behind them that are not compressed."""
    for section, found in (("13", OFFERS), ("13.a", ODD_OFFERS)):
        for number, offer in enumerate(found, start=1):
            what = f"an offer: {offer[:80].decode()}"
            sent = masked(ONE) + masked(b"p", PING)
            yield Row(f"{section}.{number}", what, sent, (ONE,), (b"p",), None, offering(offer))


BOMB: Final = deflated(bytes(60_000_000))
"""Some 58 KB that would be sixty megabytes."""

BOMBS: Final = (
    Row("12.a", "a bomb", masked(BOMB, BINARY | RSV1), ends=Code.FRAME_INVALID),
    Row("12.b", "a bomb that is a text", masked(BOMB, TEXT | RSV1), ends=Code.FRAME_INVALID),
    Row("12.c", "a compressed ping", masked(b"p", PING | RSV1), ends=Code.FRAME_INVALID),
    Row(
        "12.d",
        "a message whose second fragment is compressed",
        masked(ONE[:8], fin=False) + masked(ONE[8:], CONTINUATION | RSV1),
        ends=Code.FRAME_INVALID,
    ),
)

ROWS: Final = (*compressed(), *BOMBS, *offers())
