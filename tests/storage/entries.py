"""Entries whose whole content follows from their position."""

from __future__ import annotations

from typing import Final

from engine.accounts import OPERATOR_REVENUE, PURSE
from engine.errors import Reason
from engine.transaction import Entry, Tap

START_MS: Final = 1_760_000_000_000


def entry_at(position: int) -> Entry:
    """Return the entry of a position; no two are alike."""
    card = f"6013{position * 7919 % 10**12:012d}"
    at_ms = START_MS + position
    return Entry(
        terminal=f"GATE-{position % 7}",
        counter=position // 7 + 1,
        at_ms=at_ms,
        intent=Tap(card, 3500, "transjakarta", "in", "P00142", proof=position.to_bytes(8)),
        decided_ms=at_ms,
        reason=Reason.NONE,
        rule="",
        detail="",
        balance_rp=position,
        exceptions=(),
        postings=((PURSE, card, -3500), (OPERATOR_REVENUE, "transjakarta", 3500)),
        previous=position - 1,
    )


def entries(first: int, count: int) -> list[Entry]:
    """Return the entries of so many positions."""
    return [entry_at(position) for position in range(first, first + count)]
