"""A shard in memory with a clock and a model beside it, for the tests of storage."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Final

from hypothesis import strategies as st
from msgspec.structs import replace

from engine.book import Book, TransactionId, empty_accounts, holder_key
from engine.calendar import day_of
from engine.card import Card
from engine.chips import ChipCounts, ChipFinding
from engine.decisions import decide
from engine.moment import moment
from engine.seen import Seen
from engine.transaction import (
    Adjustment,
    Block,
    Close,
    Entry,
    Grant,
    Group,
    Hold,
    Identify,
    Intent,
    Issue,
    Item,
    Part,
    Post,
    Purchase,
    Refund,
    Replace,
    Reversal,
    Revoke,
    Share,
    Subsidy,
    Tap,
    TopUp,
    Transaction,
    Unblock,
    Void,
    Withdrawal,
)
from storage.folder import DataFolder
from storage.journal import TABLES as JOURNAL_TABLES
from storage.lmdb_store import LmdbStore
from storage.memory_store import MemoryStore
from storage.shard_store import ShardStore
from storage.store import all_rows
from storage.view_rows import VIEWS_TABLES
from tests.engine.rules_here import LAW

NOON_MS: Final = 1_760_000_000_000
MINUTE_MS: Final = 60_000
PROOF: Final = b"proof of the chip"

CHIPS: Final = (bytes.fromhex("04de5f1eacc040"), bytes.fromhex("04de5f1eacc041"))
FINDINGS: Final = {
    b"first chip, 1": ChipFinding("genuine", CHIPS[0], 1),
    b"first chip, 3": ChipFinding("genuine", CHIPS[0], 3),
    b"second chip, 2": ChipFinding("genuine", CHIPS[1], 2),
    b"of no chip": ChipFinding("forged", CHIPS[0], 9),
    b"nothing": ChipFinding("unreadable", b"", 0),
}
"""What is found of some proofs; nobody looks into others, nor into those of groups."""

CARDS: Final = ("6013000000000001", "6013000000000002", "6013000000000003", "6013000000000004")
TERMINALS: Final = ("GATE-1", "BUS-2", "\0", "\0\0")
"""The last two are no names, and would be mixed up by keys that put a mark between their parts."""

HOLDERS: Final = ("person-1", "person-2")
TODAY: Final = day_of(NOON_MS)

SOME: Final = "@"
"""In place of a terminal: one of the transactions that an intent can refer to, whichever it is."""

cards = st.sampled_from(CARDS)
terminals = st.sampled_from(TERMINALS)
_amounts = st.integers(1, 20_000)
_counters = st.integers(1, 12)
_months = st.integers(2025 * 12 + 7, 2025 * 12 + 9)
_references = st.sampled_from([SOME, SOME, SOME, TERMINALS[0]])
_operators = st.sampled_from(["transjakarta", "mrtj"])
_programmes = st.sampled_from(["", "", "kjp", "kls"])
_proofs = st.sampled_from([None, None, PROOF, *FINDINGS])
_chips = st.sampled_from([None, *CHIPS])

parts: st.SearchStrategy[Part] = st.one_of(
    st.builds(
        *(Tap, cards, st.integers(0, 5000), _operators, st.sampled_from(["in", "out"])),
        purse=_programmes,
        proof=_proofs,
    ),
    st.builds(Purchase, cards, _amounts, st.just("kiosk"), purse=_programmes, proof=_proofs),
    st.builds(
        *(Purchase, cards, st.just(30_000), st.just("pasar_jaya")),
        purse=st.sampled_from(["", "*"]),
        proof=_proofs,
        items=st.just((Item("rice", 1, 30_000),)),
        programme=st.sampled_from(["", "food"]),
    ),
    st.builds(
        *(Purchase, cards, _amounts, st.just("rusunawa")),
        purse=st.sampled_from(["", "*"]),
        proof=_proofs,
        charge=st.just("rent"),
        period=_months,
    ),
    st.builds(
        *(TopUp, cards, _amounts, st.sampled_from(["dki", "bca"]), st.sampled_from([0, 1000])),
        *(st.sampled_from(["both", "bank", "chip"]), _programmes, _proofs),
    ),
    st.builds(Subsidy, st.sampled_from(["kjp", "kls"]), _operators, _amounts),
    st.builds(Share, _operators, _operators, _amounts),
)
intents: st.SearchStrategy[Intent] = st.one_of(
    st.builds(
        *(Issue, cards, st.sampled_from(["account", "stored"]), st.just("dki"), st.booleans()),
        _chips,
    ),
    parts,
    parts,
    st.builds(
        *(Tap, cards, st.sampled_from([0, 3500]), _operators, st.sampled_from(["in", "out"])),
        proof=_proofs,
        service=st.just("transjakarta_brt"),
    ),
    st.builds(Group, st.lists(parts, min_size=1, max_size=3).map(tuple)),
    st.builds(Reversal, _references, _counters),
    st.builds(Refund, _references, _counters, _amounts),
    st.builds(Replace, cards, cards, _chips),
    st.builds(Close, cards),
    st.builds(
        *(Grant, cards, st.sampled_from(["free_ride", "food"])),
        st.sampled_from(["elderly", "worker"]),
        *(st.sampled_from(HOLDERS), st.just(TODAY), st.integers(TODAY, TODAY + 99)),
    ),
    st.builds(Identify, cards, st.sampled_from(HOLDERS)),
    st.builds(Revoke, cards, st.just("free_ride"), st.just("sold")),
    st.builds(Block, cards, st.just("lost")),
    st.builds(Unblock, cards, st.just("found")),
    st.builds(
        *(Hold, cards, _amounts, st.sampled_from(["operator", "merchant"]), st.just("kiosk")),
        st.integers(1, 10 * MINUTE_MS),
    ),
    st.builds(Post, cards, _references, _counters, _amounts),
    st.builds(Void, cards, _references, _counters),
    st.builds(Withdrawal, cards, _amounts, st.just("dki"), _programmes, proof=_proofs),
    st.builds(
        lambda card, amount_rp: Adjustment(
            "officer", "counted", ((1, card, amount_rp), (9, "pool", -amount_rp)), card
        ),
        *(cards, _amounts),
    ),
)
"""Intents on so few cards that they meet."""


class City:
    """Decides and commits as a shard does, and remembers all that it should still know.

    Attributes:
      shard: the open shard.
      entries: every entry, also those that are not durable yet.
      index: their positions.
    """

    def __init__(self, *, hot_rows_max: int = 4, replay_entries_max: int = 1_000_000) -> None:
        self.journal = MemoryStore(tables=JOURNAL_TABLES)
        self.views = MemoryStore(tables=VIEWS_TABLES)
        self.hot_rows_max = hot_rows_max
        self.replay_entries_max = replay_entries_max
        self.now_ms = NOON_MS
        self.entries: list[Entry] = []
        self.index: dict[TransactionId, int] = {}
        self.open()

    def open(self) -> None:
        """Open the shard on what the stores hold."""
        self.shard = ShardStore.open(
            self.journal,
            self.views,
            clock=float,
            hot_rows_max=self.hot_rows_max,
            replay_entries_max=self.replay_entries_max,
        )
        self.shard.book.find_entry = self.find

    def crash(self) -> None:
        """Lose what is not durable, and start again."""
        self.journal.freeze()
        self.views.freeze()
        self.restart()

    def restart(self) -> None:
        """Open the shard on what survives in the stores."""
        self.journal, self.views = self.journal.survivors(), self.views.survivors()
        self.open()
        del self.entries[self.durable :]
        self.index = {key: at for key, at in self.index.items() if at < self.durable}

    @property
    def durable(self) -> int:
        """How many entries are durable."""
        return self.shard.journal.head.next_position

    def find(self, terminal: str, counter: int) -> Entry | None:
        """Return the entry of a transaction, durable or not."""
        position = self.index.get((terminal, counter))
        return None if position is None else self.entries[position]

    def send(self, intent: Intent, terminal: str = TERMINALS[0], *, skip: int = 0) -> Entry:
        """Decide and apply an intent under a counter that was not used: the next, or a later one.

        Args:
          intent: what is wanted.
          terminal: who wants it.
          skip: how many unused counters are left out.
        """
        book = self.shard.book
        seen = book.terminals.get(terminal) or Seen()
        intent = self._resolved(intent)
        counter = 1
        while seen.has(counter) or (skip := skip - 1) >= 0:
            counter += 1
        transaction = Transaction(counter, self.now_ms, intent)
        chip = FINDINGS.get(getattr(intent, "proof", None) or b"")
        entry = decide(book, moment(self.now_ms, LAW), terminal, transaction, chip)
        book.terminals[terminal] = seen.with_counter(counter)
        self.shard.note(terminal, counter, book.position, 1)
        if entry.exceptions:
            self.shard.note_exception(book.position, entry.exceptions)
        self.index[terminal, counter] = book.position
        book.apply(entry)
        self.entries.append(entry)
        return entry

    def _resolved(self, intent: Intent) -> Intent:
        if not isinstance(intent, Post | Void | Refund | Reversal) or intent.terminal != SOME:
            return intent
        kinds = Hold if isinstance(intent, Post | Void) else Tap | Purchase | Group | TopUp
        fitting = [each for each in self.entries if isinstance(each.intent, kinds) and each.posted]
        if not fitting:
            return intent
        chosen = fitting[-intent.counter % len(fitting)]
        named = replace(intent, terminal=chosen.terminal, counter=chosen.counter)
        is_held = isinstance(named, Post | Void)
        return replace(named, card=chosen.intent.card) if is_held else named

    def run(self, *wanted: Intent, terminal: str = TERMINALS[0]) -> None:
        """Send intents and commit them as one block."""
        for intent in wanted:
            self.send(intent, terminal)
        self.commit()

    def commit(self) -> None:
        """Make durable what is not, as one block; the clock goes on."""
        if len(self.entries) > self.durable:
            self.shard.append(self.entries[self.durable :], self.now_ms)
        self.now_ms += MINUTE_MS


def lively_city() -> City:
    """Return a city in which most of what `intents` wants can be done."""
    city = City()
    city.run(
        *(Issue(card, "account", "dki") for card in CARDS[:2]), Issue(CARDS[2], "stored", "dki")
    )
    city.run(*(TopUp(card, 500_000, "dki") for card in CARDS[:3]))
    city.run(*(TopUp(card, 300_000, purse="kjp", proof=PROOF) for card in CARDS[:3]))
    return city


def write_folder(city: City, path: Path) -> Path:
    """Write a city's stores to a data folder; return its path."""
    with DataFolder.open(path, create=True) as data:
        for source, where, tables in (
            (city.journal, data.journal, JOURNAL_TABLES),
            (city.views, data.views, VIEWS_TABLES),
        ):
            with closing(LmdbStore(where, tables=tables)) as store:
                store.write((table, *row) for table in tables for row in all_rows(source, table))
    return path


