"""Seeded mutation: valid bytes in, bytes that are almost valid out.

Every draw comes from the `random.Random` that is passed in, so a seed replays a failure.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

Change: TypeAlias = Callable[[random.Random, bytes, Sequence[bytes]], bytes]

NASTY: Final = (
    *(b"\x00", b"\x7f", b"\x80", b"\xff", b"\xff\xff\xff\xff", b"\x80\x00\x00\x00\x00\x00\x00\x00"),
    # Lengths that claim more than follows, deep nests, and what no message has.
    *(b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff"),
    *(b"\xc6\xff\xff\xff\xff", b"\x91" * 200, b"\x81" * 200, b"\xc1", b"\xc7\x00\x00"),
    *(b"\xd4\x00\x00", b"\xca\x7f\xc0\x00\x00", b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"),
    *(b"\xc0", b"\xc3", b"\xed\xa0\x80", b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
)
"""Bytes that mean trouble to a reader of MessagePack, of frames or of UTF-8."""

SIZE_MAX: Final = 20_000
"""Mutations of mutations grow; what is longer is cut."""


def mutate(rng: random.Random, data: bytes, corpus: Sequence[bytes]) -> bytes:
    """Return `data` after one to six changes."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        data = rng.choice(_CHANGES)(rng, data, corpus)[:SIZE_MAX]
    return data


def cut(rng: random.Random, data: bytes) -> list[bytes]:
    """Return data in pieces, as a network may hand it over."""
    pieces = []
    while data:
        size = rng.choice((len(data), len(data), 1, 2, rng.randint(1, 5000)))
        pieces.append(data[:size])
        data = data[size:]
        if len(pieces) > 50:
            pieces.append(data)
            break
    return pieces


def _flip(rng: random.Random, data: bytes, _corpus: Sequence[bytes]) -> bytes:
    if not data:
        return data
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def _set(rng: random.Random, data: bytes, _corpus: Sequence[bytes]) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + rng.randbytes(1) + data[at + 1 :]


def _remove(rng: random.Random, data: bytes, _corpus: Sequence[bytes]) -> bytes:
    start, stop = sorted((rng.randint(0, len(data)), rng.randint(0, len(data))))
    return data[:start] + data[min(stop, start + 8) :]


def _truncate(rng: random.Random, data: bytes, _corpus: Sequence[bytes]) -> bytes:
    return data[: rng.randint(0, len(data))]


def _insert(rng: random.Random, data: bytes, _corpus: Sequence[bytes]) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + rng.choice(NASTY) + data[at:]


def _overwrite(rng: random.Random, data: bytes, _corpus: Sequence[bytes]) -> bytes:
    at = rng.randint(0, len(data))
    nasty = rng.choice(NASTY)
    return data[:at] + nasty + data[at + len(nasty) :]


def _repeat(rng: random.Random, data: bytes, _corpus: Sequence[bytes]) -> bytes:
    start, stop = sorted((rng.randint(0, len(data)), rng.randint(0, len(data))))
    return data[:stop] + data[start:stop] * rng.choice((1, 2, 50)) + data[stop:]


def _splice(rng: random.Random, data: bytes, corpus: Sequence[bytes]) -> bytes:
    other = rng.choice(corpus)
    return data[: rng.randint(0, len(data))] + other[rng.randint(0, len(other)) :]


_CHANGES: Final[tuple[Change, ...]] = (
    *(_flip, _set, _remove, _truncate),
    *(_insert, _overwrite, _repeat, _splice),
)
