"""What can go wrong with a chip, named for what is wrong.

ChipError
├── Malformed      bytes, or a value, that cannot be what they are taken for
├── CardRefused    the chip answered with a status that is an error
├── NotAuthentic   a MAC or a challenge does not fit: a wrong key, or somebody in between
└── SessionOver    the session cannot go on; only a new authentication helps
"""

from __future__ import annotations


class ChipError(Exception):
    """The root of all that goes wrong with a chip."""


class Malformed(ChipError):
    """Bytes, or a value, that cannot be what they are taken for."""


class CardRefused(ChipError):
    """The chip answered with a status word that is an error."""

    def __init__(self, status: int, meaning: str) -> None:
        super().__init__(f"the card answers {status:04X}: {meaning}")
        self.status = status


class NotAuthentic(ChipError):
    """A MAC or a challenge does not fit: a wrong key, or somebody in between."""


class SessionOver(ChipError):
    """The session cannot go on; only a new authentication helps."""


def exactly(name: str, value: bytes, length: int) -> bytes:
    """Return `value`.

    Raises:
      Malformed: it is not `length` bytes long. The bytes are not told: they may be a key.
    """
    if len(value) != length:
        raise Malformed(f"{name} has {len(value)} bytes, not {length}")
    return value


def number(name: str, value: int, length: int, *, signed: bool = False) -> bytes:
    """Return `value` in `length` bytes, the least first, as the chip counts.

    Raises:
      Malformed: it has no room there.
    """
    try:
        return value.to_bytes(length, "little", signed=signed)
    except OverflowError:
        raise Malformed(f"{name} is {value}, which does not fit {length} bytes") from None
