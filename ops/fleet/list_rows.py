"""A file of entries of a list: whole, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from engine.accounts import is_name
from engine.fleet.lists import DENY
from engine.limits import LIST_KEY_LENGTH_MAX, LIST_VALUE_LENGTH_MAX
from ops.csv_table import FAULTS_MAX, Fault, Row, read_table, refuse
from protocol.limits import LIST_PART_ENTRIES_MAX, LIST_PARTS_MAX

ROWS_MAX: Final = LIST_PARTS_MAX * LIST_PART_ENTRIES_MAX
_ANSWERS: Final = {"": False, "no": False, "yes": True}


class Wanted(NamedTuple):
    """What a file wants of a list: values of keys, and None for those that are to go."""

    entries: dict[str, str | None]

    @property
    def puts(self) -> int:
        """How many keys get a value."""
        return len(self.entries) - self.removes

    @property
    def removes(self) -> int:
        """How many keys are to go."""
        return sum(value is None for value in self.entries.values())


def read_entries(path: Path, name: str, *, whole: bool) -> Wanted:
    """Read a file with the columns key, value and, where it is a change, remove (yes or no).

    Args:
      path: the file.
      name: of the list: the keys of the deny list are names of cards.
      whole: it is the whole list; there is nothing to remove.

    Raises:
      click.ClickException: the file cannot be read, or something in it is wrong.
    """
    reader = _Reader(name)
    optional = () if whole else ("remove",)
    for each in read_table(path, required=("key", "value"), optional=optional, rows_max=ROWS_MAX):
        reader.faults += [each] if isinstance(each, Fault) else reader.take(each)
        if len(reader.faults) >= FAULTS_MAX:
            break
    refuse(path, reader.faults)
    return Wanted(reader.entries)


class _Reader:
    def __init__(self, name: str) -> None:
        self.entries: dict[str, str | None] = {}
        self.faults: list[Fault] = []
        self._name = name
        self._lines: dict[str, int] = {}

    def take(self, row: Row) -> Iterator[Fault]:
        key, value = row.values["key"], row.values["value"]
        removed = row.values.get("remove", "")
        for column, reason in self._wrong(key, value, removed):
            yield Fault(row.line, column, reason)
        first = self._lines.setdefault(key, row.line)
        if first != row.line:
            yield Fault(row.line, "key", f"{key!r} stands in line {first} too")
        self.entries[key] = None if _ANSWERS.get(removed) else value

    def _wrong(self, key: str, value: str, removed: str) -> Iterator[tuple[str, str]]:
        if not key or len(key) > LIST_KEY_LENGTH_MAX:
            yield "key", f"a text of 1 to {LIST_KEY_LENGTH_MAX} characters"
        elif not key.isascii() or not key.isprintable() or " " in key:
            yield "key", f"{key!r} is not printable ASCII without blanks"
        elif self._name == DENY and not is_name(key):
            yield "key", f"{key!r} cannot be the name of a card"
        if len(value) > LIST_VALUE_LENGTH_MAX:
            yield "value", f"longer than {LIST_VALUE_LENGTH_MAX:,} characters"
        if removed not in _ANSWERS:
            yield "remove", f"{removed!r} is neither yes nor no"
        elif _ANSWERS[removed] and value:
            yield "value", "a key that is removed has no value"
