"""From trips to transactions: what the ledger holds keeps its id, what is new gets the next one.

A terminal numbers what happens at it day by day: its counter is the number of days since
2000-01-01, times a million, plus a number. The taps of a day are numbered in the order of their
times; what an earlier replay has posted is recognised by its proof, wherever it stands, and keeps
the number it has. So a file that is replayed again, alone or as a part of a longer, mended or
reordered one, posts nothing but what is new in it. What belongs to a trip counts on the day of its
tap-in, also a tap-out after midnight.

Money gets onto a card before it is spent, also day by day: in the morning the card's bank loads
what the trips of the day will cost, in tens of thousands of rupiah, as a terminal `loader-BANK`.
If a longer file has more trips of that day, what then is short is loaded on top. A day's rides stay
far below the ceiling of a purse; if ever they did not, an advice is posted all the same, and filed
as an exception.

A trip that is to be rated names its service in both taps, and then the node says what is due. What
the ledger holds of it stays as it was sent: a trip that was not rated then is not rated now, nor
the other way round, for a ride cannot be half of each.

Cards are not issued here: whether a card exists is asked of the ledger (ops.replay.ledger).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from engine.calendar import DAY_MS, WIB_OFFSET_MS, day_of
from ops.replay.held import (
    Held,
    counter_of,
    day_of_counter,
    load_proof,
    proof_in,
    service_in,
    tap_proof,
)
from ops.replay.services import Services
from ops.replay.trips import LOADER, Touch, Trip
from terminals import intents
from terminals.intents import Intent
from terminals.messages import AnswerBody, Entry, Outcome

LOAD_STEP_RP: Final = 10_000
"""Banks load no smaller amounts."""

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
      is_held: whether the ledger holds it since an earlier replay, under this id.
      outcome: what the node said.
      was_resent: whether it may have been sent more than once in this replay.
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
    is_held: bool
    outcome: Outcome | None = None
    was_resent: bool = False
    found: AnswerBody | None = None

    @property
    def is_tap(self) -> bool:
        """Whether it is one end of a trip."""
        return self.kind != "load"

    @property
    def day(self) -> int:
        """The day that its counter belongs to."""
        return day_of_counter(self.counter)

    @property
    def service(self) -> str:
        """What it is rated as; empty if it is not, or no tap."""
        return service_in(self.intent)

    @property
    def proof(self) -> bytes:
        """By which it is recognised."""
        return proof_in(self.intent)


@dataclass(frozen=True, slots=True)
class Plan:
    """All transactions of a file, in the order of sending."""

    steps: list[Step]

    @property
    def taps(self) -> list[Step]:
        """The taps among them."""
        return [step for step in self.steps if step.is_tap]


def make_plan(trips: Sequence[Trip], held: Held, services: Services | None = None) -> Plan:
    """Return what has to be sent for these trips.

    Args:
      trips: of the file, in any order.
      held: what the ledger holds of them, and what takes a number that they might get.
      services: by which they are rated; None: they are not.

    Raises:
      ReplayError: more taps at one stop on one day than there are counters.
    """
    numbers = _Numbers(held)
    steps = [*_loads(trips, held, numbers), *_taps(trips, held, numbers, services)]
    # A card's loads come before its first tap of the day, and that at the same moment in the file.
    steps.sort(key=lambda step: (step.due_ms, step.is_tap, step.trip.trans_id, step.kind))
    return Plan(steps)


class _Numbers:
    """Gives out the numbers of terminals, day by day, that nothing in the ledger has."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self._last: Counter[tuple[str, int]] = Counter()

    def next_counter(self, terminal: str, day: int) -> int:
        while True:
            self._last[terminal, day] += 1
            counter = counter_of(terminal, day, self._last[terminal, day])
            if self._held.under(terminal, counter) is None:
                return counter


