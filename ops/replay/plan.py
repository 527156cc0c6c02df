"""From trips to transactions, whose ids and content depend on nothing but the days in the file.

A terminal numbers what happens at it day by day: its counter is the number of days since
2000-01-01, times a million, plus the place among the taps of that day. So a file that is replayed
again posts nothing new; a file with other days posts its own; and one day means the same
transactions in every file that holds that day whole. What belongs to a trip counts on the day of
its tap-in, also a tap-out after midnight.

Money gets onto a card before it is spent, also day by day: in the morning the card's bank loads
what the trips of the day will cost, in tens of thousands of rupiah, as a terminal `loader-BANK`.
(One sum for the whole file would be another sum, under the same id, in the next file.) A day's
rides stay far below the ceiling of a purse; if ever they did not, an advice is posted all the
same, and filed as an exception.

Cards are not issued here: whether a card exists is asked of the ledger (ops.replay.cards).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from engine.calendar import DAY_MS, WIB_OFFSET_MS, day_of
from ops.replay.errors import ReplayError
from ops.replay.trips import LOADER, Touch, Trip
from terminals import intents
from terminals.intents import Intent
from terminals.messages import AnswerBody, Outcome

DAY_2000: Final = 10_957
"""2000-01-01, counted from 1970-01-01."""
PER_DAY_MAX: Final = 1_000_000
"""Counters of one terminal for one day; a tap each tenth of a second."""
LOAD_STEP_RP: Final = 10_000
"""Banks load no smaller amounts."""
PROOF_BYTES: Final = 8

Direction: TypeAlias = Literal["in", "out"]
Kind: TypeAlias = Direction | Literal["load"]


@dataclass(slots=True, eq=False)
class Step:
    """One transaction of the replay, and what became of it.

    Attributes:
      kind: which end of a trip, or a card being loaded.
      trip: that it belongs to; for a load the first of the day.
      terminal, counter: its id.
      at_ms: the time that it carries.
      due_ms: the time in the file at which it is sent.
      amount_rp: on a tap-in and a load; a tap-out carries none.
      outcome: what the node said.
      found: what the ledger holds under its id, once it was asked.
    """

    kind: Kind
    trip: Trip
    terminal: str
    counter: int
    at_ms: int
    due_ms: int
    amount_rp: int
    intent: Intent
    outcome: Outcome | None = None
    found: AnswerBody | None = None

    @property
    def is_tap(self) -> bool:
        """Whether it is one end of a trip."""
        return self.kind != "load"


@dataclass(frozen=True, slots=True)
class Plan:
    """All transactions of a file, in the order of sending, and the bank of each card."""

    steps: list[Step]
    banks: dict[str, str]

    @property
    def taps(self) -> list[Step]:
        """The taps among them."""
        return [step for step in self.steps if step.is_tap]


def make_plan(trips: Sequence[Trip]) -> Plan:
    """Return what has to be sent for these trips.

    Raises:
      ReplayError: more taps at one stop on one day than there are counters.
    """
    steps = [*_loads(trips), *_taps(trips)]
    # A card's load comes before its first tap of the day, and that at the same moment in the file.
    steps.sort(key=lambda step: (step.due_ms, step.is_tap, step.trip.trans_id, step.kind))
    return Plan(steps, {trip.card: trip.bank for trip in trips})


def _taps(trips: Iterable[Trip]) -> Iterator[Step]:
    at_stops: defaultdict[tuple[str, int], list[tuple[int, str, Direction, Trip]]] = defaultdict(
        list
    )
    for trip in trips:
        day = day_of(trip.tap_in.at_ms)
        for direction, touch in _touches(trip):
            tap = (touch.at_ms, trip.trans_id, direction, trip)
            at_stops[touch.terminal, day].append(tap)
    for (terminal, day), taps in at_stops.items():
        # In order of (time, transID, direction), which no two taps of a stop share.
        for number, (at_ms, _, direction, trip) in enumerate(sorted(taps), start=1):
            yield _tap(trip, direction, at_ms, terminal, _counter(terminal, day, number))


def _touches(trip: Trip) -> Iterator[tuple[Direction, Touch]]:
    yield "in", trip.tap_in
    if trip.tap_out is not None:
        yield "out", trip.tap_out


def _tap(trip: Trip, direction: Direction, at_ms: int, terminal: str, counter: int) -> Step:
    amount_rp = trip.amount_rp if direction == "in" else 0
    intent = intents.tap(
        trip.card,
        amount_rp,
        trip.operator,
        direction,
        place=terminal,
        line=trip.corridor,
        proof=_proof(trip.trans_id, direction),
    )
    return Step(direction, trip, terminal, counter, at_ms, at_ms, amount_rp, intent)


def _loads(trips: Iterable[Trip]) -> Iterator[Step]:
    days: defaultdict[tuple[str, int], defaultdict[str, list[Trip]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for trip in trips:
        if trip.amount_rp:
            days[trip.bank, day_of(trip.tap_in.at_ms)][trip.card].append(trip)
    for (_, day), cards in days.items():
        for number, card in enumerate(sorted(cards), start=1):
            yield _load(day, number, cards[card])


def _load(day: int, number: int, paid: Sequence[Trip]) -> Step:
    card, bank = paid[0].card, paid[0].bank
    spent_rp = sum(trip.amount_rp for trip in paid)
    amount_rp = -(-spent_rp // LOAD_STEP_RP) * LOAD_STEP_RP
    first = min(paid, key=lambda trip: (trip.tap_in.at_ms, trip.trans_id))
    midnight_ms = day * DAY_MS - WIB_OFFSET_MS
    terminal = LOADER + bank
    return Step(
        "load",
        first,
        terminal,
        _counter(terminal, day, number),
        midnight_ms,
        first.tap_in.at_ms,
        amount_rp,
        intents.top_up(card, amount_rp, bank, proof=_proof(card, "load", str(day))),
    )


def _counter(terminal: str, day: int, number: int) -> int:
    if number >= PER_DAY_MAX:
        raise ReplayError(f"{terminal}: {PER_DAY_MAX:,} or more taps on one day")
    return (day - DAY_2000) * PER_DAY_MAX + number


def _proof(*parts: str) -> bytes:
    # Stands for the chip's own proof, which the file does not have.
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=PROOF_BYTES).digest()
