"""Reading an instrument: from the text of a TOML file to its rules, or to all its faults.

[instrument]          id, title, what it is about
[[rule]]              one for each rule: see `kinds`
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from engine.errors import EngineError
from engine.rules.kinds import InstrumentHead, Rule

_TABLES: Final = ("instrument", "rule")
_RULE: Final = re.compile(r"\s*\[\[\s*rule\s*\]\]")
_INSTRUMENT: Final = re.compile(r"\s*\[\s*instrument\s*\]")
_AT_LINE: Final = re.compile(r" \(at line (\d+), column \d+\)$")
_AT_FIELD: Final = re.compile(r"^(?P<what>.*) - at `\$\.?(?P<path>.*)`$", re.DOTALL)
_UNKNOWN: Final = re.compile(r"^Object contains unknown field `(?P<field>.*)`")


class Fault(NamedTuple):
    """Something wrong: in which file and line, with which rule (or the empty text), and what."""

    file: str
    line: int
    rule: str
    what: str

    def __str__(self) -> str:
        """Return it as compilers tell of faults, so that editors find the place."""
        rule = f"{self.rule}: " if self.rule else ""
        return f"{self.file}:{self.line}: {rule}{self.what}"


class RulesInvalid(EngineError):
    """Rules cannot be used.

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
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RulesInvalid([_not_toml(str(error), text, file)]) from None
    lines = _Lines(text)
    faults = [
        Fault(file, lines.first(name), "", f"no table [{name}] is known: there are {_TABLES}")
        for name in tables
        if name not in _TABLES
    ]
    head: InstrumentHead | None = None
    try:
        head = msgspec.convert(tables.get("instrument", {}), InstrumentHead)
    except msgspec.ValidationError as error:
        faults.append(_fault(error, lines.instrument, file, "instrument"))
    rules = list(_rules(tables.get("rule", []), lines, file, faults))
    if head is not None and f"{head.id}.toml" != file.rpartition("/")[2]:
        line = lines.instrument.of("id")
        faults.append(Fault(file, line, "", f"id: {head.id} is to be in {head.id}.toml"))
    if faults or head is None:
        raise RulesInvalid(sorted(faults))
    return Instrument(head, file, tuple(rules))


def _rules(tables: object, lines: _Lines, file: str, faults: list[Fault]) -> Iterator[Placed]:
    if not isinstance(tables, list) or not tables:
        faults.append(Fault(file, lines.first("rule"), "", "there is no table [[rule]]"))
        return
    for number, table in enumerate(tables):
        block = lines.rule(number)
        name = str(table.get("id", "")) if isinstance(table, dict) else ""
        try:
            yield Placed(msgspec.convert(table, Rule), block.begin)
        except msgspec.ValidationError as error:
            faults.append(_fault(error, block, file, name or f"rule {number + 1}"))


def _fault(error: msgspec.ValidationError, block: _Block, file: str, rule: str = "") -> Fault:
    field, what = _told(str(error))
    where = field.partition(".")[0].partition("[")[0]
    return Fault(file, block.of(where), rule, f"{field}: {what}" if field else what)


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
        begins = re.compile(rf'\s*(\[+\s*rule\.)?"?{re.escape(field)}"?\s*(=|\]|\.)')
        for number, line in enumerate(self._lines if field else []):
            if begins.match(line):
                return self.begin + number
        return self.begin


class _Lines:
    """Where the tables of a file stand: the library that reads TOML does not tell."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        self._begins = [at for at, line in enumerate(self._lines, 1) if _RULE.match(line)]
        heads = [at for at, line in enumerate(self._lines, 1) if _INSTRUMENT.match(line)]
        self._head = heads[0] if heads else 1

    @property
    def instrument(self) -> _Block:
        """The table of the instrument."""
        return self._block(self._head)

    def rule(self, number: int) -> _Block:
        """Return the table of a rule, by its number from zero."""
        return self._block(self._begins[number] if number < len(self._begins) else 1)

    def _block(self, begin: int) -> _Block:
        ends = [at for at in [*self._begins, self._head] if at > begin]
        return _Block(self._lines, begin, min(ends, default=len(self._lines) + 1))

    def first(self, table: str) -> int:
        """Return the first line that names a table, or the first of all."""
        names = re.compile(rf"\s*\[*\s*{re.escape(table)}\b")
        return next((at for at, line in enumerate(self._lines, 1) if names.match(line)), 1)


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
