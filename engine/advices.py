"""What an advice tells that a chip did."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

from engine.transaction import Group, Intent, Purchase, Tap, TopUp, Withdrawal

OnCard: TypeAlias = Tap | Purchase | TopUp | Withdrawal
"""What can carry a proof."""

ON_CARDS: Final = (Tap, Purchase, TopUp, Withdrawal)


class Placed(NamedTuple):
    """A movement on a card, and what stands before its fields: `parts[1].`, or nothing."""

    path: str
    part: OnCard


def on_cards(intent: Intent) -> list[Placed]:
    """Return the movements of an intent that can carry a proof, in their order."""
    if isinstance(intent, Group):
        return [
            Placed(f"parts[{number}].", part)
            for number, part in enumerate(intent.parts)
            if isinstance(part, ON_CARDS)
        ]
    return [Placed("", intent)] if isinstance(intent, ON_CARDS) else []


def change_rp(part: OnCard) -> int:
    """Return what a movement changes the value on a chip by, in rupiah; below zero: less."""
    if not isinstance(part, TopUp):
        return -part.amount_rp
    # What a bank has taken is not on the chip yet.
    return 0 if part.leg == "bank" else part.amount_rp


def told_change_rp(intent: Intent) -> int:
    """Return what an intent tells that the value on a chip was changed by; 0 without a proof."""
    parts = [placed.part for placed in on_cards(intent)]
    if all(part.proof is None for part in parts):
        return 0
    return sum(map(change_rp, parts))
