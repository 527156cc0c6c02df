"""A book with its journal in memory, and the money rules that the tests count with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone

from msgspec.structs import replace

from engine.accounts import Account, AccountKind
from engine.book import Book, TransactionId, empty_accounts
from engine.calendar import day_and_month
from engine.card import Card
from engine.chips import ChipCounts, ChipFinding
from engine.decisions import decide
from engine.fares.tariff import Tariffs
from engine.moment import Moment
from engine.rules.purses import PurseLimits, PurseRules
from engine.transaction import Entry, Intent, Transaction
from tests.engine.programmes import FEES, PROGRAMMES
from tests.engine.rules_here import LAW

WIB = timezone(timedelta(hours=7))

_LIMITS = PurseLimits(rule="test.unregistered", source="these tests", grade="A", ceiling_rp=200)
_UNREGISTERED = replace(_LIMITS, spend_day_rp=100, spend_month_rp=250, receive_month_rp=400)
RULES = PurseRules(
    unregistered=_UNREGISTERED,
    registered=replace(_UNREGISTERED, rule="test.registered", floor_rp=-20, ceiling_rp=500),
    programme=replace(_LIMITS, rule="test.programme", ceiling_rp=None),
    programmes={
        "food": replace(_LIMITS, rule="test.food", ceiling_rp=90, spend_day_rp=40),
        "rice": replace(_LIMITS, rule="test.rice", spend_month_rp=20, receive_month_rp=50),
    },
    of_programmes=PROGRAMMES,
    top_up_fees=FEES,
)
"""Small figures, all different: rupiah that a reader adds up in the head."""


def wib_ms(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    """Return a time of Jakarta as the host's clock tells it."""
    return int(datetime(year, month, day, hour, minute, tzinfo=WIB).timestamp() * 1000)


NOON = wib_ms(2024, 1, 15, 12)


class Ledger:
    """Decides, applies and remembers, as a shard does, at a clock that the test moves."""

    def __init__(
        self,
        rules: PurseRules = RULES,
        now_ms: int = NOON,
        tariffs: Tariffs = LAW.tariffs,
    ) -> None:
        self.rules = rules
        self.tariffs = tariffs
        self.now_ms = now_ms
        self.entries: list[Entry] = []
        self.index: dict[TransactionId, int] = {}
        self.cards: dict[str, Card] = {}
        self.returned: dict[TransactionId, int] = {}
        self.holders: dict[str, str] = {}
        self.chips: dict[bytes, ChipCounts] = {}
        self.book = Book(
            cards=self.cards,
            terminals={},
            returned=self.returned,
            holders=self.holders,
            chips=self.chips,
            accounts=empty_accounts(),
            find_entry=self.find,
        )
        self._counters: dict[str, int] = {}

    @property
    def now(self) -> Moment:
        """The moment of the clock."""
        return Moment(self.now_ms, *day_and_month(self.now_ms), self.rules, self.tariffs)

    def find(self, terminal: str, counter: int) -> Entry | None:
        """Return the entry of a transaction."""
        position = self.index.get((terminal, counter))
        return None if position is None else self.entries[position]

    def wait(self, duration_ms: int) -> None:
        """Let time pass."""
        self.now_ms += duration_ms

    def dry_run(
        self, intent: Intent, terminal: str = "T", chip: ChipFinding | None = None
    ) -> Entry:
        """Decide an intent, and leave it at that."""
        counter = self._counters.get(terminal, 0) + 1
        transaction = Transaction(counter, self.now_ms, intent)
        return decide(self.book, self.now, terminal, transaction, chip)

    def send(self, intent: Intent, terminal: str = "T", chip: ChipFinding | None = None) -> Entry:
        """Decide an intent as the terminal's next transaction, and post what was decided."""
        return self.post(self.dry_run(intent, terminal, chip))

    def post(self, entry: Entry) -> Entry:
        """Apply an entry, and remember it."""
        self._counters[entry.terminal] = entry.counter
        self.index[entry.terminal, entry.counter] = len(self.entries)
        self.entries.append(entry)
        self.book.apply_recorded(entry)
        return entry

    def done(self, *intents: Intent) -> Entry:
        """Send intents that are posted without an exception; return the last one's entry."""
        entries = [self.send(intent) for intent in intents]
        for entry in entries:
            assert entry.posted, entry
            assert not entry.exceptions, entry
        return entries[-1]

    def balance_rp(self, card: str, programme: str = "") -> int:
        """Return the balance of a purse that is there."""
        purse = self.cards[card].purse(programme)
        assert purse is not None
        return purse.balance_rp

    def accounts(self) -> Mapping[Account, int]:
        """Return all accounts with something on them."""
        kinds = self.book.accounts.items()
        return {
            (AccountKind(kind), owner): balance_rp
            for kind, owners in kinds
            for owner, balance_rp in owners.items()
            if balance_rp
        }
