"""Whether a message has the shape that the schema of the protocol gives it.

Values are those that MessagePack gives: lists, bytes, and so on. Only the words of JSON Schema that
the schema uses are known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from protocol.schema import schema

Fault: TypeAlias = str
"""Where a value is wrong, and what is: `[2][0]: 501, not 1..500`. Empty: it is right."""

SCHEMA: Final[dict[str, Any]] = schema()
_DEFS: Final[dict[str, Any]] = SCHEMA["$defs"]
INT64: Final = range(-(2**63), 2**64)
"""What a format of MessagePack can hold."""


def fault(value: object, definition: str) -> Fault:
    """Return what is wrong with a value that ought to be of a definition (`message.hello`)."""
    return _fault(value, _DEFS[definition])


def fields_of(definition: str) -> list[str]:
    """Return the names of the fields of a definition, in order."""
    return [item["title"] for item in _DEFS[definition]["prefixItems"] if "title" in item]


def _fault(value: object, wanted: dict[str, Any]) -> Fault:
    wanted = _resolved(wanted)
    if "anyOf" in wanted:
        return _of_none(value, wanted["anyOf"])
    if "const" in wanted:
        return "" if value == wanted["const"] else f": {value!r} is not {wanted['const']!r}"
    if "enum" in wanted:
        found = isinstance(value, str) and value in wanted["enum"]
        return "" if found else f": {value!r} is none of {wanted['enum']}"
    check = _bytes if "x-bytes" in wanted else _CHECKS[wanted["type"]]
    return check(value, wanted)


def _of_none(value: object, choices: list[dict[str, Any]]) -> Fault:
    named = {_name_of(choice): choice for choice in choices}
    name = value[0] if isinstance(value, list) and value else None
    if isinstance(name, str) and name in named:
        return _fault(value, named[name])
    if "" in [_fault(value, choice) for choice in choices]:
        return ""
    return f": {value!r} is none of what may stand here"


def _name_of(choice: dict[str, Any]) -> str:
    """Return the name that arrays of a choice begin with, if they do."""
    resolved = _resolved(choice)
    first: dict[str, Any] = next(iter(resolved.get("prefixItems", [])), {})
    return str(first.get("const", ""))


def _resolved(wanted: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in wanted:
        return wanted
    found: dict[str, Any] = _DEFS[wanted["$ref"].removeprefix("#/$defs/")]
    return found


def _array(value: object, wanted: dict[str, Any]) -> Fault:
    if not isinstance(value, list | tuple):
        return f": {value!r} is no array"
    first: list[dict[str, Any]] = wanted.get("prefixItems", [])
    rest: dict[str, Any] | bool = wanted.get("items", True)
    for number, item in enumerate(value):
        if number < len(first):
            found = _fault(item, first[number])
        elif isinstance(rest, bool):
            found = "" if rest else ": one element too many"
        else:
            found = _fault(item, rest)
        if found:
            return f"[{number}]{found}"
    return _bounded(len(value), wanted.get("minItems"), wanted.get("maxItems"), "elements")


def _string(value: object, wanted: dict[str, Any]) -> Fault:
    if not isinstance(value, str):
        return f": {value!r} is no text"
    return _bounded(len(value), wanted.get("minLength"), wanted.get("maxLength"), "characters")


def _bytes(value: object, wanted: dict[str, Any]) -> Fault:
    if not isinstance(value, bytes):
        return f": {value!r} is no bytes"
    low, high = wanted["x-bytes"]
    return _bounded(len(value), low, high, "bytes")


def _integer(value: object, wanted: dict[str, Any]) -> Fault:
    if not isinstance(value, int) or isinstance(value, bool) or value not in INT64:
        return f": {value!r} is no integer"
    return _bounded(value, wanted.get("minimum"), wanted.get("maximum"), "")


def _boolean(value: object, _wanted: dict[str, Any]) -> Fault:
    return "" if isinstance(value, bool) else f": {value!r} is neither true nor false"


def _null(value: object, _wanted: dict[str, Any]) -> Fault:
    return "" if value is None else f": {value!r} is not nil"


def _bounded(found: int, low: int | None, high: int | None, unit: str) -> Fault:
    below = low is not None and found < low
    if not below and (high is None or found <= high):
        return ""
    bounds = f"{'' if low is None else low}..{'' if high is None else high}"
    return f": {found} {unit}".rstrip() + f", not {bounds}"


_CHECKS: Final[dict[str, Callable[[object, dict[str, Any]], Fault]]] = {
    "array": _array,
    "string": _string,
    "integer": _integer,
    "boolean": _boolean,
    "null": _null,
}
