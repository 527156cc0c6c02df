"""What chips have proved: what was found of a proof, and which counts of a chip were taken.

Whether a proof is genuine is found out before a decision, with keys that are not here; a decision
is handed the finding. A chip counts its commits, so each of its counts is good for one advice.
Advices come late and out of order: counts are a set, with gaps that may still be closed.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from msgspec import Struct

from engine.errors import Reason
from engine.limits import GAPS_PER_CHIP_MAX
from engine.seen import Seen

Finding: TypeAlias = Literal["forged", "genuine", "misdated", "unknown_key", "unreadable"]

BELIEVED: Final[frozenset[Finding]] = frozenset({"genuine", "misdated"})

UNPROVED: Final = frozenset(
    {
        Reason.CHIP_MISMATCH,
        Reason.PROOF_FORGED,
        Reason.PROOF_REPEATED,
        Reason.PROOF_UNREADABLE,
    }
)
"""What is filed of an advice whose money is in suspense: no chip has proved it."""


class ChipFinding(Struct, frozen=True, array_like=True, gc=False):
    """What a node found of the proof of an advice, and what came of it.

    Attributes:
      finding: genuine; or misdated, which is genuine but for the time that the chip was told; or
        forged, where the MAC is not the chip's or the advice says something else; or unreadable,
        or made with a key that the node does not have.
      uid, counter: of the chip, and its count of commits, as the proof says; empty and 0 where
        it cannot be read.
      field: where the proof stands, or the field that differs from it.
      blocks: whether the card is blocked because of it.
    """

    finding: Finding
    uid: bytes
    counter: int
    field: str = "proof"
    blocks: bool = False


class CardChip(Struct, frozen=True, array_like=True, gc=False):
    """What a card knows of its chip.

    Attributes:
      uid: of the only chip that its advices may come from; empty: of any.
      day: of Jakarta, on which the last advice came that no chip has proved.
      unproved: how many came on that day.
    """

    uid: bytes = b""
    day: int = 0
    unproved: int = 0

    def unproved_on(self, day: int) -> int:
        """Return how many advices of a day no chip has proved."""
        return self.unproved if self.day == day else 0


class ChipCounts(Struct, frozen=True, array_like=True, gc=False):
    """The counts of one chip that were taken, and the card that it is bound to (empty: none)."""

    card: str = ""
    seen: Seen = Seen()

    def with_count(self, counter: int) -> ChipCounts:
        """Return the state after a count that was not taken before.

        Where that makes a gap too many, the oldest one is closed: what comes for it later counts
        as repeated, for the other way round a proof could be taken twice.
        """
        seen = self.seen.with_counter(counter)
        if len(seen.gaps) > GAPS_PER_CHIP_MAX:
            seen = Seen(seen.high, seen.gaps[1:])
        return ChipCounts(self.card, seen)
