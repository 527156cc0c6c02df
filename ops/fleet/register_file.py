"""A file of terminals to register: whole, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, get_args

from engine.accounts import is_name
from engine.fleet.terminals import TerminalKind
from engine.limits import NAME_LENGTH_MAX
from ops.csv_table import FAULTS_MAX, Fault, Row, read_table, refuse

ROWS_MAX: Final = 100_000
"""A node knows no more terminals."""
KINDS: Final = tuple(kind for kind in get_args(TerminalKind) if kind)
NO_NAME: Final = "a name is printable ASCII without blanks, / and *, up to 64 characters"


class Registration(NamedTuple):
    """What a terminal is, where, and whose; `line` is that of the file."""

    line: int
    terminal: str
    kind: str
    place: str
    operator: str


def read_registrations(path: Path) -> list[Registration]:
    """Read a file with the columns terminal, kind, and, if it likes, place and operator.

    Raises:
      click.ClickException: the file cannot be read, or something in it is wrong.
    """
    found: dict[str, Registration] = {}
    faults: list[Fault] = []
    columns = ("terminal", "kind"), ("place", "operator")
    for each in read_table(path, required=columns[0], optional=columns[1], rows_max=ROWS_MAX):
        if isinstance(each, Fault):
            faults.append(each)
        else:
            faults += _take(each, found)
        if len(faults) >= FAULTS_MAX:
            break
    refuse(path, faults)
    return list(found.values())


def _take(row: Row, found: dict[str, Registration]) -> Iterator[Fault]:
    values = {column: value.strip() for column, value in row.values.items()}
    wanted = Registration(row.line, **values)
    for column, reason in wrong(wanted):
        yield Fault(row.line, column, reason)
    first = found.setdefault(wanted.terminal, wanted)
    if first is not wanted:
        yield Fault(row.line, "terminal", f"{wanted.terminal} stands in line {first.line} too")


def wrong(wanted: Registration) -> Iterator[tuple[str, str]]:
    """Yield what no node would take, and why."""
    if not is_name(wanted.terminal):
        yield "terminal", f"{wanted.terminal!r}: {NO_NAME}"
    if wanted.kind not in KINDS:
        yield "kind", f"{wanted.kind!r} is none of {', '.join(KINDS)}"
    if len(wanted.place) > NAME_LENGTH_MAX or not wanted.place.isprintable():
        yield "place", f"a text of up to {NAME_LENGTH_MAX} characters"
    if wanted.operator and not is_name(wanted.operator):
        yield "operator", f"{wanted.operator!r}: {NO_NAME}"
