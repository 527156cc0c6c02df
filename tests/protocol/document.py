"""docs/protocol.md as data: its tables and its marked blocks, and how a type reads in a table."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias, get_args

from msgspec import NODEFAULT, Struct
from msgspec.inspect import (
    BoolType,
    BytesType,
    EnumType,
    Field,
    IntType,
    LiteralType,
    NoneType,
    StrType,
    StructType,
    TupleType,
    Type,
    UnionType,
    VarTupleType,
)

from engine.chips import ChipFinding
from engine.explaining.explanation import ExplainedLine
from engine.fares.state import Alighting, Boarding, Counted, Leg, Package, Rating
from engine.fleet.commands import CommandBody
from engine.fleet.terminals import Selection
from engine.rules.kinds import Service
from engine.tally import Bought, Charged, Credit, Tally
from engine.transaction import Entry, Intent, Item, Part, Transaction
from protocol.messages import (
    Action,
    AnswerBody,
    CommandPlace,
    CommandRow,
    DraftRow,
    FeedEntry,
    Filter,
    HeldList,
    IntentName,
    JournalLine,
    ListRow,
    Outcome,
    Question,
    StatementLine,
    TerminalRow,
    TreeRow,
)

TEXT: Final = (Path(__file__).parent.parent.parent / "docs" / "protocol.md").read_text("utf-8")

Row: TypeAlias = list[str]

_BLOCK: Final = re.compile(r"^```(\w+) ?(.*)\n((?:.*\n)*?)```$", re.MULTILINE)
_HEADING: Final = re.compile(r"^### (\w+) `([\w ]+)`", re.MULTILINE)
_UNIONS: Final = {
    frozenset(get_args(union)): name
    for name, union in (
        ("intent", Intent),
        ("part", Part),
        ("question", Question),
        ("answer", AnswerBody),
        ("command", CommandBody),
        ("action", Action),
    )
}
RECORDS: Final[dict[type[Struct], str]] = {
    Transaction: "transaction",
    Item: "item",
    Entry: "entry",
    Outcome: "outcome",
    StatementLine: "statement line",
    HeldList: "held list",
    Selection: "selection",
    TerminalRow: "terminal row",
    TreeRow: "tree row",
    ListRow: "list row",
    DraftRow: "draft row",
    CommandRow: "command row",
    CommandPlace: "command place",
    JournalLine: "journal line",
    Filter: "filter",
    FeedEntry: "feed entry",
    ExplainedLine: "explained line",
    Boarding: "boarding",
    Alighting: "alighting",
    Leg: "leg",
    Package: "package",
    Counted: "counted",
    Rating: "rating",
    Tally: "tally",
    Bought: "bought",
    Charged: "charged",
    Credit: "credit",
    ChipFinding: "chip finding",
}


class Block(NamedTuple):
    """A fenced block: the two parts of its mark, and what stands in it."""

    language: str
    label: str
    body: str


def blocks(*languages: str) -> list[Block]:
    """Return the blocks marked with one of these languages, in order."""
    found = [Block(*match) for match in _BLOCK.findall(TEXT)]
    return [block for block in found if block.language in languages]


def table(first_column: str, text: str = TEXT) -> list[Row]:
    """Return the rows of all tables whose first column has this heading."""
    rows: list[Row] = []
    heading = ""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            heading = ""
        elif not heading:
            heading = cells[0]
        elif heading == first_column and not cells[0].startswith("---"):
            rows.append(cells)
    return rows


def heading(first_column: str) -> Row:
    """Return the headings of the first table whose first column has this one."""
    rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in TEXT.splitlines())
    return next(row for row in rows if row[0] == first_column)


def names(first_column: str) -> list[str]:
    """Return what stands between backticks in the first column of such tables."""
    return [name for row in table(first_column) for name in re.findall(r"`(\w[\w.]*)`", row[0])]


def sections() -> dict[tuple[str, str], list[Row]]:
    """Return the tables of fields by kind and name of what they describe."""
    found = {}
    for match in _HEADING.finditer(TEXT):
        rest = TEXT[match.end() :]
        body = re.split(r"^##", rest, maxsplit=1, flags=re.MULTILINE)[0]
        assert match.groups() not in found, f"{match.group()} stands twice"
        rows = table("field", body)
        found[match[1], match[2]] = [[row[0], _in_order(row[1]), row[2]] for row in rows]
    return found


def _in_order(kind: str) -> str:
    """Return a choice of texts in the order of the alphabet: msgspec keeps no other."""
    return " or ".join(sorted(kind.split(" or "))) if kind.startswith('"') else kind


def rows_of(struct: StructType) -> list[Row]:
    """Return the rows that describe the fields of a struct: name, type, default."""
    return [[field.name, wire_type(field.type), _default(field)] for field in struct.fields]


def wire_type(kind: Type) -> str:
    """Return how a type reads in the document."""
    match kind:
        case VarTupleType():
            counted = _sized("list", kind.min_length, kind.max_length)
            return f"{counted} of {wire_type(kind.item_type)}"
        case TupleType():
            return f"[{', '.join(wire_type(item) for item in kind.item_types)}]"
        case StructType():
            return RECORDS[kind.cls]
        case UnionType():
            members = frozenset(part.cls for part in kind.types if isinstance(part, StructType))
            return _UNIONS.get(members) or " or ".join(wire_type(part) for part in kind.types)
        case _:
            return _plain_type(kind)


def _plain_type(kind: Type) -> str:
    match kind:
        case IntType():
            return "int" if kind.ge is None else f"int {kind.ge}..{kind.le}"
        case StrType():
            return _sized("text", kind.min_length, kind.max_length)
        case BytesType():
            return _sized("bytes", kind.min_length, kind.max_length)
        case LiteralType(values=values) if set(values) == set(get_args(IntentName)):
            return "intent name"
        case LiteralType(values=values) if set(values) == set(get_args(Service)):
            return "service"
        case LiteralType():
            return _in_order(" or ".join(f'"{value}"' for value in kind.values))
        case EnumType():
            return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind.cls.__name__).lower()
        case BoolType():
            return "bool"
        case _:
            assert isinstance(kind, NoneType), f"{kind} is not on the wire"
            return "nil"


def _sized(name: str, low: int | None, high: int | None) -> str:
    if high is None:
        return name
    return f"{name} {low}" if low == high else f"{name} {low or ''}..{high}"


def _default(field: Field) -> str:
    if field.default is NODEFAULT:
        return ""
    if isinstance(field.default, Struct):
        # All of its fields have a default: none need be sent.
        return "[]"
    return "nil" if field.default is None else json.dumps(field.default)
