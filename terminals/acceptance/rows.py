"""What a terminal writes down, a row each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal, TypeAlias, cast

import msgpack
from msgspec import Meta, Struct

from terminals.intents import Intent

Field: TypeAlias = str | int | bytes | bool | None
_PROOF_AT: Final[dict[str, int]] = {"tap": 8, "purchase": 6, "top_up": 7}
"""Where the proof stands in an intent that has one."""


def packed(fields: Sequence[Field]) -> bytes:
    """Return an intent as rows have it: packed, as it goes onto the wire."""
    return cast("bytes", msgpack.packb(list(fields)))


def with_proof(intent: bytes, proof: bytes) -> bytes:
    """Return a packed intent with its proof."""
    fields = cast("list[Field]", msgpack.unpackb(intent))
    name = fields[0]
    assert isinstance(name, str), "an intent begins with its name"
    fields[_PROOF_AT[name]] = proof
    return packed(fields)


class Stamp(Struct, frozen=True, array_like=True):
    """When something happened, as far as the terminal knows.

    Attributes:
      own_ms: by the terminal's own clock, which may be wrong.
      node_ms: by the node's clock; -1: that was not known.
      run: of the terminal's program, counted from 1.
      steady_ms: by a clock that nobody sets, within that run.
    """

    own_ms: int
    node_ms: int
    run: int
    steady_ms: int


class Attempt(Struct, frozen=True, array_like=True, kw_only=True):
    """A change of a card that has been prepared, and may have been made.

    Attributes:
      sequence: of the terminal, which the record on the card carries.
      number: of the card, as it says.
      change_rp: of its value.
      before, record: the newest record before, and the one that was to be written.
      packed: the intent that tells the node, its proof left open.
      pays: the counter of the bank's leg, of a top-up that this brings to the card; else 0.
      lost: whether the card has been used so often since that it can tell no more.
    """

    sequence: int
    stamp: Stamp
    uid: bytes
    number: str
    key_version: int
    change_rp: int
    value_rp: int
    before: bytes
    record: bytes
    sealed_reader: bytes
    packed: bytes
    pays: int = 0
    lost: bool = False


class Tap(Struct, frozen=True, array_like=True, kw_only=True):
    """What the node is told of.

    Attributes:
      counter: the terminal's, by which the node knows it.
      stamp: when it happened.
      at_ms: the time that the node is told; -1 until it is first sent, and never changed then.
      change_rp: of the card's value.
      packed: the intent.
      result: of the node; empty while it has not answered.
      sequence: of the attempt; 0 where no card was touched.
    """

    counter: Annotated[int, Meta(ge=1)]
    stamp: Stamp
    at_ms: int
    change_rp: int
    packed: bytes
    result: str = ""
    sequence: int = 0

    @property
    def intent(self) -> Intent:
        """As it goes to the node."""
        return cast("list[Field]", msgpack.unpackb(self.packed))


class Owed(Struct, frozen=True, array_like=True):
    """Money that a bank has taken, or was asked for, and that is not on its card yet.

    Attributes:
      counter: of the bank's leg.
      number: of the card.
    """

    counter: int
    number: str
    amount_rp: int
    stamp: Stamp


class Shift(Struct, frozen=True, array_like=True, kw_only=True):
    """What was done between two closings.

    Attributes:
      first, last: counters; of an empty shift the last is one below the first.
      taken_rp, added_rp: on chips.
      closed_ms: -1 while it is open.
      certified_ms: when the node has told what it has of it; -1: not yet.
      complete: whether that was all of it.
    """

    number: int
    opened_ms: int
    first: int
    last: int
    count: int = 0
    taken_rp: int = 0
    added_rp: int = 0
    closed_ms: int = -1
    certified_ms: int = -1
    complete: bool = False

    @property
    def state(self) -> Literal["open", "waiting", "complete", "incomplete"]:
        """How far it is: open, waiting for the node, or certified."""
        if self.closed_ms < 0:
            return "open"
        if self.certified_ms < 0:
            return "waiting"
        return "complete" if self.complete else "incomplete"
