"""Messages made from their types: what the types allow, and what they almost allow.

`maker_of` reads a type as `msgspec` sees it and returns a function that draws values of it, as
plain lists, numbers, texts and bytes. A kind of message that is added to the protocol is covered
without anybody thinking of it; a kind of type that nobody has thought of fails the tests.

Every draw comes from the `random.Random` that is passed in, so a seed replays a failure.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, TypeAlias

import msgpack
from msgspec import NODEFAULT, inspect

Maker: TypeAlias = Callable[[random.Random], Any]

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**64 - 1
"""What MessagePack can hold, where a type says nothing."""

LONG_MAX: Final = 3
"""Items of a list, nearly always: some lists may have five hundred."""
LONG_ONCE_IN: Final = 200

WORDS: Final = ("C", "D", "GATE-01", "T", "kjp", "dki", "transjakarta", "o", "P00142", "*", "a/b")
LETTERS: Final = "aZ0/* \x00\x7f\u00e9\u20ac\U0001f68c\u202e\ufffe"


def maker_of(kind: inspect.Type) -> Maker:
    """Return a function that draws what a type allows, its bounds more often than the rest.

    Raises:
      TypeError: nobody has said yet how such a type is drawn.
    """
    match kind:
        case inspect.Metadata(type=inner):
            return maker_of(inner)
        case inspect.StructType():
            return _struct(kind)
        case inspect.UnionType(types=types):
            return partial(_one_of, [maker_of(each) for each in types])
        case inspect.VarTupleType() | inspect.ListType():
            return _list(kind)
        case inspect.TupleType(item_types=types):
            return partial(_each_of, [maker_of(each) for each in types])
        case _:
            return _leaf(kind)


def _leaf(kind: inspect.Type) -> Maker:
    match kind:
        case inspect.IntType():
            return _integer(kind)
        case inspect.StrType():
            return partial(_text, kind.min_length or 0, kind.max_length)
        case inspect.BytesType():
            return partial(_bytes, kind.min_length or 0, kind.max_length)
        case inspect.BoolType():
            return partial(_choice, (False, True))
        case inspect.NoneType():
            return partial(_choice, (None,))
        case inspect.LiteralType(values=values):
            return partial(_choice, tuple(values))
        case inspect.EnumType(cls=cls):
            return partial(_choice, tuple(member.value for member in cls))
        case _:
            raise TypeError(f"how is {kind} drawn?")


def _choice(values: tuple[object, ...], rng: random.Random) -> object:
    return values[0] if len(values) == 1 else rng.choice(values)


def _one_of(makers: list[Maker], rng: random.Random) -> object:
    return rng.choice(makers)(rng)


def _each_of(makers: list[Maker], rng: random.Random) -> object:
    return [make(rng) for make in makers]


def _struct(kind: inspect.StructType) -> Maker:
    assert kind.array_like, "messages are arrays"
    head = [] if kind.tag is None else [kind.tag]
    makers = [maker_of(field.type) for field in kind.fields]
    required = sum(
        field.default is NODEFAULT and field.default_factory is NODEFAULT for field in kind.fields
    )

    def make(rng: random.Random) -> object:
        # Fields at the end that have a default may be left out.
        count = len(makers) if rng.random() < 0.6 else rng.randint(required, len(makers))
        return [*head, *[maker(rng) for maker in makers[:count]]]

    return make


def _list(kind: inspect.VarTupleType | inspect.ListType) -> Maker:
    item = maker_of(kind.item_type)
    least, most = kind.min_length or 0, kind.max_length or 1_000

    def make(rng: random.Random) -> object:
        if rng.randrange(LONG_ONCE_IN) == 0:
            count = rng.choice((least, most))
        else:
            count = rng.randint(least, min(most, least + LONG_MAX))
        if count <= LONG_MAX + least:
            return [item(rng) for _ in range(count)]
        # Drawing hundreds one by one takes long and shows no more than a few of them.
        few = [item(rng) for _ in range(LONG_MAX)]
        return [few[number % LONG_MAX] for number in range(count)]

    return make


def _integer(kind: inspect.IntType) -> Maker:
    least, most = _bounds(kind)
    edges = sorted({least, most, *(n for n in (0, 1, 1_000, 2**31, 2**53) if least <= n <= most)})

    def make(rng: random.Random) -> object:
        if rng.random() < 0.5:
            return rng.choice(edges)
        return rng.randint(least, min(most, least + 1_000))

    return make


def _bounds(kind: inspect.IntType) -> tuple[int, int]:
    least = kind.ge if kind.ge is not None else None if kind.gt is None else kind.gt + 1
    most = kind.le if kind.le is not None else None if kind.lt is None else kind.lt - 1
    return INT_MIN if least is None else int(least), INT_MAX if most is None else int(most)


def _text(least: int, most: int | None, rng: random.Random) -> object:
    most = 300 if most is None else most
    if rng.random() < 0.8:
        word = rng.choice(WORDS)
        if least <= len(word) <= most:
            return word
    return "".join(rng.choices(LETTERS, k=rng.choice((least, most))))


def _bytes(least: int, most: int | None, rng: random.Random) -> object:
    return rng.randbytes(rng.choice((least, least if most is None else most)))


# --- what is almost allowed -------------------------------------------------------------------

WRONG: Final[tuple[object, ...]] = (
    *(None, True, False, -1, 0, 1, 2**53, 2**63, 2**64 - 1, -(2**63), 0.0, float("nan")),
    *("", "x", "x" * 65, "x" * 130, "\u20ac" * 64, "\x00", b"", b"x", bytes(33), bytes(65)),
    *([], [[]], [None], {}, {"a": 1}, {1: [2]}, ["tap"], ["hello", 1], [[[[[[[[[]]]]]]]]]),
    *(msgpack.ExtType(1, b"x"), msgpack.Timestamp(1, 2)),
)
"""Values that are wrong nearly everywhere."""


def spoilt(rng: random.Random, value: list[Any]) -> list[Any]:
    """Return a message with one thing changed, at any depth."""
    value = list(value)
    if not value:
        return [rng.choice(WRONG)]
    at = rng.randrange(len(value))
    if isinstance(value[at], list) and rng.random() < 0.75:
        value[at] = spoilt(rng, value[at])
        return value
    change = rng.randrange(5)
    if change == 0:
        del value[at]
    elif change == 1:
        value.insert(at, rng.choice(WRONG))
    elif change == 2:
        value.insert(at, value[at])
    elif change == 3:
        other = rng.randrange(len(value))
        value[at], value[other] = value[other], value[at]
    else:
        value[at] = rng.choice(WRONG)
    return value


def packed(value: object) -> bytes:
    """Return a value as MessagePack."""
    payload: bytes = msgpack.Packer().pack(value)
    return payload


def makers_of(types: Iterable[type]) -> dict[str, Maker]:
    """Return a maker for each struct, by its tag."""
    return {
        str(kind.tag): maker_of(kind)
        for kind in inspect.multi_type_info(types)
        if isinstance(kind, inspect.StructType)
    }
