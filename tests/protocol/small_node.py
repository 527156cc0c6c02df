"""A node of a few lines, for tests: one session, one book, and a list for a journal."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from engine.book import Book, empty_accounts
from engine.card import Card
from engine.chips import ChipCounts
from engine.decisions import decide
from engine.moment import moment
from engine.seen import Seen
from engine.transaction import Entry, Transaction
from protocol.codec import encode
from protocol.errors import ProtocolViolation
from protocol.filters import matcher
from protocol.messages import (
    Balance,
    BalanceOf,
    Feed,
    FeedEnd,
    FeedEntry,
    Outcome,
    Query,
    Submit,
    Subscribe,
    Unsubscribe,
)
from protocol.session import ServerSession
from tests.engine.rules_here import LAW
from tests.protocol.peer import StoredKey

CLOCK_MS: Final = 1_760_000_000_000
NONCE: Final = bytes(range(32))
KEY: Final = Ed25519PrivateKey.from_private_bytes(
    bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
)
"""The first test key of RFC 8032, section 7.1."""


class SmallBook(Book):
    """A book kept in dicts, with its journal."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.positions: dict[tuple[str, int], int] = {}
        cards: dict[str, Card] = {}
        terminals: dict[str, Seen] = {}
        returned: dict[tuple[str, int], int] = {}
        super().__init__(
            cards=cards,
            terminals=terminals,
            returned=returned,
            holders=dict[str, str](),
            chips=dict[bytes, ChipCounts](),
            accounts=empty_accounts(),
            find_entry=self.find,
        )

    def find(self, terminal: str, counter: int) -> Entry | None:
        """Return the entry of a transaction."""
        position = self.positions.get((terminal, counter))
        return None if position is None else self.entries[position]

    def post(self, terminal: str, transaction: Transaction) -> Entry:
        """Decide a transaction that is new, and write it down."""
        entry = decide(self, moment(CLOCK_MS, LAW), terminal, transaction)
        self.positions[terminal, transaction.counter] = self.position
        self.entries.append(entry)
        self.apply_recorded(entry)
        return entry

    def outcome(self, terminal: str, transaction: Transaction) -> Outcome:
        """Return the outcome of a transaction, new or repeated."""
        repeated = (terminal, transaction.counter) in self.positions
        if not repeated:
            self.post(terminal, transaction)
        position = self.positions[terminal, transaction.counter]
        entry = self.entries[position]
        return Outcome(
            entry.counter,
            "posted" if entry.posted else "refused",
            entry.balance_rp,
            position,
            repeated,
            entry.reason,
            entry.rule,
            entry.detail,
            entry.exceptions,
        )


class SmallNode:
    """A node that serves one terminal, whatever its key, as a service."""

    def __init__(self, book: SmallBook) -> None:
        self.book = book
        self.violation: ProtocolViolation | None = None
        self.session = ServerSession(
            NONCE,
            0.0,
            lambda _terminal, _key: StoredKey("service"),
            lambda terminal: (book.terminals.get(terminal) or Seen()).high,
        )

    def take(self, payload: bytes) -> list[bytes]:
        """Take one payload of the terminal; return those that answer it."""
        try:
            wanted = self.session.receive(payload, CLOCK_MS)
        except ProtocolViolation as violation:
            self.violation = violation
            wanted = None
        said = list(self.session.outbox)
        self.session.outbox.clear()
        if isinstance(wanted, Submit):
            outcomes = [
                self.book.outcome(self.session.terminal, transaction)
                for transaction in wanted.transactions
            ]
            said.append(self.session.answer(outcomes))
        if isinstance(wanted, Query):
            said.append(self.session.answer_query(wanted.id, self._balance(wanted)))
        if isinstance(wanted, Subscribe):
            said.append(encode(self._feed(wanted)))
        if isinstance(wanted, Unsubscribe):
            said.append(self.session.end_feed(FeedEnd(wanted.id)))
        return said

    def _feed(self, wanted: Subscribe) -> Feed:
        entries, matches = self.book.entries, matcher(wanted.filter)
        found = [
            FeedEntry(position, entries[position])
            for position in range(wanted.position, len(entries))
            if matches(entries[position])
        ]
        return Feed(wanted.id, tuple(found), len(entries), len(entries))

    def _balance(self, query: Query) -> Balance:
        question = query.question
        assert isinstance(question, BalanceOf), "a small node knows balances alone"
        card = self.book.cards.get(question.owner)
        assert card is not None, "and of known cards"
        return Balance(card.main.balance_rp, self.book.position, CLOCK_MS)
