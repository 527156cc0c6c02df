"""Readers of what a node sends: they turn what msgpack has unpacked into records, or refuse it.

A reader takes a value of any kind and returns one of the right kind. Records are lenient in one
point: fields that a later version may have added at their end are passed over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NoReturn, TypeAlias, TypeVar

from terminals.errors import NodeMisbehaved

T = TypeVar("T")
Reader: TypeAlias = Callable[[object], T]

TEXT_LENGTH_MAX: Final = 1_000
"""Of any text from a node: a value of a list; whatever else v1 knows has 200 characters."""
INTEGER_MAX: Final = 2**53 - 1
"""Largest integer that every client language holds exactly."""


def fail(text: str) -> NoReturn:
    """Refuse a value.

    Raises:
      NodeMisbehaved: always.
    """
    raise NodeMisbehaved(text)


def integer(low: int = 0, high: int = INTEGER_MAX) -> Reader[int]:
    """Return a reader of integers between bounds, both included."""

    def read(value: object) -> int:
        # A bool is an int to Python, and is none on the wire.
        if type(value) is not int or not low <= value <= high:
            fail(f"expected an integer from {low} to {high}")
        return value

    return read


def text(value: object) -> str:
    """Read a text."""
    if not isinstance(value, str) or len(value) > TEXT_LENGTH_MAX:
        fail(f"expected a text of at most {TEXT_LENGTH_MAX} characters")
    return value


def word(*words: str) -> Reader[str]:
    """Return a reader of texts of which there are only a few."""
    known = frozenset(words)

    def read(value: object) -> str:
        if not isinstance(value, str) or value not in known:
            fail(f"expected one of {', '.join(sorted(known))}")
        return value

    return read


def flag(value: object) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        fail("expected true or false")
    return value


def data(low: int, high: int) -> Reader[bytes]:
    """Return a reader of bytes, of a length between bounds, both included."""

    def read(value: object) -> bytes:
        if not isinstance(value, bytes) or not low <= len(value) <= high:
            fail(f"expected {low} bytes" if low == high else f"expected {low} to {high} bytes")
        return value

    return read


def array(value: object) -> list[object]:
    """Read an array, whatever is in it."""
    if not isinstance(value, list):
        fail("expected an array")
    return value


def optional(read: Reader[T]) -> Reader[T | None]:
    """Return a reader of what may be nil."""
    return lambda value: None if value is None else read(value)


def many(read: Reader[T]) -> Reader[tuple[T, ...]]:
    """Return a reader of arrays of the same."""

    def read_all(value: object) -> tuple[T, ...]:
        return tuple(at(f"[{index}]", read, item) for index, item in enumerate(array(value)))

    return read_all


def record(make: Callable[..., T], *fields: tuple[str, Reader[object]]) -> Reader[T]:
    """Return a reader of arrays of fields; those whose name ends with `?` may be missing."""
    required = sum(name[-1] != "?" for name, _ in fields)

    def read(value: object) -> T:
        values = array(value)
        if len(values) < required:
            fail(f"expected {required} fields or more")
        return make(
            *(
                at(f".{name.rstrip('?')}", reader, item)
                for (name, reader), item in zip(fields, values, strict=False)
            )
        )

    return read


def tagged(records: dict[str, Reader[object]]) -> Reader[object]:
    """Return a reader of arrays that begin with a name, and go on as that says."""

    def read(value: object) -> object:
        name, *fields = array(value) or [None]
        if not isinstance(name, str) or name not in records:
            fail("expected a message that is known")
        return at(name, records[name], fields)

    return read


def row(*fields: object) -> tuple[object, ...]:
    """Make a record without names of its fields."""
    return fields


def at(path: str, read: Reader[T], value: object) -> T:
    """Read a value, and say where it stands if it is refused."""
    try:
        return read(value)
    except NodeMisbehaved as error:
        said = str(error)
        raise NodeMisbehaved(path + said if said[0] in ".[" else f"{path}: {said}") from None


COUNT: Final = integer()
AMOUNT: Final = integer(-INTEGER_MAX)
POSITION: Final = integer(-1)
TEXTS: Final = many(text)
