"""Random histories of a few cards, operators, banks and programmes, watched by an auditor."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Final, NamedTuple, TypeAlias

from hypothesis import strategies as st
from msgspec.structs import replace

from engine.book import Book
from engine.calendar import day_of, day_of_date
from engine.rules.purses import PurseRules, in_force
from engine.transaction import (
    Adjustment,
    Block,
    Close,
    Entry,
    Group,
    Hold,
    Intent,
    Issue,
    Post,
    Purchase,
    Refund,
    Replace,
    Reversal,
    Share,
    Subsidy,
    Tap,
    TopUp,
    Unblock,
    Void,
)
from tests.engine.auditor import Auditor
from tests.engine.figures import day_in_jakarta
from tests.engine.ledger import RULES, Ledger, wib_ms

# Limits change in the middle of what the histories tell of.
LATER: Final = replace(
    RULES,
    valid_from_day=day_of_date(2024, 2, 1),
    unregistered=replace(RULES.unregistered, rule="test.later", ceiling_rp=150, spend_day_rp=60),
)
START_MS: Final = wib_ms(2024, 1, 30, 22)
MINUTE_MS: Final = 60_000

Wait: TypeAlias = Callable[[int], int]
"""What the clock says next, given what it says now."""


def _at_midnight(now_ms: int) -> int:
    day = day_in_jakarta(now_ms) + timedelta(days=1)
    return wib_ms(day.year, day.month, day.day)


WAITS: Final[dict[str, Wait]] = {
    "none": lambda now_ms: now_ms,
    "a minute": lambda now_ms: now_ms + MINUTE_MS,
    "six hours": lambda now_ms: now_ms + 360 * MINUTE_MS,
    "to the end of the day": lambda now_ms: max(now_ms, _at_midnight(now_ms) - 1),
    "to midnight": _at_midnight,
}


class Step(NamedTuple):
    """Wait, then let a terminal send an intent; `aim` chooses what a reference refers to."""

    wait: str
    terminal: str
    intent: Intent
    aim: int


cards = st.sampled_from(["A", "A", "A", "B", "B", "S", "N", "M", "no card"])
purses = st.sampled_from(["", "", "", "kjp", "kjp", "food", "rice", "no/purse"])
operators = st.sampled_from(["tj", "tj", "mrt", "n*body"])
merchants = st.sampled_from(["shop", "kiosk", "n*body"])
banks = st.sampled_from(["dki", "dki", "bca", ""])
programmes = st.sampled_from(["kjp", "food", "n*body"])
amounts = st.integers(1, 60) | st.sampled_from([1, 20, 40, 60, 100, 200])
proofs = st.sampled_from([None, None, None, b"mac"])
directions = st.sampled_from(["in", "out"])

taps = st.builds(
    *(Tap, cards, amounts | st.just(0), operators, directions),
    purse=purses,
    proof=proofs,
)
purchases = st.builds(Purchase, cards, amounts, merchants, purse=purses, proof=proofs)
top_ups = st.builds(
    *(TopUp, cards, amounts, banks, st.sampled_from([0, 0, 3])),
    *(st.sampled_from(["both", "both", "bank", "chip"]), purses, proofs),
)
subsidies = st.builds(Subsidy, programmes, operators, amounts)
shares = st.builds(Share, operators, operators, amounts)


def _on_one_card(parts: list[Tap | Purchase | TopUp | Subsidy | Share], card: str) -> Group:
    return Group(
        tuple(
            part if isinstance(part, Subsidy | Share) else replace(part, card=card)
            for part in parts
        )
    )


groups = st.builds(
    _on_one_card,
    st.lists(st.one_of(taps, purchases, top_ups, subsidies, shares), min_size=1, max_size=4),
    cards,
)
mixed_groups = st.lists(taps | subsidies, min_size=1, max_size=3).map(lambda p: Group(tuple(p)))
holds = st.builds(
    *(Hold, cards, amounts),
    *(st.sampled_from(["operator", "merchant"]), st.sampled_from(["tj", "shop", "n*body"])),
    *(st.sampled_from([1, MINUTE_MS, 1000 * MINUTE_MS]), purses),
)


def _adjustment(card: str, programme: str, other: tuple[int, str], amount_rp: int) -> Adjustment:
    line = (2, f"{card}/{programme}") if programme else (1, card)
    lines = ((*line, amount_rp), (*other, -amount_rp))
    return Adjustment("wati", "a correction", lines, card)


adjustments = st.builds(
    *(_adjustment, cards, purses),
    st.sampled_from([(10, "found"), (3, "tj"), (5, "dki"), (7, "kjp"), (1, "B"), (2, "A/kjp")]),
    st.one_of(amounts, amounts.map(lambda rp: -rp)),
)
lives = st.one_of(
    st.builds(Issue, cards, st.sampled_from(["account", "stored"]), banks, st.booleans()),
    st.builds(Block, cards, st.just("lost")),
    st.builds(Unblock, cards, st.just("found")),
    st.builds(Replace, cards, st.sampled_from(["N", "M", "O", "P", "no card"])),
    st.builds(Close, cards),
)
references = st.one_of(
    st.just(Reversal("T", 1)),
    st.builds(Refund, st.just("T"), st.just(1), amounts),
    st.builds(Post, cards, st.just("T"), st.just(1), amounts),
    st.builds(Void, cards, st.just("T"), st.just(1)),
)
steps = st.builds(
    Step,
    st.sampled_from([*["none"] * 6, *WAITS]),
    st.sampled_from("TU"),
    st.one_of(taps, purchases, top_ups, groups, holds, references, references, lives, adjustments)
    | st.one_of(subsidies, shares, mixed_groups, taps, top_ups, holds, references, references),
    st.integers(0, 99),
)
histories = st.lists(steps, max_size=40)

OPENING: Final = (
    Issue("A", "account", "dki"),
    Issue("B", "account", "bca", registered=True),
    Issue("S", "stored", "dki"),
    TopUp("A", 150, "dki"),
    TopUp("B", 200, "bca"),
    TopUp("S", 100, "dki"),
    TopUp("A", 90, purse="kjp"),
    TopUp("B", 80, purse="food"),
)


def rules_at(now_ms: int) -> PurseRules:
    """Return the limits in force at a moment of the histories."""
    return in_force((RULES, LATER), day_of(now_ms))


def _aimed(step: Step, entries: list[Entry]) -> Intent:
    """Point a reference at an entry of the history, one of the right kind as a rule."""
    intent = step.intent
    wanted: type[Intent] | tuple[type[Intent], ...]
    if isinstance(intent, Post | Void):
        wanted = Hold
    elif isinstance(intent, Reversal | Refund):
        wanted = (Tap, Purchase, Post, Group, TopUp, Adjustment, Share, Subsidy)
    else:
        return intent
    candidates = [entry for entry in entries if isinstance(entry.intent, wanted)] or entries
    # The newest are met most often: what they did is still there to be undone.
    entry = candidates[-1 - step.aim % min(len(candidates), 12)]
    aimed = replace(intent, terminal=entry.terminal, counter=entry.counter)
    if isinstance(aimed, Post | Void) and step.aim % 7:
        aimed = replace(aimed, card=entry.intent.card)
    return aimed


def play(
    history: Iterable[Step], look: Callable[[Book, Entry], None] = lambda _book, _entry: None
) -> Ledger:
    """Play a history before an auditor; `look` sees each entry after it was applied.

    Raises:
      Violation: of what money must never do.
    """
    ledger, auditor = Ledger(now_ms=START_MS), Auditor()

    def send(intent: Intent, terminal: str) -> None:
        ledger.rules = rules_at(ledger.now_ms)
        entry = ledger.send(intent, terminal)
        auditor.check(entry, ledger.rules, ledger.book)
        look(ledger.book, entry)

    for intent in OPENING:
        send(intent, "T")
    for step in history:
        ledger.now_ms = WAITS[step.wait](ledger.now_ms)
        send(_aimed(step, ledger.entries), step.terminal)
    return ledger
