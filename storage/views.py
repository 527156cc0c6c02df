"""The views: tables derived from the journal, all as they stand at one position of it.

They are written by checkpoints, each in one step together with the position they stand at. They can
be thrown away at any time: the journal says everything that stands in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

from engine.book import Accounts, TransactionId, empty_accounts
from engine.card import Card
from engine.chips import ChipCounts
from engine.errors import Reason
from engine.seen import Seen
from storage.runs import Run, TerminalRuns
from storage.store import Change, Store, all_rows
from storage.view_rows import (
    ACCOUNTS,
    AMOUNT,
    BALANCES,
    CARD,
    CARD_NAME,
    CARDS,
    CHIP,
    CHIPS,
    EXCEPTIONS,
    HOLDERS,
    LANDMARKS,
    NUMBER_BYTES,
    REASONS,
    RETURNED,
    RUN,
    RUNS,
    SEEN,
    STANDING,
    STANDING_KEY,
    STANDING_VALUE,
    TERMINALS,
    VIEWS_FORMAT,
    VIEWS_TABLES,
    Standing,
    account_key,
    account_of,
    decode,
    decode_all,
    encode,
    name_key,
    number_of,
    position_key,
    terminal_key,
    transaction_key,
    unreadable,
)

LANDMARK_ENTRIES: Final = 250_000
"""A past balance is added up from the landmark before it: at most half a second of reading."""

_CLEAR_ROWS: Final = 10_000
"""Rows deleted in one step."""

Filed: TypeAlias = tuple[int, tuple[Reason, ...]]
"""Position of an entry, and what the ledger dislikes in it."""


class Checkpoint(Struct, frozen=True):
    """What changed since the last checkpoint, and all accounts, as they stand at a position."""

    position: int
    decided_ms: int
    cards: Mapping[str, Card]
    terminals: Mapping[str, Seen]
    returned: Mapping[TransactionId, int]
    holders: Mapping[str, str]
    chips: Mapping[bytes, ChipCounts]
    accounts: Accounts
    runs: Mapping[str, TerminalRuns]
    exceptions: Sequence[Filed]


def are_older(store: Store) -> bool:
    """Tell whether views were written by an older version of this program; of `STANDING` alone."""
    value = store.get(STANDING, STANDING_KEY)
    try:
        return value is not None and STANDING_VALUE.decode(value).format < VIEWS_FORMAT
    except msgspec.MsgspecError:
        return False


class Views:
    """The tables of the views in a store. Reads may come from any thread.

    What is read raises StorageDamaged where it is not what was written.

    Args:
      store: with the tables `VIEWS_TABLES`.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    def standing(self) -> Standing | None:
        """Return where the views stand; None if nothing in them can be used."""
        value = self.store.get(STANDING, STANDING_KEY)
        try:
            standing = None if value is None else STANDING_VALUE.decode(value)
        except msgspec.MsgspecError:
            return None
        usable = standing and standing.format == VIEWS_FORMAT and standing.position > 0
        return standing if usable else None

    def cards(self, names: Sequence[str]) -> list[Card | None]:
        """Return cards by name."""
        values = self._values(CARDS, [name_key(name) for name in names])
        return decode_all(CARD, values)

    def all_cards(self) -> Iterator[Card]:
        """Walk all cards; where a checkpoint is written meanwhile, some are newer than others."""
        for _, value in all_rows(self.store, CARDS):
            yield decode(CARD, value)

    def card_count(self) -> int:
        """Return how many cards there were at the last checkpoint."""
        return self.store.count(CARDS)

    def terminals(self, names: Sequence[str]) -> list[Seen | None]:
        """Return what has been seen of terminals."""
        values = self._values(TERMINALS, [name_key(name) for name in names])
        return decode_all(SEEN, values)

    def returned(self, transactions: Sequence[TransactionId]) -> list[int | None]:
        """Return the rupiah given back of transactions."""
        values = self._values(RETURNED, [transaction_key(*each) for each in transactions])
        return decode_all(AMOUNT, values)

    def holders(self, keys: Sequence[str]) -> list[str | None]:
        """Return the cards on which persons were last granted programmes."""
        return decode_all(CARD_NAME, self._values(HOLDERS, [name_key(key) for key in keys]))

    def chips(self, uids: Sequence[bytes]) -> list[ChipCounts | None]:
        """Return what was taken of chips."""
        return decode_all(CHIP, self._values(CHIPS, uids))

    def run_before(self, terminal: str, counter: int) -> Run | None:
        """Return the terminal's run with the greatest first counter up to the given one."""
        for key, value in self.store.scan_back(RUNS, transaction_key(terminal, counter), limit=1):
            if key[:-NUMBER_BYTES] == terminal_key(terminal):
                return Run(terminal, number_of(key), *decode(RUN, value))
        return None

    def accounts(self) -> Accounts:
        """Return all balances."""
        accounts = empty_accounts()
        for key, value in all_rows(self.store, ACCOUNTS):
            kind, owner = account_of(key)
            if kind not in accounts:
                raise unreadable(f"there is no account of kind {kind}")
            accounts[kind][owner] = decode(AMOUNT, value)
        return accounts

    def exceptions_before(self, position: int, limit: int) -> list[Filed]:
        """Return up to `limit` exceptions of entries before a position, newest first."""
        if position <= 0:
            return []
        rows = self.store.scan_back(EXCEPTIONS, position_key(position - 1), limit=limit)
        return [(number_of(key), decode(REASONS, value)) for key, value in rows]

    def landmark_before(self, position: int) -> int:
        """Return the last landmark at or before a position; 0, before which nothing is, is one."""
        rows = self.store.scan_back(LANDMARKS, position_key(position), limit=1)
        return number_of(rows[0][0]) if rows else 0

    def balance_at_landmark(self, kind: int, owner: str, landmark: int) -> int | None:
        """Return a balance in rupiah as it stood at a landmark; None if the account was not yet."""
        account = account_key(kind, owner)
        start = account + position_key(landmark)
        for key, value in self.store.scan_back(BALANCES, start, limit=1):
            if key[:-NUMBER_BYTES] == account:
                return decode(AMOUNT, value)
        return None

    def write(
        self, checkpoint: Checkpoint, block_hash: bytes, *, before: Accounts, landmark: bool
    ) -> None:
        """Write a checkpoint, whole or not at all.

        Args:
          checkpoint: what to write.
          block_hash: hash of the block that holds the last entry before its position.
          before: the accounts as they stand in the views.
          landmark: whether to keep the balances for questions about the past.

        Durability: on return it is on disk.

        Raises:
          StorageFull: nothing was written.
          StorageFailed: the views must not be used any more.
        """
        # Read before the write begins: a store need not let one thread do both at once.
        balances = self._landmark(checkpoint.position, checkpoint.accounts) if landmark else []
        standing = Standing(VIEWS_FORMAT, checkpoint.position, block_hash, checkpoint.decided_ms)
        last: Change = (STANDING, STANDING_KEY, encode(standing))
        self.store.write(chain(_changes(checkpoint, before), balances, (last,)))

    def write_landmark(self, position: int, accounts: Accounts) -> None:
        """Keep the balances at a position later than all other landmarks.

        Durability: on return they are on disk.

        Raises:
          StorageFull: nothing was written.
          StorageFailed: the views must not be used any more.
        """
        self.store.write(self._landmark(position, accounts))

    def clear(self) -> None:
        """Delete everything. What a crash leaves of it stands nowhere, and is cleared again."""
        self.store.write([(STANDING, STANDING_KEY, None)])
        for table in VIEWS_TABLES:
            while rows := self.store.scan(table, limit=_CLEAR_ROWS):
                self.store.write([(table, key, None) for key, _ in rows])

    def _values(self, table: str, keys: Sequence[bytes]) -> list[bytes | None]:
        if len(keys) == 1:
            return [self.store.get(table, keys[0])]
        return self.store.get_many(table, keys)

    def _landmark(self, position: int, accounts: Accounts) -> list[Change]:
        at = position_key(position)
        return [
            (LANDMARKS, at, b""),
            *(
                (BALANCES, account_key(kind, owner) + at, encode(balance_rp))
                for kind, owner, balance_rp in _balances(accounts)
                if self.balance_at_landmark(kind, owner, position) != balance_rp
            ),
        ]


