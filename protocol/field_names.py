"""Names of fields: from the place where decoding stopped to `submit.transactions[0].counter`.

Decoding is done in C and tells a place by its indexes. Their names depend on the kinds of message
and intent met on the way, which stand in the payload. Only a rejected payload comes here.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from itertools import takewhile
from typing import Final, TypeAlias

from msgspec.inspect import StructType, TupleType, Type, UnionType, VarTupleType, type_info

from protocol.limits import NESTING_MAX
from protocol.messages import FromTerminal

Path: TypeAlias = tuple[int, ...]
"""Indexes from the whole message inwards."""

_MESSAGES: Final = type_info(FromTerminal)


class _Kind(Enum):
    ARRAY = auto()
    TEXT = auto()
    OTHER = auto()


# MessagePack formats by first byte: the kind of value, how many bytes of its size follow, and the
# size where the first byte tells it. What stands in no message (maps, extensions) is left out.
_FORMATS: Final = (
    dict.fromkeys((*range(0x80), 0xC0, 0xC2, 0xC3, *range(0xE0, 0x100)), (_Kind.OTHER, 0, 0))
    | {0x90 + size: (_Kind.ARRAY, 0, size) for size in range(16)}
    | {0xA0 + size: (_Kind.TEXT, 0, size) for size in range(32)}
    | {0xC4 + power: (_Kind.OTHER, 1 << power, 0) for power in range(3)}
    | {0xCA: (_Kind.OTHER, 0, 4), 0xCB: (_Kind.OTHER, 0, 8)}
    | {0xCC + power: (_Kind.OTHER, 0, 1 << power) for power in range(4)}
    | {0xD0 + power: (_Kind.OTHER, 0, 1 << power) for power in range(4)}
    | {0xD9 + power: (_Kind.TEXT, 1 << power, 0) for power in range(3)}
    | {0xDC: (_Kind.ARRAY, 2, 0), 0xDD: (_Kind.ARRAY, 4, 0)}
)


def field_at(payload: bytes, path: Path) -> str:
    """Return the name of the field at a path, as far as the payload tells it."""
    tags = dict(takewhile(lambda found: found[0] <= (*path, 0), _texts(payload)))
    kind: Type = _MESSAGES
    if _member(kind, tags.get((0,))) is None:
        return ""
    name = tags[(0,)].decode()
    for depth, index in enumerate(path):
        member = _member(kind, tags.get((*path[:depth], 0)))
        if member is None:
            break
        step, kind = _step(member, index)
        name += step
    return name


def misspelt_field(payload: bytes) -> str:
    """Return the name of the first field whose text is not UTF-8."""
    misspelt = (path for path, text in _texts(payload) if not _is_utf8(text))
    return field_at(payload, next(misspelt, ()))


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _member(kind: Type, tag: bytes | None) -> Type | None:
    """Return the member of a union that a tag names, or what is no union as it is."""
    if not isinstance(kind, UnionType):
        return kind
    for member in kind.types:
        if isinstance(member, StructType) and str(member.tag).encode() == tag:
            return member
    return None


def _step(kind: Type, index: int) -> tuple[str, Type]:
    """Return what an index adds to a name, and the type of what stands there."""
    if isinstance(kind, VarTupleType):
        return f"[{index}]", kind.item_type
    if isinstance(kind, TupleType):
        return f"[{index}]", kind.item_types[index]
    assert isinstance(kind, StructType), "messages are made of structs and tuples"
    field = kind.fields[index if kind.tag is None else index - 1]
    return f".{field.name}", field.type


def _texts(payload: bytes) -> Iterator[tuple[Path, bytes]]:
    """Yield the path and the bytes of each text, in order, as far as the payload can be read.

    What stands behind the first value is no part of the message. Nothing of a size that a sender
    claims is set aside.
    """
    path: list[int] = []
    counts: list[int] = []
    at = 0
    while at < len(payload) and len(path) <= NESTING_MAX:
        found = _value(payload, at)
        if found is None:
            return
        kind, at, size = found
        if kind is _Kind.ARRAY and size:
            path.append(0)
            counts.append(size)
            continue
        if kind is _Kind.TEXT:
            yield tuple(path), payload[at : at + size]
        at += size
        while path and path[-1] + 1 == counts[-1]:
            path.pop()
            counts.pop()
        if not path:
            return
        path[-1] += 1


def _value(payload: bytes, at: int) -> tuple[_Kind, int, int] | None:
    """Return kind, start and size of the value whose first byte is at `at`.

    The size of an array is the number of its elements. None: no message has such a value.
    """
    found = _FORMATS.get(payload[at])
    if found is None:
        return None
    kind, width, size = found
    start = at + 1 + width
    return kind, start, int.from_bytes(payload[at + 1 : start]) if width else size
