"""What a row of the conformance tables says: what a client sends, what the node must answer.

The rows follow the list of the Autobahn Testsuite, whose numbers they carry; cases that differ in
how the bytes are cut share a row, for every row is cut in many ways. Where that suite expects an
echo, a row names the messages that are taken. What the suite does not ask for ends with a letter.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from protocol.errors import CLOSE_CODES, Code
from tests.protocol.peer import BINARY, CLOSE, CONTINUATION, NOW_MS, UPGRADE, masked, pack


class Row(NamedTuple):
    """One case.

    Attributes:
      id: of the case in the suite, or of several that are cut differently.
      what: is sent, for a person.
      sends: the frames of the client.
      messages: that the node takes.
      pongs: that it sends.
      ends: the body of its close frame, or our code that it closes with. None if it does not
        close: then the client does, and is answered.
      request: how the client opens the connection.
    """

    id: str
    what: str
    sends: bytes = b""
    messages: tuple[bytes, ...] = ()
    pongs: tuple[bytes, ...] = ()
    ends: bytes | Code | None = None
    request: bytes = UPGRADE


class Opening(NamedTuple):
    """A request, and the status that answers it: 0 if none does."""

    id: str
    what: str
    request: bytes
    status: int
    header: bytes = b""


def closing(code: int, reason: bytes = b"") -> bytes:
    """Return the body of a close frame."""
    return struct.pack("!H", code) + reason


NORMAL: Final = closing(1000)
BYE: Final = masked(NORMAL, CLOSE)
"""How a client ends a row that does not end by itself."""


def sent_by(row: Row) -> bytes:
    """Return all bytes behind the request."""
    return row.sends + (BYE if row.ends is None else b"")


def is_ended_by(row: Row, body: bytes) -> bool:
    """Tell whether the body of the node's close frame is that of the row."""
    if isinstance(row.ends, Code):
        return body[:2] == closing(CLOSE_CODES[row.ends]) and body[2:].startswith(row.ends.encode())
    return body == (NORMAL if row.ends is None else row.ends)


def fragments(payload: bytes, size: int) -> bytes:
    """Return the frames of a message in fragments of a size."""
    parts = [payload[at : at + size] for at in range(0, len(payload), size)]
    return b"".join(
        masked(part, CONTINUATION if number else BINARY, fin=number == len(parts) - 1)
        for number, part in enumerate(parts)
    )


def heartbeat(number: int) -> bytes:
    """Return a short message, which the node answers with its number."""
    return pack("heartbeat", NOW_MS + number)


_SUBMIT_HEAD: Final = b"\x92\xa6submit\xdd"
_SUBMIT_HEAD_BYTES: Final = len(_SUBMIT_HEAD) + 4
_TAP_BYTES_MIN: Final = 38
_TEXT_BYTES_MAX: Final = 247
_TAP_BYTES_MAX: Final = _TAP_BYTES_MIN + 2 * _TEXT_BYTES_MAX


def message(size: int, first: int = 1) -> bytes:
    """Return a message of exactly so many bytes: taps of a card that nobody has issued.

    Args:
      size: from 51 on; 16, which is a heartbeat; or 0, which is no message of the protocol.
      first: counter of its first transaction.
    """
    if size == 0:
        return b""
    if size == 16:
        # MessagePack allows a number in any format that can hold it.
        return b"\x92\xa9heartbeat\xce" + first.to_bytes(4)
    count = taps_in(size)
    padding = size - _SUBMIT_HEAD_BYTES - count * _TAP_BYTES_MIN
    taps = []
    for left in range(count, 0, -1):
        share = padding // left
        padding -= share
        taps.append(_tap(first + count - left, share))
    made = _SUBMIT_HEAD + count.to_bytes(4) + b"".join(taps)
    assert len(made) == size
    return made


def taps_in(size: int) -> int:
    """Return how many taps a message of so many bytes holds."""
    return max(0, (size - _SUBMIT_HEAD_BYTES - 1) // _TAP_BYTES_MAX + 1)


def _tap(counter: int, padding: int) -> bytes:
    line = padding // 2
    return b"\x93\xd3%b\xd3%b\x97\xa3tap\xa1X\x01\xa1o\xa2in%b%b" % (
        counter.to_bytes(8),
        NOW_MS.to_bytes(8),
        _text(padding - line),
        _text(line),
    )


def _text(size: int) -> bytes:
    # Letters of four bytes each, for a text is bounded in letters.
    return b"\xda" + size.to_bytes(2) + "\U0001f68c".encode() * (size // 4) + b"x" * (size % 4)
