"""What cards are owed for fares, all of them at one position of the journal.

the views, as the last checkpoint left them + what the journal says after them
"""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import Final

from msgspec import Struct

from engine.accounts import ALL_CARDS, OWED, OWED_FARES
from storage.journal import Journal
from storage.view_rows import unreadable
from storage.views import Views

LOOKS_MAX: Final = 3
"""How often all cards are read. A node that writes a checkpoint meanwhile makes it vain; after so
many times the whole journal is read instead, which nobody alters."""


class Owed(Struct, frozen=True):
    """What cards are owed.

    Attributes:
      position: how it stood before the entry there.
      balances: in rupiah by card; below zero: it owes so much. Cards that are even are left out.
    """

    position: int
    balances: dict[str, int]


def owed_to_cards(journal: Journal, views: Views | None) -> Owed:
    """Return what all cards are owed; a node may be at work.

    Raises:
      StorageDamaged: the cards' balances are not what their account says, or are not readable.
    """
    position, balances = _in_views(views) if views else (0, Counter[str]())
    end = journal.head.next_position
    while position < end:
        block = journal.block_at(position)
        entries = block.entries[position - block.first_position :]
        for kind, card, amount_rp in chain.from_iterable(entry.postings for entry in entries):
            if kind == OWED_FARES:
                balances[card] += amount_rp
        position = block.next_position
    return Owed(position, {card: rp for card, rp in balances.items() if rp})


def _in_views(views: Views) -> tuple[int, Counter[str]]:
    """Return where the views stand and what they say, or that they say nothing."""
    for _ in range(LOOKS_MAX):
        version = views.store.version()
        standing = views.standing()
        if standing is None:
            break
        balances = Counter[str]()
        for card in views.all_cards():
            if purse := card.purse(OWED):
                balances[card.id] = purse.balance_rp
        total_rp = views.accounts()[OWED_FARES].get(ALL_CARDS, 0)
        if views.store.version() != version:
            continue
        if balances.total() != total_rp:
            raise unreadable("what cards are owed is not what their account says")
        return standing.position, balances
    return 0, Counter()
