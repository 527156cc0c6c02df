"""Days of terminals that had no node: taps of virtual cards, made by the program of a terminal.

Each terminal has its own cards, which a kiosk beside it has loaded; its journal is a real one, on
the disk, with a proof of a chip in each tap.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Final, TypeVar

import trio
from msgspec import Struct

from bench.errors import BenchError
from bench.lanes import (
    BANK,
    CardHere,
    Hands,
    Masters,
    Parts,
    build_lane,
    card_keys,
    card_number,
    gate,
    make_card,
    opened_journal,
    shop,
)
from ops.virtual_card.card import VirtualCard
from protocol.chip.keys import Role, SoftwareCardKeys
from protocol.chip.profile import Use
from terminals.acceptance.journal import TapJournal
from terminals.acceptance.offline import Accepted, Held
from terminals.acceptance.point import Point
from terminals.acceptance.rows import Field, Shift
from terminals.acceptance.visit import Taken, Talk

T = TypeVar("T")

CARD_TAPS: Final = 250
"""Of one card on that day, at its one terminal."""
LOADED_RP: Final = 1_500_000
DAY_MS: Final = 18 * 3600 * 1000
AGO_MS: Final = 20 * 3600 * 1000
"""When the day began."""
AMOUNT_STEP_RP: Final = 500
AMOUNT_STEPS: Final = 8
"""What somebody pays in a shop: so many steps at most."""
MAKING_S_MAX: Final = 1_800.0


class DayPlan(Struct, frozen=True, kw_only=True):
    """A day to be made, in whatever process.

    Attributes:
      number: of the terminal: it tells names, cards and chance.
      folder: for its journals.
      now_ms: today.
    """

    number: int
    folder: str
    taps: int
    masters: dict[str, bytes]
    now_ms: int


class CardMade(Struct, frozen=True):
    """A card that was used; `value_rp` stands on its chip."""

    number: str
    uid: bytes
    value_rp: int


class Told(Struct, frozen=True):
    """A terminal, its journal, and its shift as it has counted it."""

    terminal: str
    journal: str
    shift: Shift


class DayMade(Struct, frozen=True):
    """What there is of a day.

    Attributes:
      kiosk: that has loaded the cards.
    """

    gate: Told
    kiosk: Told
    cards: list[CardMade]


def make_days(
    place: Path, terminals: int, taps: int, *, masters: Masters, now_ms: int, workers: int
) -> list[DayMade]:
    """Make the days of terminals, in several processes."""
    plans = [
        DayPlan(
            number=number,
            folder=str(place / f"{number:03d}"),
            taps=taps,
            masters=dict(masters),
            now_ms=now_ms,
        )
        for number in range(terminals)
    ]
    with ProcessPoolExecutor(min(workers, terminals), get_context("spawn")) as pool:
        return list(pool.map(make_day, plans, timeout=MAKING_S_MAX))


def make_day(plan: DayPlan) -> DayMade:
    """Make a day, in this process.

    Raises:
      BenchError: a card was turned away.
    """
    place, keys = Path(plan.folder), card_keys(plan.masters)
    place.mkdir(parents=True)
    chance = random.Random(plan.number)
    began_ms = plan.now_ms - AGO_MS
    first = 1 + 1_000 * plan.number
    made = {
        card_number(number): make_card(keys, number, began_ms, chance.randbytes)
        for number in range(first, first + max(1, round(plan.taps / CARD_TAPS)))
    }
    kiosk = _load(plan, place, keys, list(made.values()), chance)
    name = f"terminal-{plan.number:03d}"
    point = gate(name) if plan.number % 2 == 0 else shop(name)
    hands = Hands(began_ms)
    with opened_journal(place / name, began_ms) as journal:
        parts = build_lane(
            point, Role.DEBIT, keys, journal, clock=hands.clock(), chance=chance.randbytes
        )
        trio.run(_take_all, parts, point, plan.taps, list(made.values()), hands, chance)
        used = [_used(parts, number, card) for number, card in made.items()]
        told = _told(name, journal, place / name, hands.now_ms)
    return DayMade(told, kiosk, used)


async def _take_all(
    parts: Parts,
    point: Point,
    taps: int,
    cards: Sequence[VirtualCard],
    hands: Hands,
    chance: random.Random,
) -> None:
    lane = parts.lane
    for tap in range(taps):
        hands.now_ms += DAY_MS // taps
        if point.kind == "shop":
            lane.amount_rp = AMOUNT_STEP_RP * chance.randint(1, AMOUNT_STEPS)
        card = CardHere(cards[tap % len(cards)]).found()

        async def present(work: Callable[[Talk], T], /, card: CardHere = card) -> T:
            await trio.lowlevel.checkpoint()
            return work(card)

        visit = await lane.serve(present)
        if not isinstance(visit, Taken) or not visit.counter:
            raise BenchError(f"tap {tap + 1} of {point.terminal} was not taken: {visit}")


def _load(
    plan: DayPlan,
    place: Path,
    keys: SoftwareCardKeys,
    cards: Sequence[VirtualCard],
    chance: random.Random,
) -> Told:
    """Put money on cards, with proofs of their chips."""
    name = f"terminal-kiosk-{plan.number:03d}"
    point = Point(kind="kiosk", terminal=name, place="Blok M", bank=BANK)
    hands = Hands(plan.now_ms - AGO_MS)
    with opened_journal(place / name, hands.now_ms) as journal:
        parts = build_lane(
            point, Role.LOAD, keys, journal, clock=hands.clock(), chance=chance.randbytes
        )
        for card in cards:
            visit = parts.visits.take(CardHere(card).found(), _accept, _top_up)
            if not isinstance(visit, Taken):
                raise BenchError(f"a card was not loaded: {visit}")
        return _told(name, journal, place / name, hands.now_ms)


def _accept(_held: Held) -> Accepted:
    return Accepted(Use.TOP_UP, "", LOADED_RP)


def _top_up(held: Held, decision: Accepted) -> tuple[Field, ...]:
    return ("top_up", held.face.number, decision.change_rp, BANK, 0, "both", "", None)


def _used(parts: Parts, number: str, card: VirtualCard) -> CardMade:
    held, _ = parts.visits.look(CardHere(card).found())
    return CardMade(number, card.state.uid, held.value_rp)


def _told(terminal: str, journal: TapJournal, folder: Path, now_ms: int) -> Told:
    return Told(terminal, str(folder), journal.close_shift(now_ms))
