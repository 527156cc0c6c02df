"""Messages to and from bytes. Nothing but a message or a ProtocolViolation comes out of decoding.

One payload is one MessagePack value. Types, bounds and lengths are checked in C while decoding,
before anything of the size a sender claims is set aside.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import DecodeError, ValidationError
from msgspec.msgpack import Decoder, Encoder

from protocol.errors import Code, ProtocolViolation
from protocol.field_names import field_at, misspelt_field
from protocol.limits import FRAME_BYTES_MAX
from protocol.messages import FromNode, FromTerminal

_DECODER: Final[Decoder[FromTerminal]] = Decoder(FromTerminal)
_ENCODER: Final = Encoder()
_PLACE: Final = re.compile(r" - at `\$(?P<indexes>[^`]*)`\Z")


def encode(message: FromNode) -> bytes:
    """Return the payload of a message to a terminal."""
    return _ENCODER.encode(message)


def decode(payload: bytes, *, bytes_max: int = FRAME_BYTES_MAX) -> FromTerminal:
    """Return the message of a terminal.

    Args:
      payload: one websocket message.
      bytes_max: the longest that is looked at.

    Raises:
      ProtocolViolation: it is no message of the protocol; the field at fault is named.
    """
    if len(payload) > bytes_max:
        text = f"{len(payload)} bytes, {bytes_max} may be sent"
        raise ProtocolViolation(Code.MESSAGE_TOO_BIG, "", text)
    try:
        return _DECODER.decode(payload)
    except (ValueError, RecursionError, MemoryError) as error:
        # Raised outside, so that the cause of a violation does not keep the payload alive.
        violation = _violation(payload, error)
    raise violation


def _violation(payload: bytes, error: Exception) -> ProtocolViolation:
    if isinstance(error, ValidationError):
        return _at_field(*_place(payload, str(error)))
    if isinstance(error, UnicodeDecodeError):
        return _at_field(misspelt_field(payload), f"not UTF-8: {error.reason}")
    text = str(error) if isinstance(error, DecodeError) else type(error).__name__
    return ProtocolViolation(Code.PAYLOAD_INVALID, "", text)


def _place(payload: bytes, text: str) -> tuple[str, str]:
    """Return the field that a validation error tells of, and what it says."""
    found = _PLACE.search(text)
    if found is None:
        return field_at(payload, ()), text
    path = tuple(int(index) for index in re.findall(r"\d+", found["indexes"]))
    return field_at(payload, path), text[: found.start()]


def _at_field(field: str, text: str) -> ProtocolViolation:
    return ProtocolViolation(Code.FIELD_INVALID if field else Code.MESSAGE_UNKNOWN, field, text)
