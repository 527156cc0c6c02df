"""The contract as data: JSON Schema (2020-12) of every message, made from the types of the wire.

Messages are MessagePack arrays, so each is an array schema: `prefixItems` are its fields in order,
`title` their names, `minItems` counts those without a default. What JSON has no word for stands in
extensions: bytes are hex digits with their bounds in `x-bytes`, and at the top stand directions,
codes, limits and roles. msgspec has a schema of its own, but that forgets the names of the fields.

What a terminal sends ends with `items: false`: a node is strict. What a node sends may have more
elements at the end: a later version may add some.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Final, TypeAlias, get_args

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
    multi_type_info,
)

from engine import limits as engine_limits
from engine.accounts import AccountKind
from engine.errors import Reason
from engine.fleet.commands import CommandBody
from engine.transaction import Intent, Part
from protocol import limits
from protocol.errors import CLOSE_CODES, COME_BACK, BusyReason, OrderCode, QueryCode
from protocol.messages import (
    CAPABILITIES,
    SUBPROTOCOL,
    VERSION,
    Action,
    AnswerBody,
    FromNode,
    FromTerminal,
    Question,
    Ready,
)
from protocol.rights import RIGHTS

Json: TypeAlias = bool | int | str | Sequence["Json"] | Mapping[str, "Json"] | None
Schema: TypeAlias = dict[str, Json]

FAMILIES: Final = (
    ("message", FromTerminal),
    ("message", FromNode),
    ("intent", Intent),
    ("part", Part),
    ("question", Question),
    ("answer", AnswerBody),
    ("command", CommandBody),
    ("action", Action),
)
"""Unions of structs that begin with their names, and what such a struct is called."""

_OF_UNION: Final = {
    frozenset(get_args(union)): family for family, union in FAMILIES if family != "message"
}
# A part of a group is an intent as well; and it is described as one.
_OF_MEMBER: Final = {
    member: "intent" if family == "part" else family
    for family, union in FAMILIES
    for member in get_args(union)
}
COLUMNS: Final = 100
_HEX: Final = "[0-9a-f]{2}"


def schema() -> Schema:
    """Return the contract: valid JSON Schema, with extensions that begin with `x-`."""
    found: dict[str, Schema] = {}
    for direction, union in (("from_terminal", FromTerminal), ("from_node", FromNode)):
        names = [_define(each, found, direction) for each in multi_type_info(get_args(union))]
        found[direction] = {"anyOf": [_ref(name) for name in names]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:{SUBPROTOCOL}",
        "title": "The terminal protocol of Jakarta One",
        "description": "Each instance is one message, with bytes as hex digits.",
        "anyOf": [_ref("from_terminal"), _ref("from_node")],
        "x-subprotocol": SUBPROTOCOL,
        "x-version": VERSION,
        "x-capabilities": list(CAPABILITIES),
        "x-codes": {
            code: {"close": number, "come_back": COME_BACK[code]}
            for code, number in CLOSE_CODES.items()
        },
        "x-failed": [*QueryCode],
        "x-order": [*OrderCode],
        "x-busy": [*BusyReason, Reason.CARD_QUARANTINED],
        "x-reasons": [reason for reason in Reason if reason],
        "x-accounts": {kind.name.lower(): kind.value for kind in AccountKind},
        "x-limits": dict(limits_told()),
        "x-told-by-ready": [name for name, _ in _numbers(limits) if name in _names(Ready)],
        "x-rights": dict(sorted(_rights().items())),
        "$defs": dict(sorted(found.items())),
    }


def rendered(value: Json, indent: str = "") -> str:
    """Return JSON for people: what fits into a line stands in one."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) < COLUMNS or not isinstance(value, dict | list):
        return line
    deeper = indent + "  "
    if isinstance(value, dict):
        items = [f"{json.dumps(key)}: {rendered(each, deeper)}" for key, each in value.items()]
        start, end = "{", "}"
    else:
        items = [rendered(each, deeper) for each in value]
        start, end = "[", "]"
    return start + ",".join(f"\n{deeper}{item}" for item in items) + f"\n{indent}{end}"


def limits_told() -> Iterator[tuple[str, int]]:
    """Yield name and value of each bound that a sender may meet."""
    yield from _numbers(limits)
    for name, value in _numbers(engine_limits):
        # Found by a search of the ledger, not by a sender.
        if name != "replacements_followed_max":
            yield name, value


