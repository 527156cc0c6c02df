"""The feed: entries of the journal, followed from a position on."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from engine.transaction import Entry, Name
from protocol import limits
from protocol.messages.base import Message, Position, QueryId

IntentName: TypeAlias = Literal[
    "tap",
    "purchase",
    "top_up",
    "subsidy",
    "share",
    "group",
    "reversal",
    "refund",
    "adjustment",
    "issue",
    "block",
    "unblock",
    "replace",
    "close",
    "hold",
    "post",
    "void",
    "grant",
    "revoke",
    "identify",
    "withdrawal",
]
"""The name of an intent, as it stands at its beginning."""

Names = Annotated[tuple[Name, ...], Meta(max_length=limits.FILTER_NAMES_MAX)]


class Filter(Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Which entries are wanted: those for which every condition holds; an empty one always does."""

    kinds: Annotated[tuple[IntentName, ...], Meta(max_length=limits.FILTER_NAMES_MAX)] = ()
    operators: Names = ()
    banks: Names = ()
    programmes: Names = ()


class Subscribe(Message, frozen=True, tag="subscribe"):
    """Follow the journal from a position on; the id is chosen by the sender."""

    id: QueryId
    position: Position
    filter: Filter = Filter()


class Unsubscribe(Message, frozen=True, tag="unsubscribe"):
    """Follow no more; answered by `feed_end`."""

    id: QueryId


class FeedEntry(Struct, frozen=True, array_like=True, gc=False):
    """An entry and where it stands in the journal."""

    position: int
    entry: Entry


class Feed(Message, frozen=True, tag="feed"):
    """Node to terminal: entries that are wanted, in the order of the journal.

    Attributes:
      next: where to go on: everything before it was delivered or is not wanted.
      head: where the durable journal ended when this was read.
    """

    id: QueryId
    entries: tuple[FeedEntry, ...]
    next: int
    head: int


class FeedEnd(Message, frozen=True, tag="feed_end"):
    """Node to terminal: the last word about a subscription; why it ended, or never began.

    Attributes:
      code: a `QueryCode`; empty where it ended because that was asked for.
      retry_after_ms: when to subscribe again; 0: that does not help.
    """

    id: QueryId
    code: str = ""
    field: str = ""
    text: str = ""
    retry_after_ms: int = 0