def _taps(
    trips: Iterable[Trip], held: Held, numbers: _Numbers, services: Services | None
) -> Iterator[Step]:
    taps: list[tuple[int, str, Direction, str, Trip]] = [
        (touch.at_ms, trip.trans_id, direction, touch.terminal, trip)
        for trip in trips
        for direction, touch in _touches(trip)
    ]
    # In order of (time, transID, direction), which no two taps share: also the order of sending.
    for at_ms, trans_id, direction, terminal, trip in sorted(taps):
        amount_rp = trip.amount_rp if direction == "in" else 0
        intent = intents.tap(
            trip.card,
            amount_rp,
            trip.operator,
            direction,
            place=terminal,
            line=trip.corridor,
            proof=tap_proof(trans_id, direction),
            service=_service(trip, held, services),
        )
        known = held.with_proof(proof_in(intent))
        if known is not None:
            # Where row and ledger differ the node will say so, and nothing is posted.
            sender, counter = known.terminal, known.counter
        else:
            sender = terminal
            counter = numbers.next_counter(terminal, day_of(trip.tap_in.at_ms))
        yield Step(
            direction, trip, sender, counter, at_ms, at_ms, amount_rp, intent, known is not None
        )


def _service(trip: Trip, held: Held, services: Services | None) -> str:
    for direction, _ in _touches(trip):
        if known := held.with_proof(tap_proof(trip.trans_id, direction)):
            return service_in(known.intent)
    return services.of(trip) if services is not None else ""


def _touches(trip: Trip) -> Iterator[tuple[Direction, Touch]]:
    yield "in", trip.tap_in
    if trip.tap_out is not None:
        yield "out", trip.tap_out


def _loads(trips: Iterable[Trip], held: Held, numbers: _Numbers) -> Iterator[Step]:
    days: defaultdict[tuple[str, int], list[Trip]] = defaultdict(list)
    for trip in sorted(trips, key=lambda trip: (trip.tap_in.at_ms, trip.trans_id)):
        if trip.amount_rp:
            days[trip.card, day_of(trip.tap_in.at_ms)].append(trip)
    # Each card and day comes with its first trip of the day, so these are in the order of sending.
    for (_, day), paid in days.items():
        yield from _loads_of_day(day, paid, held, numbers)


def _loads_of_day(day: int, paid: Sequence[Trip], held: Held, numbers: _Numbers) -> Iterator[Step]:
    first = paid[0]
    earlier = list(_earlier_loads(first.card, day, held))
    for entry in earlier:
        yield _load_step(first, entry.terminal, entry.counter, entry.at_ms, entry.intent, held=True)
    new_rp = sum(
        trip.amount_rp for trip in paid if held.with_proof(tap_proof(trip.trans_id, "in")) is None
    )
    loaded_rp = sum(_amount_rp(entry.intent) for entry in earlier)
    short_rp = new_rp + held.spent_rp(first.card, day) - loaded_rp
    if new_rp and short_rp > 0:
        amount_rp = -(-short_rp // LOAD_STEP_RP) * LOAD_STEP_RP
        proof = load_proof(first.card, day, len(earlier))
        intent = intents.top_up(first.card, amount_rp, first.bank, proof=proof)
        terminal = LOADER + first.bank
        counter = numbers.next_counter(terminal, day)
        yield _load_step(first, terminal, counter, day * DAY_MS - WIB_OFFSET_MS, intent, held=False)


def _earlier_loads(card: str, day: int, held: Held) -> Iterator[Entry]:
    earlier = 0
    while entry := held.with_proof(load_proof(card, day, earlier)):
        yield entry
        earlier += 1


def _load_step(
    first: Trip, terminal: str, counter: int, at_ms: int, intent: Intent, *, held: bool
) -> Step:
    due_ms = first.tap_in.at_ms
    amount_rp = _amount_rp(intent)
    return Step("load", first, terminal, counter, at_ms, due_ms, amount_rp, intent, held)


def _amount_rp(load: Intent) -> int:
    amount_rp = load[2]
    assert isinstance(amount_rp, int), "what is recognised as a load is one"
    return amount_rp
