"""Commands on disk: what was ordered, where it stands at each terminal, what terminals sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

from engine.fleet.commands import OPEN_STATES, CommandBody, CommandState, advanced
from engine.transaction import Transaction
from storage.fleet.tables import (
    COMMAND_IDS,
    COMMANDS,
    COUNTS,
    JOURNALS,
    OPEN,
    PLACES,
    encode,
    key_of,
    number,
    read,
    rows_under,
)
from storage.store import Change, Store

_NUMBER_BYTES: Final = 8


class CommandRecord(Struct, frozen=True, array_like=True):
    """A command: its number, the id that its terminals know it by, and what it is."""

    number: int
    id: str
    body: CommandBody
    officer: str
    ordered_ms: int
    expires_ms: int


class Place(Struct, frozen=True, array_like=True):
    """Where a command stands at one terminal, since when, and what the terminal said of it."""

    state: CommandState
    at_ms: int
    text: str = ""


Move: TypeAlias = tuple[str, int, Place]
"""A terminal, the number of a command, and where it stands there now."""

_COMMAND: Final = msgspec.msgpack.Decoder(CommandRecord)
_COUNTS: Final = msgspec.msgpack.Decoder(list[int])
_PLACE: Final = msgspec.msgpack.Decoder(Place)
_JOURNAL: Final = msgspec.msgpack.Decoder(tuple[Transaction, ...])


class CommandStore:
    """Commands in the fleet's store. Any thread may read; one at a time writes.

    Args:
      store: with the tables of the fleet.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def next_number(self) -> int:
        """Return the number of the next command."""
        rows = self._store.scan_back(COMMANDS, limit=1)
        return int.from_bytes(rows[0][0]) + 1 if rows else 0

    def add(
        self, record: CommandRecord, terminals: Sequence[str], order: Sequence[Change] = ()
    ) -> None:
        """Write a command, accepted for some terminals, and the order behind it.

        Durability: on return all of it is on disk.
        """
        accepted = encode(Place(CommandState.ACCEPTED, record.ordered_ms))
        at = number(record.number)
        changes: list[Change] = [
            (COMMANDS, at, encode(record)),
            (COMMAND_IDS, record.id.encode(), at),
            (COUNTS, at, encode([len(terminals), *[0] * (len(CommandState) - 1)])),
            *order,
        ]
        for terminal in terminals:
            changes.append((PLACES, at + terminal.encode(), accepted))
            changes.append((OPEN, key_of(terminal, at), b""))
        self._store.write(changes)

    def find(self, command_id: str) -> CommandRecord | None:
        """Return a command by its id."""
        at = self._store.get(COMMAND_IDS, command_id.encode())
        value = None if at is None else self._store.get(COMMANDS, at)
        return None if value is None else read(_COMMAND, value)

    def at(self, command: int) -> CommandRecord:
        """Return a command by its number."""
        value = self._store.get(COMMANDS, number(command))
        assert value is not None, f"there is no command {command}"
        return read(_COMMAND, value)

    def before(self, command: int | None, limit: int) -> list[CommandRecord]:
        """Return commands with lower numbers, newest first."""
        if command == 0:
            return []
        start = None if command is None else number(command - 1)
        rows = self._store.scan_back(COMMANDS, start, limit=limit)
        return [read(_COMMAND, value) for _, value in rows]

    def places_of(self, standing: Sequence[tuple[str, int]]) -> list[Place | None]:
        """Return where commands stand, for pairs of terminal and number of the command."""
        keys = [number(command) + terminal.encode() for terminal, command in standing]
        values = self._store.get_many(PLACES, keys)
        return [None if value is None else read(_PLACE, value) for value in values]

    def places(self, command: int, after: str = "") -> Iterator[tuple[str, Place]]:
        """Walk where a command stands, in the order of the terminals' names, behind one of them."""
        start = after.encode() + b"\0" if after else b""
        for terminal, value in rows_under(self._store, PLACES, number(command), start):
            yield terminal.decode(), read(_PLACE, value)

    def open_places(self) -> Iterator[tuple[str, int, CommandState]]:
        """Walk the terminal, number and state of all commands that are not final somewhere."""
        for key, _ in rows_under(self._store, OPEN, b""):
            terminal, command = key[: -_NUMBER_BYTES - 1], key[-_NUMBER_BYTES:]
            value = self._store.get(PLACES, command + terminal)
            assert value is not None, "an open command stands somewhere"
            yield terminal.decode(), int.from_bytes(command), read(_PLACE, value).state

    def counts(self, command: int) -> dict[CommandState, int]:
        """Return at how many terminals a command stands in each state."""
        value = self._store.get(COUNTS, number(command))
        assert value is not None, "a command stands somewhere"
        counts = read(_COUNTS, value)
        return dict(zip(CommandState, counts, strict=True))

    def move(self, moves: Sequence[Move]) -> list[Move]:
        """Write where commands stand now, and return what that changed.

        A state is never left for an earlier one, and nobody is told of who was not told.

        Durability: on return all of it is on disk.
        """
        before = self.places_of([(terminal, command) for terminal, command, _ in moves])
        made: list[Move] = []
        changes: list[Change] = []
        counts: dict[int, dict[CommandState, int]] = {}
        for (terminal, command, place), was in zip(moves, before, strict=True):
            if was is None or advanced(was.state, place.state) is was.state:
                continue
            made.append((terminal, command, place))
            at = number(command)
            changes.append((PLACES, at + terminal.encode(), encode(place)))
            if place.state not in OPEN_STATES:
                changes.append((OPEN, key_of(terminal, at), None))
            of_command = counts.setdefault(command, self.counts(command))
            of_command[was.state] -= 1
            of_command[place.state] += 1
        for command, of_command in counts.items():
            changes.append((COUNTS, number(command), encode(list(of_command.values()))))
        self._store.write(changes)
        return made

    def save_journal(
        self, command: int, terminal: str, part: int, transactions: Sequence[Transaction]
    ) -> None:
        """Write a part of a terminal's journal; it takes the place of the same part before."""
        key = _journal_key(command, terminal, part)
        self._store.write([(JOURNALS, key, encode(transactions))])

    def journal(self, command: int, terminal: str, part: int) -> tuple[Transaction, ...] | None:
        """Return a part of a terminal's journal, or None if it has not come."""
        value = self._store.get(JOURNALS, _journal_key(command, terminal, part))
        return None if value is None else read(_JOURNAL, value)


def _journal_key(command: int, terminal: str, part: int) -> bytes:
    return number(command) + key_of(terminal, number(part))
