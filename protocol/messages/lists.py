"""Lists on their way to terminals: what one holds, what it lacks, and how it gets that.

terminal                               node
|  holds    what I have               |
| ----------------------------------> |
| <---------------------------------- |  offer    a version that you lack
|  fetch    from this byte on         |
| ----------------------------------> |
| <---------------------------------- |  chunk    some of it
|  ...                                |
|  holds    what I have now           |
| ----------------------------------> |
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from engine.fleet.lists import Key as ListKey
from engine.fleet.lists import ListName, Value
from engine.transaction import Name, TimeMs
from protocol import limits
from protocol.messages.base import Key, Message

ListVersion = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Offset = Annotated[int, Meta(ge=0, le=2**53 - 1)]

ListEntry: TypeAlias = tuple[ListKey, Value | None]
"""A key and its value, as a list file holds them; nil in a delta removes the key."""


class HeldList(Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A list that a terminal holds.

    Attributes:
      version: 0 where it holds none.
      hash: of the content, computed from what it holds, not remembered from the offer.
      state: `pending` while its activation time has not come; `mismatch` where what was offered
        came to another hash than was told, so that the terminal does not use it.
    """

    name: ListName
    version: ListVersion
    hash: Annotated[bytes, Meta(max_length=32)]
    state: Literal["active", "pending", "mismatch"] = "active"


class Holds(Message, frozen=True, tag="holds"):
    """Terminal to node: the lists that I hold. Those not named I do not want to hear of."""

    lists: Annotated[tuple[HeldList, ...], Meta(max_length=limits.LISTS_MAX)]


class Offer(Message, frozen=True, tag="offer"):
    """Node to terminal: fetch this version, as the change of a version that you hold, or whole.

    Attributes:
      base: the version that it changes; 0: it is whole.
      hash: SHA-256 of the content that it leads to.
      activate_ms: from when on it is to be used.
      file_bytes: length of the list file.
      content_bytes: its length before it was compressed: what a terminal sets aside at most.
      entries: in the content that it leads to.
    """

    name: ListName
    version: int
    base: int
    hash: Key
    activate_ms: int
    file_bytes: int
    content_bytes: int
    entries: int


class Fetch(Message, frozen=True, tag="fetch"):
    """Terminal to node: send me this list file from a byte on."""

    name: ListName
    version: ListVersion
    base: ListVersion
    offset: Offset


class Chunk(Message, frozen=True, tag="chunk"):
    """Node to terminal: bytes of a list file. Shorter than it might be only at its end."""

    name: ListName
    version: int
    base: int
    offset: int
    data: bytes


class ListPart(Message, frozen=True, tag="list_part"):
    """Order: keep a part of a draft. Parts may come in any order, and again."""

    draft: Name
    name: ListName
    part: Annotated[int, Meta(ge=0, le=limits.LIST_PARTS_MAX - 1)]
    entries: Annotated[
        tuple[ListEntry, ...], Meta(min_length=1, max_length=limits.LIST_PART_ENTRIES_MAX)
    ]


class ListPublish(Message, frozen=True, tag="list_publish"):
    """Order: make a version of the parts of a draft.

    Attributes:
      parts: how many there are: 0 to `parts` - 1.
      base: the version that was looked at; if the list has moved on, nothing is published.
      whole: what the draft does not name is removed.
      activate_ms: from when on terminals use it; 0: at once.
    """

    draft: Name
    name: ListName
    parts: Annotated[int, Meta(ge=0, le=limits.LIST_PARTS_MAX)]
    base: ListVersion
    whole: bool = False
    activate_ms: TimeMs = 0
    note: Annotated[str, Meta(max_length=limits.NOTE_LENGTH_MAX)] = ""


class ListApprove(Message, frozen=True, tag="list_approve"):
    """Order: publish what another officer drafted, and the guard held back."""

    draft: Name


class ListWithdraw(Message, frozen=True, tag="list_withdraw"):
    """Order: throw a draft away."""

    draft: Name