def folded(entries: Iterable[Entry]) -> Book:
    """Return the fold of entries, in plain dictionaries."""
    book = Book(
        cards=dict[str, Card](),
        terminals=dict[str, Seen](),
        returned=dict[TransactionId, int](),
        holders=dict[str, str](),
        chips=dict[bytes, ChipCounts](),
        accounts=empty_accounts(),
        find_entry=lambda *_: None,
    )
    for entry in entries:
        book.apply_recorded(entry)
    return book


def assert_same_state(city: City) -> None:
    """Compare all that a shard knows with the fold of what it should know."""
    shard, model = city.shard, folded(city.entries)
    book = shard.book
    assert book.position == model.position == len(city.entries)
    assert book.decided_ms == model.decided_ms
    assert book.accounts == model.accounts
    assert not book.sum_of_accounts_rp()
    for card in ("", "unknown", *CARDS):
        assert book.cards.get(card) == model.cards.get(card)
    for holder in HOLDERS:
        key = holder_key("free_ride", holder)
        assert book.holders.get(key) == model.holders.get(key)
    for chip in (b"unknown", *CHIPS):
        assert book.chips.get(chip) == model.chips.get(chip)
    for terminal in ("unknown", *TERMINALS):
        assert book.terminals.get(terminal) == model.terminals.get(terminal)
        highest = (model.terminals.get(terminal) or Seen()).high
        for counter in range(1, highest + 3):
            transaction = (terminal, counter)
            assert shard.position_of(*transaction) == city.index.get(transaction)
            assert book.returned.get(transaction) == model.returned.get(transaction)
            position = city.index.get(transaction, city.durable)
            expected = city.entries[position] if position < city.durable else None
            assert shard.find(*transaction) == expected
