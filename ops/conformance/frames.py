"""Frames of a websocket (RFC 6455, section 5), written with any fault that is asked for.

Nothing here is shared with the node or the client, so that a mistake of theirs shows.
"""

from __future__ import annotations

from enum import IntEnum
from struct import pack, unpack_from
from typing import Final, NamedTuple

SHORT_MAX: Final = 125
MIDDLE_MAX: Final = 0xFFFF
MASK: Final = b"\x37\xfa\x21\x3d"
"""That of the document's example; any other would do."""


class Opcode(IntEnum):
    """What a frame is."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class Frame(NamedTuple):
    """A frame that came."""

    opcode: int
    payload: bytes
    fin: bool
    masked: bool
    reserved: int


def frame(
    payload: bytes,
    opcode: int = Opcode.BINARY,
    *,
    fin: bool = True,
    mask: bytes | None = MASK,
    reserved: int = 0,
) -> bytes:
    """Return the bytes of a frame.

    Args:
      payload: what is in it.
      opcode: what it is; any number of four bits.
      fin: whether it is the last of its message.
      mask: as a client's frames have it; None for those of a server.
      reserved: the three reserved bits.
    """
    size = len(payload)
    first = bytes([fin << 7 | reserved << 4 | opcode])
    bit = 0 if mask is None else 0x80
    if size <= SHORT_MAX:
        head = first + bytes([bit | size])
    elif size <= MIDDLE_MAX:
        head = first + bytes([bit | 126]) + pack("!H", size)
    else:
        head = first + bytes([bit | 127]) + pack("!Q", size)
    return head + payload if mask is None else head + mask + masked(payload, mask)


def masked(payload: bytes, mask: bytes) -> bytes:
    """Return a payload with a mask put on, or taken off."""
    size = len(payload)
    whole = int.from_bytes((mask * (size // 4 + 1))[:size])
    return (int.from_bytes(payload) ^ whole).to_bytes(size)


def close_payload(code: int, reason: str = "") -> bytes:
    """Return what stands in a close frame."""
    return pack("!H", code) + reason.encode()


def close_told(payload: bytes) -> tuple[int, str]:
    """Return code and reason of a close frame; 1005 where it has none."""
    if not payload:
        return 1005, ""
    (code,) = unpack_from("!H", payload)
    return int(code), payload[2:].decode(errors="replace")


class FrameReader:
    """Takes bytes as they come, gives the frames in them."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes; return the frames that are whole now."""
        self._bytes += data
        frames: list[Frame] = []
        while (found := self._next()) is not None:
            frames.append(found)
        return frames

    def _next(self) -> Frame | None:
        data = self._bytes
        if len(data) < 2:  # noqa: PLR2004 - the shortest frame
            return None
        size, at = data[1] & 0x7F, 2
        if size > SHORT_MAX:
            width = 2 if size == SHORT_MAX + 1 else 8
            size, at = int.from_bytes(data[2 : 2 + width]), 2 + width
        is_masked = bool(data[1] & 0x80)
        start = at + 4 * is_masked
        if len(data) < start + size:
            return None
        payload = bytes(data[start : start + size])
        if is_masked:
            payload = masked(payload, bytes(data[at:start]))
        first = data[0]
        del data[: start + size]
        return Frame(first & 0x0F, payload, bool(first & 0x80), is_masked, first >> 4 & 7)
