"""What a node says of chips, their proofs and shifts, as values; see `messages`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class ChipFinding(NamedTuple):
    """What the node found of the proof of an advice; the fields are those of docs/protocol.md."""

    finding: str
    uid: bytes
    counter: int
    field: str = "proof"
    blocks: bool = False


class ChipFound(NamedTuple):
    """The counts of a chip that were taken, and those that are missing below the highest."""

    uid: bytes
    card: str
    counter: int
    missing: int
    gaps: tuple[tuple[int, int], ...]
    position: int


@dataclass(frozen=True, slots=True)
class ShiftFound:
    """What the node has of a shift; `complete`: all of it, and with the sums that were told."""

    complete: bool
    count: int
    taken_rp: int
    added_rp: int
    unproved: int
    missing: int
    gaps: tuple[tuple[int, int], ...]