def _numbers(module: ModuleType) -> Iterator[tuple[str, int]]:
    for name, value in vars(module).items():
        if isinstance(value, int):
            yield name.lower(), value


def _names(struct: type[Struct]) -> Sequence[str]:
    return struct.__struct_fields__


def _rights() -> Schema:
    """Return what each role may do with each message, intent, question and order."""
    return {
        f"{_OF_MEMBER[kind]}.{kind.__struct_config__.tag}": {
            role: str(right) for role, right in row._asdict().items()
        }
        for kind, row in RIGHTS.items()
    }


def _define(kind: Type, found: dict[str, Schema], direction: str) -> str:
    """Describe a struct and all that it is made of; return its name in `$defs`."""
    assert isinstance(kind, StructType)
    name = _name(kind)
    if name in found:
        return name
    strict = direction == "from_terminal"
    described = found[name] = {"title": name.partition(".")[2]}
    described["description"] = (kind.cls.__doc__ or "").partition("\n")[0]
    if name.startswith("message."):
        described["x-direction"] = direction
    tag: list[Schema] = [] if kind.tag is None else [{"const": str(kind.tag)}]
    described["type"] = "array"
    described["prefixItems"] = tag + [_field(field, found, direction) for field in kind.fields]
    described["minItems"] = len(tag) + sum(field.required for field in kind.fields)
    if strict:
        described["items"] = False
    return name


def _name(kind: StructType) -> str:
    family = _OF_MEMBER.get(kind.cls)
    if family is not None:
        return f"{family}.{kind.tag}"
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.cls.__name__).lower()
    return f"record.{words}"


def _field(field: Field, found: dict[str, Schema], direction: str) -> Schema:
    described: Schema = {"title": field.name, **_type(field.type, found, direction)}
    if field.default is not NODEFAULT:
        described["default"] = _plain(field.default)
    return described


def _plain(value: object) -> Json:
    """Return a default as JSON has it."""
    if isinstance(value, Struct):
        # All fields of it have a default, so none of them need be sent.
        return []
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    assert value is None or isinstance(value, bool | int | str), f"{value!r} is no default"
    return value


def _type(kind: Type, found: dict[str, Schema], direction: str) -> Schema:
    match kind:
        case StructType():
            return _ref(_define(kind, found, direction))
        case VarTupleType():
            item = _type(kind.item_type, found, direction)
            return {"type": "array", "items": item, **_bounds("Items", kind)}
        case TupleType():
            items = [_type(item, found, direction) for item in kind.item_types]
            return {"type": "array", "prefixItems": items, "minItems": len(items), "items": False}
        case UnionType():
            return _union(kind, found, direction)
        case _:
            return _plain_type(kind)


def _union(kind: UnionType, found: dict[str, Schema], direction: str) -> Schema:
    choices = [_type(part, found, direction) for part in kind.types]
    members = frozenset(part.cls for part in kind.types if isinstance(part, StructType))
    if members not in _OF_UNION:
        return {"anyOf": choices}
    family = _OF_UNION[members]
    found[family] = {"anyOf": choices}
    return _ref(family)


def _plain_type(kind: Type) -> Schema:
    match kind:
        case IntType():
            bounds: Schema = {} if kind.ge is None else {"minimum": kind.ge, "maximum": kind.le}
            return {"type": "integer", **bounds}
        case StrType():
            return {"type": "string", **_bounds("Length", kind)}
        case BytesType():
            return _bytes(kind.min_length or 0, kind.max_length)
        case LiteralType():
            return {"enum": sorted(str(value) for value in kind.values)}
        case EnumType():
            return {"enum": sorted(str(value) for value in kind.cls)}
        case BoolType():
            return {"type": "boolean"}
        case _:
            assert isinstance(kind, NoneType), f"{kind} is not on the wire"
            return {"type": "null"}


def _bounds(unit: str, kind: VarTupleType | StrType) -> Schema:
    bounds: Iterable[tuple[str, int | None]] = (
        (f"min{unit}", kind.min_length),
        (f"max{unit}", kind.max_length),
    )
    return {name: bound for name, bound in bounds if bound is not None}


def _bytes(low: int, high: int | None) -> Schema:
    times = f"{{{low}}}" if low == high else f"{{{low},{'' if high is None else high}}}"
    return {"type": "string", "pattern": f"^({_HEX}){times}$", "x-bytes": [low, high]}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}
