"""Reading an instrument: from the text of a TOML file to its rules, or to all its faults.

[instrument]          id, title, what it is about
[[rule]]              one for each rule: see `kinds`
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from engine.errors import EngineError
from engine.rules.kinds import InstrumentHead, Rule

T = TypeVar("T")

_AT_LINE: Final = re.compile(r" \(at line (\d+), column \d+\)$")
_AT_FIELD: Final = re.compile(r"^(?P<what>.*) - at `\$\.?(?P<path>.*)`$", re.DOTALL)
_UNKNOWN: Final = re.compile(r"^Object contains unknown field `(?P<field>.*)`")


class Fault(NamedTuple):
    """Something wrong: in which file and line, with which rule (or the empty text), and what.

    In the file of a network `rule` is the line or the transfer that it is wrong with.
    """

    file: str
    line: int
    rule: str
    what: str

    def __str__(self) -> str:
        """Return it as compilers tell of faults, so that editors find the place."""
        rule = f"{self.rule}: " if self.rule else ""
        return f"{self.file}:{self.line}: {rule}{self.what}"


class RulesInvalid(EngineError):
    """Rules, or the network that they need, cannot be used.

    Attributes:
      faults: all that is wrong, in the order of files and lines.
    """

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults


class Placed(NamedTuple):
    """A rule and the line on which it begins."""

    rule: Rule
    line: int


class Instrument(Struct, frozen=True):
    """An instrument with its rules.

    Attributes:
      file: where it was read from.
    """

    head: InstrumentHead
    file: str
    rules: tuple[Placed, ...]


def read_instrument(text: str, file: str) -> Instrument:
    """Return the instrument that a file holds.

    Args:
      text: of the file.
      file: its name, which ends with `.toml` and begins with the id of the instrument.

    Raises:
      RulesInvalid: with everything that is wrong with it.
    """
    tables = Tables(text, file, "instrument", ("rule",))
    head = tables.head(lambda table: msgspec.convert(table, InstrumentHead))
    rules = tuple(
        Placed(rule, line)
        for rule, line in tables.items("rule", lambda table: msgspec.convert(table, Rule))
    )
    if head is not None:
        tables.check_name(head.id)
    tables.refuse()
    assert head is not None, "a head that cannot be read is a fault"
    return Instrument(head, file, rules)


def by_file(instruments: Mapping[str, str]) -> list[Instrument]:
    """Return the instruments in texts by the names of their files.

    Raises:
      RulesInvalid: with everything that is wrong with any of them.
    """
    found: list[Instrument] = []
    faults: list[Fault] = []
    for file, text in sorted(instruments.items()):
        try:
            found.append(read_instrument(text, file))
        except RulesInvalid as invalid:
            faults += invalid.faults
    if faults:
        raise RulesInvalid(faults)
    return found


# --- tables -------------------------------------------------------------------------------------


class Tables:
    """The tables of a file, a head and lists of others, and all that is wrong with them.

    Args:
      text: of the file.
      file: its name.
      head: the name of the table that tells what the file is.
      lists: the names of the tables of which there may be several.

    Attributes:
      faults: what was found to be wrong by now.

    Raises:
      RulesInvalid: it is no TOML.
    """

    def __init__(self, text: str, file: str, head: str, lists: tuple[str, ...]) -> None:
        try:
            self._tables = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise RulesInvalid([_not_toml(str(error), text, file)]) from None
        self._file, self._head, self._lines = file, head, _Lines(text, (head, *lists))
        known = (head, *lists)
        self.faults = [
            Fault(
                file, self._lines.first(name), "", f"no table [{name}] is known: there are {known}"
            )
            for name in self._tables
            if name not in known
        ]

    def head(self, make: Callable[[object], T]) -> T | None:
        """Return what is made of the head, or None if it cannot be."""
        try:
            return make(self._tables.get(self._head, {}))
        except msgspec.ValidationError as error:
            self._misread(error, self._lines.block(self._head, 0), self._head)
            return None

    def items(
        self, name: str, make: Callable[[object], T], *, needed: bool = True
    ) -> Iterator[tuple[T, int]]:
        """Yield what is made of each table of a list that can be read, and the line it begins on.

        Args:
          name: of the list.
          make: of a table.
          needed: whether it is a fault if there is none.
        """
        tables = self._tables.get(name, [])
        if not isinstance(tables, list) or (needed and not tables):
            self.add(self._lines.first(name), "", f"there is no table [[{name}]]")
            return
        for number, table in enumerate(tables):
            block = self._lines.block(name, number)
            named = str(table.get("id", "")) if isinstance(table, dict) else ""
            try:
                yield make(table), block.begin
            except msgspec.ValidationError as error:
                self._misread(error, block, named or f"{name} {number + 1}")

    def check_name(self, file_id: str) -> None:
        """Find a fault if the id in the head is not the name of the file."""
        if f"{file_id}.toml" != self._file.rpartition("/")[2]:
            line = self._lines.block(self._head, 0).of("id")
            self.add(line, "", f"id: {file_id} is to be in {file_id}.toml")

    def add(self, line: int, rule: str, what: str) -> None:
        """Find a fault."""
        self.faults.append(Fault(self._file, line, rule, what))

    def refuse(self) -> None:
        """End the reading of a file with faults.

        Raises:
          RulesInvalid: there are some.
        """
        if self.faults:
            raise RulesInvalid(sorted(self.faults))

    def _misread(self, error: msgspec.ValidationError, block: _Block, rule: str) -> None:
        field, what = _told(str(error))
        where = field.partition(".")[0].partition("[")[0]
        self.add(block.of(where), rule, f"{field}: {what}" if field else what)


def _told(text: str) -> tuple[str, str]:
    """Return the field that a message of msgspec is about, and what it says."""
    found = _AT_FIELD.match(text)
    what, path = (found["what"], found["path"]) if found else (text, "")
    if unknown := _UNKNOWN.match(what):
        field = f"{path}.{unknown['field']}" if path else unknown["field"]
        return field, "there is no such field"
    return path, what[:1].lower() + what[1:]


def _not_toml(message: str, text: str, file: str) -> Fault:
    found = _AT_LINE.search(message)
    line = int(found[1]) if found else text.count("\n") + 1
    what = _AT_LINE.sub("", message)
    return Fault(file, line, "", f"no TOML: {what[:1].lower()}{what[1:]}")


# --- lines --------------------------------------------------------------------------------------


class _Block:
    """The lines of a table."""

    def __init__(self, lines: list[str], begin: int, end: int) -> None:
        self.begin = begin
        self._lines = lines[begin - 1 : end - 1]

    def of(self, field: str) -> int:
        """Return the line of a field, or the first line of the table."""
        begins = re.compile(rf'\s*(\[+\s*\w+\.)?"?{re.escape(field)}"?\s*(=|\]|\.)')
        for number, line in enumerate(self._lines if field else []):
            if begins.match(line):
                return self.begin + number
        return self.begin


class _Lines:
    """Where the tables of a file stand: the library that reads TOML does not tell."""

    def __init__(self, text: str, names: tuple[str, ...]) -> None:
        self._lines = text.splitlines()
        self._begins = {name: list(self._tables(name)) for name in names}

    def _tables(self, name: str) -> Iterator[int]:
        begins = re.compile(rf"\s*\[+\s*{re.escape(name)}\s*\]+")
        return (at for at, line in enumerate(self._lines, 1) if begins.match(line))

    def block(self, name: str, number: int) -> _Block:
        """Return a table by its name, and its number from zero among those of the name."""
        found = self._begins[name]
        begin = found[number] if number < len(found) else 1
        ends = [at for several in self._begins.values() for at in several if at > begin]
        return _Block(self._lines, begin, min(ends, default=len(self._lines) + 1))

    def first(self, table: str) -> int:
        """Return the first line that names a table, or the first of all."""
        names = re.compile(rf"\s*\[*\s*{re.escape(table)}\b")
        return next((at for at, line in enumerate(self._lines, 1) if names.match(line)), 1)
