"""What all messages are made of: the array with a name, and the types of their fields."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

from engine.accounts import AccountKind
from protocol import limits

SUBPROTOCOL: Final = "jakarta-one.v1"
VERSION: Final = 1

Key = Annotated[bytes, Meta(min_length=32, max_length=32)]
Signature = Annotated[bytes, Meta(min_length=64, max_length=64)]
ShortText = Annotated[str, Meta(max_length=limits.SHORT_TEXT_LENGTH_MAX)]
QueryId = Annotated[int, Meta(ge=0, le=2**32 - 1)]
Position = Annotated[int, Meta(ge=0, le=2**53 - 1)]
AccountKindNumber = Annotated[int, Meta(ge=1, le=len(AccountKind))]


class Message(Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True, tag=True):
    """What all messages have in common."""
