"""The published vectors of chip cryptography, by their kind."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from tests.reference import reference

Value: TypeAlias = str | int | list[str | dict[str, str]] | None


class Vector(msgspec.Struct, frozen=True):
    """One published example: what goes in, and what is to come out; texts are hexadecimal."""

    id: str
    kind: str
    verified: bool
    inputs: dict[str, Value]
    expected: dict[str, Value]

    def given(self, name: str) -> bytes:
        return hexed(self.inputs[name])

    def due(self, name: str) -> bytes:
        return hexed(self.expected[name])

    def count(self, name: str) -> int:
        value = self.inputs[name]
        assert isinstance(value, int)
        return value


class _File(msgspec.Struct):
    vectors: list[Vector]


def hexed(value: Value) -> bytes:
    assert isinstance(value, str)
    return bytes.fromhex(value)


def vectors(kind: str, count: int) -> list[Vector]:
    """Return all vectors of a kind; they are `count`, so that no test passes for want of them."""
    text = reference("desfire_ev2.json", "vectors").read_bytes()
    published = msgspec.json.decode(text, type=_File).vectors
    found = [vector for vector in published if vector.kind == kind]
    assert len(found) == count
    return found