def _changes(checkpoint: Checkpoint, before: Accounts) -> Iterator[Change]:
    for name, card in checkpoint.cards.items():
        yield CARDS, name_key(name), encode(card)
    for name, seen in checkpoint.terminals.items():
        yield TERMINALS, name_key(name), encode(seen)
    for transaction, amount_rp in checkpoint.returned.items():
        yield RETURNED, transaction_key(*transaction), encode(amount_rp)
    for key, card_name in checkpoint.holders.items():
        yield HOLDERS, name_key(key), encode(card_name)
    for uid, counts in checkpoint.chips.items():
        yield CHIPS, uid, encode(counts)
    for runs in checkpoint.runs.values():
        yield from map(_run_change, runs)
    for position, reasons in checkpoint.exceptions:
        yield EXCEPTIONS, position_key(position), encode(reasons)
    for kind, owner, balance_rp in _balances(checkpoint.accounts):
        if before[kind].get(owner) != balance_rp:
            yield ACCOUNTS, account_key(kind, owner), encode(balance_rp)


def _run_change(run: Run) -> Change:
    key = transaction_key(run.terminal, run.first_counter)
    return RUNS, key, encode((run.first_position, run.count))


def _balances(accounts: Accounts) -> Iterator[tuple[int, str, int]]:
    for kind, owners in accounts.items():
        for owner, balance_rp in owners.items():
            yield kind, owner, balance_rp
