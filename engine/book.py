"""The book: all state of a shard, and the one way an entry changes it.

State is the fold of the journal: `Book.apply` is called for an entry when it has been decided,
again when a node recovers, and again when an auditor verifies. There is no other way to change it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, TypeAlias, TypeVar

from engine.accounts import ALL_CARDS, PURSE_KINDS, AccountKind, is_name
from engine.advance import RETURNS, advance, card_of, successor
from engine.card import Card
from engine.chips import ChipCounts, ChipFinding
from engine.seen import Seen
from engine.transaction import Entry, Grant, Issue, Refund, Replace, Reversal

K_contra = TypeVar("K_contra", contravariant=True)
V = TypeVar("V")

TransactionId: TypeAlias = tuple[str, int]
"""Terminal and counter."""

Accounts: TypeAlias = dict[int, dict[str, int]]
"""Balances in rupiah by kind and owner."""

FindEntry: TypeAlias = Callable[[str, int], Entry | None]
"""Finds the entry of a transaction by terminal and counter."""


class Table(Protocol[K_contra, V]):
    """What the book needs of a table; a dict is one."""

    def get(self, key: K_contra, /) -> V | None:
        """Return the row, or None."""
        ...

    def __setitem__(self, key: K_contra, value: V, /) -> None:
        """Set the row."""
        ...


_WIDER: Final = RETURNS | {Replace, Grant, Issue}
"""Intents that change more than their own card and the accounts."""


def empty_accounts() -> Accounts:
    """Return a chart of accounts without any account in it."""
    return {kind.value: {} for kind in AccountKind}


def holder_key(programme: str, holder: str) -> str:
    """Return what a programme and a person are looked up by."""
    return f"{programme}/{holder}"


class Book:
    """Cards, accounts and terminals as they stand before the entry at `position`.

    Args:
      cards: cards by name.
      terminals: what has been seen of each terminal.
      returned: rupiah given back so far of a transaction, by its identity.
      holders: the card on which a person was last granted a programme, by `holder_key`. What is
        left of that grant, the card tells.
      chips: what was taken of each chip, by its UID.
      accounts: balances; the purses stand in them as a total only.
      position: where the next entry goes.
      decided_ms: the host's clock at the newest entry.
      find_entry: looks up an earlier transaction, for those that refer to one.
    """

    def __init__(  # noqa: PLR0913 - all that a shard is made of
        self,
        *,
        cards: Table[str, Card],
        terminals: Table[str, Seen],
        returned: Table[TransactionId, int],
        holders: Table[str, str],
        chips: Table[bytes, ChipCounts],
        accounts: Accounts,
        find_entry: FindEntry,
        position: int = 0,
        decided_ms: int = 0,
    ) -> None:
        self.cards = cards
        self.terminals = terminals
        self.returned = returned
        self.holders = holders
        self.chips = chips
        self.accounts = accounts
        self.find_entry = find_entry
        self.position = position
        self.decided_ms = decided_ms

    def apply(self, entry: Entry) -> None:
        """Fold one entry into the state; it takes the position `self.position`."""
        position = self.position
        postings = entry.postings
        accounts = self.accounts
        for kind, owner, amount_rp in postings:
            owners = accounts[kind]
            name = ALL_CARDS if kind in PURSE_KINDS else owner
            owners[name] = owners.get(name, 0) + amount_rp
        cards = self.cards
        name = card_of(entry.intent, postings)
        card = cards.get(name) if name else None
        if card is not None:
            cards[name] = advance(card, entry, position)
        elif not entry.reason and is_name(name):
            # An advice may carry a name that no card can have; its money is in suspense.
            cards[name] = advance(None, entry, position)
        if not entry.reason and type(entry.intent) in _WIDER:
            self._apply_wider(entry, card, position)
        if entry.chip is not None and not entry.unproved:
            self._take_count(entry.chip)
        self.position = position + 1
        self.decided_ms = entry.decided_ms

    def apply_recorded(self, entry: Entry) -> None:
        """Fold an entry of the journal, and remember that its transaction was seen."""
        seen = self.terminals.get(entry.terminal) or Seen()
        self.terminals[entry.terminal] = seen.with_counter(entry.counter)
        self.apply(entry)

    def sum_of_accounts_rp(self) -> int:
        """Return the sum over all accounts, which is zero."""
        return sum(sum(owners.values()) for owners in self.accounts.values())

    def _apply_wider(self, entry: Entry, card: Card | None, position: int) -> None:
        intent = entry.intent
        if isinstance(intent, Replace):
            assert card is not None, "only a known card is replaced"
            known = self.cards.get(intent.new_card)
            self.cards[intent.new_card] = successor(card, known, entry, position)
            self._hand_on_grants(card, intent.new_card)
            self._bind(intent.chip, intent.new_card)
        if isinstance(intent, Issue):
            self._bind(intent.chip, intent.card)
        if isinstance(intent, Grant):
            self.holders[holder_key(intent.programme, intent.holder)] = intent.card
        if isinstance(intent, Reversal | Refund):
            original = (intent.terminal, intent.counter)
            returned_rp = self.returned.get(original) or 0
            self.returned[original] = returned_rp + volume_rp(entry)

    def _bind(self, uid: bytes | None, card: str) -> None:
        if uid:
            self.chips[uid] = ChipCounts(card, (self.chips.get(uid) or ChipCounts()).seen)

    def _take_count(self, chip: ChipFinding) -> None:
        counts = self.chips.get(chip.uid) or ChipCounts()
        self.chips[chip.uid] = counts.with_count(chip.counter)

    def _hand_on_grants(self, card: Card, new_card: str) -> None:
        for granted in card.grants:
            key = holder_key(granted.programme, granted.holder)
            # One that is over may have been followed by another one on another card.
            if self.holders.get(key) == card.id:
                self.holders[key] = new_card


def volume_rp(entry: Entry) -> int:
    """Return how much an entry moved: the sum of its credits."""
    return sum(amount_rp for _, _, amount_rp in entry.postings if amount_rp > 0)
