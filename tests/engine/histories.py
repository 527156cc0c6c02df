"""Random histories of a few cards, operators, banks and programmes, watched by an auditor.

A seed tells a whole history, and its length cuts it: the shortest that fails is easily found, and
the two numbers replay it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from random import Random
from typing import Final, Literal, TypeAlias

from hypothesis import strategies as st
from msgspec.structs import replace

from engine.book import Book
from engine.calendar import day_of, day_of_date
from engine.rules.purses import PurseRules
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
    MediumName,
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
    Unblock,
    Void,
    Withdrawal,
)
from tests.engine.auditor import Auditor
from tests.engine.figures import day_in_jakarta
from tests.engine.ledger import RULES, Ledger, wib_ms

LATER_DAY: Final = day_of_date(date(2024, 2, 1))
# Limits change in the middle of what the histories tell of.
LATER: Final = replace(
    RULES,
    unregistered=replace(RULES.unregistered, rule="test.later", ceiling_rp=150, spend_day_rp=60),
)
START_MS: Final = wib_ms(2024, 1, 29, 22)
START_DAY: Final = day_of(START_MS)
MINUTE_MS: Final = 60_000
STEPS_MAX: Final = 60

OPENING: Final = (
    Issue("A", "account", "dki"),
    Issue("B", "account", "bca", registered=True),
    Issue("S", "stored", "dki"),
    TopUp("A", 150, "dki"),
    TopUp("B", 200, "bca"),
    TopUp("S", 100, "dki"),
    TopUp("A", 90, purse="kjp"),
    TopUp("B", 80, purse="food"),
    TopUp("B", 40, purse="rice"),
    Grant("A", "kjp", "sd", "citra", START_DAY, START_DAY + 300),
    Grant("S", "kjp", "lkp", "dewi", START_DAY, START_DAY + 300),
    Grant("A", "ride", "worker", "budi", START_DAY, START_DAY + 99),
    Grant("B", "ride", "elderly", "ani", START_DAY, START_DAY + 99),
)


GIVEN_BACK: Final = (Tap, Purchase, Post, Group, TopUp, Adjustment, Subsidy, Withdrawal)

Leg: TypeAlias = Literal["both", "bank", "chip"]


def rules_at(now_ms: int) -> PurseRules:
    """Return the limits in force at a moment of the histories."""
    return LATER if day_of(now_ms) >= LATER_DAY else RULES


class Teller:
    """Tells what happens next, by a seeded chance."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self._kinds: tuple[tuple[int, Callable[[], Intent]], ...] = (
            (20, self.tap),
            (8, self.purchase),
            (5, self.withdrawal),
            (14, self.top_up),
            (2, self.subsidy),
            (2, self.share),
            (12, self.group),
            (12, self.hold),
            (4, self.adjustment),
            (2, self.issue),
            (2, lambda: Block(self.card(), "lost")),
            (6, lambda: Unblock(self.card(), "found")),
            (3, lambda: Replace(self.card(), self.one_of("NMOP?"))),
            (1, lambda: Close(self.card())),
            (7, self.grant),
            (1, lambda: Identify(self.card(), self.one_of("ani budi b*di"))),
            (3, lambda: Revoke(self.card(), self.one_of("ride ride kjp"), "sold")),
        )

    def one_of(self, choices: str) -> str:
        """Return one of some words, or letters; `?` stands for a name that cannot be."""
        return self.chance.choice(choices.split() if " " in choices else choices)

    def card(self) -> str:
        return self.one_of("A A A A A B B B B B S S S S N N M O no*card")

    def programme(self) -> str:
        """Return a programme, or as a rule none."""
        purses = ["", "", "", "", "kjp", "kjp", "food", "rice", "rice", "new", "no*purse"]
        return self.chance.choice(purses)

    def amount_rp(self) -> int:
        return self.chance.choice((1, 5, 10, 20, 40, 60, 100, self.chance.randint(1, 220)))

    def proof(self) -> bytes | None:
        return b"mac" if self.chance.random() < 0.15 else None

    def operator(self) -> str:
        return self.one_of("tj tj tj mrt mrt lrt n*body")

    def tap(self) -> Tap:
        amount_rp = self.chance.choice((0, self.amount_rp(), self.amount_rp()))
        card, proof = self.card(), self.proof()
        if card == "S" and self.chance.random() < 0.8:
            proof = b"mac"
        operator, purse = self.operator(), self.programme()
        return Tap(card, amount_rp, operator, "out", purse=purse, proof=proof)

    def purchase(self) -> Purchase:
        merchant = self.one_of("shop shop kiosk n*body")
        return Purchase(
            self.card(), self.amount_rp(), merchant, purse=self.programme(), proof=self.proof()
        )

    def withdrawal(self) -> Withdrawal:
        bank = self.one_of("dki dki dki bca n*body")
        amount_rp = min(60, self.amount_rp())
        return Withdrawal(self.card(), amount_rp, bank, self.programme(), proof=self.proof())

    def top_up(self) -> TopUp:
        legs: tuple[Leg, ...] = ("both", "both", "both", "bank", "chip")
        leg = self.chance.choice(legs)
        fee_rp = self.chance.choice((0, 0, 0, 3, 4, 6))
        bank = self.one_of("dki dki dki bca bca n*body")
        amount_rp, proof, purse = self.amount_rp(), self.proof(), self.programme()
        if purse == "kjp" and self.chance.random() < 0.3:
            proof = b"mac"
        return TopUp(self.card(), amount_rp, bank, fee_rp, leg, purse, proof)

    def subsidy(self) -> Subsidy:
        return Subsidy(self.one_of("kjp kjp food n*body"), self.operator(), self.amount_rp())

    def share(self) -> Share:
        return Share(self.operator(), self.operator(), self.amount_rp())

    def group(self) -> Group:
        tellers = (self.tap, self.tap, self.purchase, self.top_up, self.subsidy, self.share)
        parts: list[Part] = [
            self.chance.choice(tellers)() for _ in range(self.chance.randint(1, 4))
        ]
        if self.chance.random() < 0.1:
            return Group(tuple(parts))
        card = self.card()
        return Group(
            tuple(p if isinstance(p, Subsidy | Share) else replace(p, card=card) for p in parts)
        )

    def hold(self) -> Hold:
        expires_ms = self.chance.choice((1, MINUTE_MS, *[2000 * MINUTE_MS] * 4))
        amount_rp, purse = min(60, self.amount_rp()), self.programme()
        if self.chance.random() < 0.5:
            return Hold(self.card(), amount_rp, "operator", self.operator(), expires_ms, purse)
        return Hold(self.card(), amount_rp, "merchant", "shop", expires_ms, purse)

    def adjustment(self) -> Adjustment:
        card, programme = self.card(), self.programme()
        amount_rp = self.amount_rp() * self.chance.choice((-1, 1))
        line = (2, f"{card}/{programme}", amount_rp) if programme else (1, card, amount_rp)
        others = [(7, "kjp")] * 3 if programme else [(10, "found"), (3, "tj"), (5, "dki")]
        if programme and self.chance.random() < 0.2:
            # No programme's purse has such an owner.
            line = (2, self.one_of(f"{card} {card}/"), amount_rp)
        if not programme and self.chance.random() < 0.2:
            line = (3, "tj", amount_rp)
            others = [(9, "pool"), (5, "dki")]
        kind, owner = self.chance.choice([*others, (7, "kjp"), (1, "B"), (2, "A/kjp")])
        return Adjustment("wati", "a correction", (line, (kind, owner, -amount_rp)), card)

    def issue(self) -> Issue:
        bank = self.one_of("dki bca n*body")
        media: tuple[MediumName, ...] = ("account", "account", "stored")
        medium = self.chance.choice(media)
        return Issue(self.card(), medium, bank, self.chance.random() < 0.5)

    def grant(self) -> Grant:
        programme, group = self.one_of(
            "ride/elderly ride/worker ride/worker kjp/sd kjp/lkp bus/sd"
        ).split("/")
        since_day = START_DAY + self.chance.choice((0, 0, 1, 2, 3))
        until_day = since_day + self.chance.choice((-1, 0, 0, 1, 2, 150, 300))
        holder = self.one_of("ani ani ani budi budi budi b*di")
        return Grant(self.card(), programme, group, holder, since_day, until_day)

    def wait(self, now_ms: int) -> int:
        """Return what the clock says next."""
        day = day_in_jakarta(now_ms) + timedelta(days=1)
        midnight_ms = wib_ms(day.year, day.month, day.day)
        waits = (now_ms + 1, now_ms + MINUTE_MS, midnight_ms - 1, midnight_ms, now_ms + MINUTE_MS)
        return max(now_ms, self.chance.choice((*[now_ms] * 20, *waits)))

    def intent(self, entries: list[Entry]) -> Intent:
        """Return what is sent next; a third of it speaks of what was sent before."""
        if self.chance.random() < 0.3:
            return self.reference(entries)
        weights = [weight for weight, _ in self._kinds]
        ((_, tell),) = self.chance.choices(self._kinds, weights)
        return tell()

    def reference(self, entries: list[Entry]) -> Intent:
        """Return what takes or lets go a hold, or gives back a payment; mostly a recent one."""
        of_hold = self.chance.random() < 0.5
        wanted = (Hold,) if of_hold else GIVEN_BACK
        recent = [entry for entry in entries if isinstance(entry.intent, wanted) and entry.posted]
        # Now and then it is one that cannot be given back at all.
        found = recent[-4:] if recent and self.chance.random() < 0.9 else entries
        entry = self.chance.choice(found)
        terminal, counter = entry.terminal, entry.counter
        card = self.card() if self.chance.random() < 0.1 else entry.intent.card or "A"
        amount_rp = min(self.amount_rp(), self.amount_rp())
        if of_hold and self.chance.random() < 0.7:
            return Post(card, terminal, counter, amount_rp)
        if of_hold:
            return Void(card, terminal, counter)
        if self.chance.random() < 0.5:
            return Refund(terminal, counter, amount_rp)
        return Reversal(terminal, counter)


History: TypeAlias = tuple[int, int]
"""Seed and length."""

histories = st.tuples(st.integers(0, 2**32), st.just(STEPS_MAX) | st.integers(0, STEPS_MAX))


def play(
    history: History, look: Callable[[Book, Entry], None] = lambda _book, _entry: None
) -> Ledger:
    """Play a history before an auditor; `look` sees each entry after it was applied.

    Raises:
      Violation: of what money must never do.
    """
    seed, length = history
    teller, auditor, ledger = Teller(seed), Auditor(), Ledger(now_ms=START_MS)

    def send(intent: Intent, terminal: str) -> None:
        ledger.rules = rules_at(ledger.now_ms)
        entry = ledger.send(intent, terminal)
        auditor.check(entry, ledger.rules, ledger.book)
        look(ledger.book, entry)

    for intent in OPENING:
        send(intent, "T")
    for _ in range(length):
        ledger.now_ms = teller.wait(ledger.now_ms)
        send(teller.intent(ledger.entries), teller.one_of("TU"))
    return ledger
