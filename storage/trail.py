"""What led to an entry: the taps of its card before it, found along the chain of its entries."""

from __future__ import annotations

from typing import Final

from engine.fares.kept import with_entry
from engine.fares.state import NO_TAPS, Kept
from engine.limits import KEPT_TAPS
from engine.transaction import Entry, Replace
from storage.journal import Journal

TRAIL_STEPS_MAX: Final = 200
"""Entries of one card looked at for one explanation: those of fifty ordinary days."""


def taps_before(journal: Journal, entry: Entry) -> Kept:
    """Return the taps of a card as they were kept when an entry of it was decided.

    Older ones are as one that is settled; so are all, where the card was not used for very long.

    Raises:
      StorageDamaged: a block is not what was written.
    """
    found: list[Entry] = []
    position = entry.previous
    for _ in range(TRAIL_STEPS_MAX):
        if position < 0 or len(found) > 2 * KEPT_TAPS:
            break
        one = journal.entry_at(position)
        if isinstance(one.intent, Replace):
            # Rides are those of a card: the one that takes over begins anew.
            position = -1
            break
        if one.rating is not None:
            found.append(one)
        position = one.previous
    kept = NO_TAPS
    if position >= 0 and found:
        oldest = found.pop()
        assert oldest.rating is not None
        kept = Kept(oldest.rating, oldest.at_ms, base=oldest.rating, settled=True)
    for one in reversed(found):
        assert one.rating is not None
        kept = with_entry(kept, one, one.rating)
    return kept
