"""The tables of the fleet's store, their keys, and reading rows without trusting them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeVar

import msgspec

from storage.errors import StorageDamaged
from storage.store import Row, Store

TERMINALS: Final = "terminals"
LISTS: Final = "lists"
ENTRIES: Final = "entries"
"""The content of each list: its name, a zero byte, the key."""
HASHES: Final = "hashes"
"""The hash of each version: the name of the list, a zero byte, the number."""
CHANGES: Final = "changes"
"""What each version changed, under the same keys."""
FILES: Final = "files"
"""The list file of each list as it is now."""
DRAFTS: Final = "drafts"
DRAFT_ENTRIES: Final = "draft_entries"
PUBLISHED: Final = "published"
"""The drafts that became versions, so that a part that is sent again begins no other draft."""
ORDERS: Final = "orders"
"""The receipt of each order: the officer, a zero byte, the id."""
COMMANDS: Final = "commands"
COMMAND_IDS: Final = "command_ids"
PLACES: Final = "places"
"""Where a command stands at a terminal: the number of the command, the terminal."""
COUNTS: Final = "counts"
"""At how many terminals a command stands in each state."""
OPEN: Final = "open"
"""The rows of PLACES that are not final: the terminal, a zero byte, the number of the command."""
JOURNALS: Final = "journals"

FLEET_TABLES: Final = (
    TERMINALS,
    LISTS,
    ENTRIES,
    HASHES,
    CHANGES,
    FILES,
    DRAFTS,
    DRAFT_ENTRIES,
    PUBLISHED,
    ORDERS,
    COMMANDS,
    COMMAND_IDS,
    PLACES,
    COUNTS,
    OPEN,
    JOURNALS,
)

FLEET_REMEDY: Final = (
    "Take the folder `fleet` from a backup, or delete it: terminals register themselves again, and "
    "lists have to be published anew. No money stands in it."
)

T = TypeVar("T")

encode: Final = msgspec.msgpack.Encoder().encode

_ROWS_AT_ONCE: Final = 1_000


def key_of(first: str, rest: bytes = b"") -> bytes:
    """Return a key that begins with a name."""
    return first.encode() + b"\0" + rest


def number(value: int) -> bytes:
    """Return a number as it stands in a key."""
    return value.to_bytes(8)


def read(decoder: msgspec.msgpack.Decoder[T], value: bytes) -> T:
    """Return a row as it was written.

    Raises:
      StorageDamaged: it is not what was written.
    """
    try:
        return decoder.decode(value)
    except msgspec.MsgspecError as error:
        raise StorageDamaged(f"a row of the fleet cannot be read. {FLEET_REMEDY}") from error


def rows_under(store: Store, table: str, prefix: bytes, start: bytes = b"") -> Iterator[Row]:
    """Walk the rows whose keys begin with a prefix, in batches: no reader holds pages for long.

    Args:
      store: where they are.
      table: the table.
      prefix: what the keys begin with; it is cut off in what is yielded.
      start: where to begin, behind the prefix.
    """
    at = prefix + start
    while rows := store.scan(table, at, limit=_ROWS_AT_ONCE):
        for key, value in rows:
            if not key.startswith(prefix):
                return
            yield key[len(prefix) :], value
        at = rows[-1][0] + b"\0"
