"""The past of an account, answered from the journal and the views alone, in a worker thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from itertools import chain as iter_chain
from itertools import islice
from typing import Final, TypeAlias

from msgspec import Struct

from engine.accounts import ALL_CARDS, PURSE_KINDS, purse_line, purse_of
from engine.advance import card_of
from engine.card import Card
from engine.transaction import Entry, Replace
from storage.block import Block
from storage.journal import Journal
from storage.views import Filed, Views

CHAIN_STEPS_MAX: Final = 20_000
"""Entries of one card that a question may walk through: fourteen years of four taps a day."""

STATEMENT_STEPS_MAX: Final = 1_000
"""Entries of one card looked at for one answer; a purse that is seldom used has few lines."""

STATEMENT_BLOCKS_MAX: Final = 64
"""Blocks looked at for one answer about an account that is no purse."""

Link: TypeAlias = tuple[int, str, Entry]
"""Position of an entry, the card in whose chain it stands, and the entry."""


class Line(Struct, frozen=True, gc=False):
    """One entry of a statement: where it stands, and what it moved on the account."""

    position: int
    amount_rp: int
    entry: Entry


class Statement(Struct, frozen=True, gc=False):
    """Lines, newest first; `next` goes on as `before` (-1: that was all)."""

    lines: tuple[Line, ...]
    next: int


class AccountHistory:
    """The past of one account, up to a position of the journal that must be durable.

    A card's entries are a chain: each names the one before. A purse is followed along it, and on
    into the chain of the card that was replaced: a statement tells of the money, whichever card it
    was on. What passed from the old card to the new one is no change of that money. Other accounts
    have no chain: blocks are read.

    Args:
      journal: the chain of blocks.
      views: the last checkpoint, for balances at landmarks.
      kind: of the account.
      owner: of the account.
      position: the journal up to here is meant.
      card: for a purse, the card as it stands at that position.
      peek: finds a card from any thread.
    """

    def __init__(
        self,
        journal: Journal,
        views: Views,
        kind: int,
        owner: str,
        *,
        position: int,
        card: Card | None,
        peek: Callable[[str], Card | None],
    ) -> None:
        self.position = position
        self._journal = journal
        self._views = views
        self._kind = kind
        self._owner = owner
        _, self._programme = purse_of((kind, owner, 0)) or ("", "")
        self._all_cards = kind in PURSE_KINDS and owner == ALL_CARDS
        self._is_purse = kind in PURSE_KINDS and not self._all_cards
        self._card = card
        self._peek = peek

    def position_at(self, at_ms: int) -> int:
        """Return the position up to which everything was decided at a time or before."""
        before = self._journal.block_before_time(at_ms)
        position = before.next_position if before else 0
        for block in self._journal.blocks(position):
            for entry in block.entries:
                if entry.decided_ms > at_ms:
                    return min(position, self.position)
                position += 1
        return min(position, self.position)

    def decided_ms_before(self, position: int) -> int:
        """Return when the entry before a position was decided; 0 if there is none."""
        return self._journal.entry_at(position - 1).decided_ms if position > 0 else 0

    def balance_at(self, position: int) -> int | None:
        """Return the balance in rupiah as it stood before the entry at a position.

        An account that did not exist yet stood at zero. None: it is a purse, and more than
        `CHAIN_STEPS_MAX` entries of its card lie between.
        """
        position = min(position, self.position)
        if self._is_purse:
            return self._purse_at(position)
        landmark = self._views.landmark_before(position)
        balance_rp = self._views.balance_at_landmark(self._kind, self._owner, landmark) or 0
        for block in self._journal.blocks(landmark):
            if block.first_position >= position:
                break
            since = max(0, landmark - block.first_position)
            for entry in block.entries[since : position - block.first_position]:
                balance_rp += sum(self._amounts(entry, self._owner))
        return balance_rp

    def statement(self, before: int | None, limit: int) -> Statement | None:
        """Return the entries before a position that moved the account, newest first.

        Args:
          before: where to begin; None is the newest, `next` of an answer goes on from it.
          limit: most lines; fewer may come with a `next`, as the work of one answer is bounded.

        Returns:
          None if `before` comes from no answer, and more than `CHAIN_STEPS_MAX` entries of the
          card lie after it.
        """
        before = self.position if before is None else min(before, self.position)
        if not self._is_purse:
            return self._statement_of_blocks(before, limit)
        links = self._links_before(before)
        return links if links is None else self._statement_of_chain(links, limit)

    def _purse_at(self, position: int) -> int | None:
        if self._card is None:
            return 0
        purse = self._card.purse(self._programme)
        balance_rp = purse.balance_rp if purse else 0
        chain = self._chain(self._card.last, self._card.id)
        for at, _, entry in islice(chain, CHAIN_STEPS_MAX):
            if at < position:
                return balance_rp
            balance_rp -= sum(self._amounts(entry, self._owner))
        # Before its first entry a card had nothing.
        return 0 if next(chain, None) is None else None

    def _statement_of_chain(self, links: Iterator[Link], limit: int) -> Statement:
        lines: list[Line] = []
        for steps, (position, card, entry) in enumerate(links):
            if len(lines) == limit or steps == STATEMENT_STEPS_MAX:
                return Statement(tuple(lines), position + 1)
            # The money left the old card and came to the new one: both, or it would count twice.
            cards = (card, entry.intent.card) if _takes_over(entry, card) else (card,)
            amounts = self._amounts(entry, *(self._purse_of(name) for name in cards))
            if any(amounts):
                lines.append(Line(position, sum(amounts), entry))
        return Statement(tuple(lines), -1)

    def _purse_of(self, card: str) -> str:
        return purse_line(card, self._programme, 0)[1]

    def _links_before(self, before: int) -> Iterator[Link] | None:
        card = self._card
        if card is None or before <= 0:
            return iter(())
        if before <= card.last:
            # An answer's `next` follows the position of a link: no need to look for it. What was
            # refused before the card existed is no link.
            entry = self._journal.entry_at(before - 1)
            name = self._chain_of(entry)
            if (entry.posted or entry.previous >= 0) and self._leads_here(before - 1, name):
                return self._chain(before - 1, name)
        chain = self._chain(card.last, card.id)
        for link in islice(chain, CHAIN_STEPS_MAX):
            if link[0] < before:
                return iter_chain((link,), chain)
        return None if next(chain, None) else iter(())

    def _chain(self, position: int, name: str) -> Iterator[Link]:
        # Newest first. There is one place to go on from, unless a card has entries of its own from
        # before it took over.
        places = [(-position, name)] if position >= 0 else []
        while places:
            negative, name = heappop(places)
            position = -negative
            entry = self._journal.entry_at(position)
            assert entry.previous < position, "a chain leads back"
            yield position, name, entry
            if _takes_over(entry, name):
                self._add_own(places, name)
                name = entry.intent.card
            if entry.previous >= 0:
                heappush(places, (-entry.previous, name))

    def _add_own(self, places: list[tuple[int, str]], name: str) -> None:
        card = self._card_named(name)
        if card is not None and card.before >= 0:
            heappush(places, (-card.before, name))

    def _card_named(self, name: str) -> Card | None:
        known = self._card
        return known if known is not None and known.id == name else self._peek(name)

    def _chain_of(self, entry: Entry) -> str:
        # A replacement is the last link of the old card's chain and the first of the new one's.
        name = card_of(entry.intent, entry.postings)
        assert self._card is not None
        if isinstance(entry.intent, Replace) and entry.posted and name != self._card.id:
            return entry.intent.new_card
        return name

    def _leads_here(self, position: int, name: str) -> bool:
        assert self._card is not None
        while card := self._card_named(name):
            if card.before >= 0:
                # What lies before may be in two chains: both are followed from where they meet.
                return False
            if card.id == self._card.id:
                return True
            if position > card.replaced:
                # What came late, after the money had gone over to the new card.
                return False
            name = card.successor
        return False

    def _statement_of_blocks(self, before: int, limit: int) -> Statement:
        lines: list[Line] = []
        for _ in range(STATEMENT_BLOCKS_MAX):
            if before <= 0:
                break
            block = self._journal.block_at(before - 1)
            lines += self._lines_of(block, before)
            if len(lines) > limit:
                return Statement(tuple(lines[:limit]), lines[limit].position + 1)
            before = block.first_position
        return Statement(tuple(lines), before if before > 0 else -1)

    def _lines_of(self, block: Block, before: int) -> list[Line]:
        lines = []
        for offset in range(before - block.first_position - 1, -1, -1):
            entry = block.entries[offset]
            amounts = self._amounts(entry, self._owner)
            if any(amounts):
                lines.append(Line(block.first_position + offset, sum(amounts), entry))
        return lines

    def _amounts(self, entry: Entry, *owners: str) -> list[int]:
        return [
            amount_rp
            for kind, name, amount_rp in entry.postings
            if kind == self._kind and (name in owners or self._all_cards)
        ]


def _takes_over(entry: Entry, card: str) -> bool:
    return isinstance(entry.intent, Replace) and entry.intent.new_card == card


def exceptions_before(
    journal: Journal, views: Views | None, before: int | None, limit: int
) -> list[Filed]:
    """Return up to `limit` exceptions of entries before a position (None: the end), newest first.

    The views know those up to the last checkpoint; the journal is read from there on.
    """
    standing = views.standing() if views else None
    since = standing.position if standing else 0
    end = journal.head.next_position
    end = end if before is None else min(before, end)
    newest = deque(_filed(journal, since, end), maxlen=limit)
    filed = list(reversed(newest))
    if views and len(filed) < limit:
        filed += views.exceptions_before(min(since, end), limit - len(filed))
    return filed


def _filed(journal: Journal, since: int, end: int) -> Iterator[Filed]:
    position = since
    while position < end:
        block = journal.block_at(position)
        for entry in block.entries[position - block.first_position : end - block.first_position]:
            if entry.exceptions:
                yield position, entry.exceptions
            position += 1
