"""The registry of terminals on disk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from engine.fleet.lists import ListName
from engine.fleet.terminals import NO_BATTERY, ReaderState, TerminalKind
from storage.fleet.tables import TERMINALS, encode, read, rows_under
from storage.store import Change, Store


class TerminalRecord(Struct, array_like=True):
    """What is known of a terminal. It changes with each sign of life, and is written now and then.

    Attributes:
      firmware: what it says it runs.
      key: the first eight bytes of the key it proved last.
      last_seen_ms: when something of it came last, 0: never.
      backlog: transactions that it has yet to send.
      clock_offset_ms: the node's clock less its own.
      lists: the lists it holds, and their versions.
    """

    terminal: str
    kind: TerminalKind = ""
    place: str = ""
    operator: str = ""
    firmware: str = ""
    key: bytes = b""
    last_seen_ms: int = 0
    backlog: int = 0
    clock_offset_ms: int = 0
    battery: int = NO_BATTERY
    reader: ReaderState = ""
    lists: dict[ListName, int] = {}


_TERMINAL: Final = msgspec.msgpack.Decoder(TerminalRecord)


class TerminalStore:
    """The registry in the fleet's store.

    Args:
      store: with the tables of the fleet.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def load(self) -> list[TerminalRecord]:
        """Return all terminals, in the order of their names."""
        return [read(_TERMINAL, value) for _, value in rows_under(self._store, TERMINALS, b"")]

    def save(self, rows: Iterable[tuple[str, bytes]], order: Sequence[Change] = ()) -> None:
        """Write terminals, packed by `packed`, and the order behind it.

        Durability: on return they are on disk.
        """
        self._store.write([*order, *terminal_changes(rows)])


def terminal_changes(rows: Iterable[tuple[str, bytes]]) -> list[Change]:
    """Return the changes that write terminals, packed by `packed`."""
    return [(TERMINALS, name.encode(), row) for name, row in rows]


def packed(record: TerminalRecord) -> tuple[str, bytes]:
    """Return a record as it is now, ready to be written by another thread."""
    return record.terminal, encode(record)
