"""What the node made of the rides of a file: what each was due, and how it ended.

All of it is read from the entries that the ledger holds: what was paid is the line on the purse,
what was due are the lines of operators, and which ride is open stands in the rating. An entry that
ends a ride carries what that ride costs, so the fare of one that was not tapped out stands in the
entry of the card's next tap-in. A tap that came late carries what it changed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from engine.accounts import OPERATOR_REVENUE, OWED_FARES, PURSE
from engine.fares.state import Boarding, Rating
from ops.replay.plan import Step
from ops.replay.trips import Trip
from terminals.messages import Entry, Found


class Priced(NamedTuple):
    """Rides of a service for which so much was paid, and so much was due."""

    service: str
    paid_rp: int
    due_rp: int


@dataclass(frozen=True, slots=True)
class Rides:
    """The rides of a file that the node has rated.

    Attributes:
      taps: that were rated.
      paid_rp, owed_rp, earned_rp: what chips paid by them, what cards are owed of it (below zero:
        owe), and what operators earned.
      ended: how many rides of each kind have ended.
      open: lines of the rides that have not, so that nothing is due for them yet.
      open_paid_rp: what was paid for these.
      next_tap: lines of the rides without a tap-out that the card's next tap has ended.
      overlapping: lines of the rides that were under way while the card began another one.
      unrated: lines of the trips of which a tap was not rated.
    """

    taps: int
    paid_rp: int
    owed_rp: int
    earned_rp: int
    ended: Counter[Priced]
    open: list[int]
    open_paid_rp: int
    next_tap: list[int]
    overlapping: list[int]
    unrated: list[int]

    @property
    def balanced(self) -> bool:
        """Whether operators earned what was paid and is not owed."""
        return self.paid_rp - self.owed_rp == self.earned_rp


@dataclass(slots=True)
class _Course:
    """What became of a trip."""

    trip: Trip
    service: str
    paid_rp: int = 0
    due_rp: int = 0
    has_ended: bool = False


@dataclass(slots=True)
class _Card:
    """The trips of a card, followed tap by tap in the order in which the ledger took them."""

    courses: dict[str, _Course] = field(default_factory=dict)
    boarded: dict[tuple[int, str], _Course] = field(default_factory=dict)
    inside: _Course | None = None

    def take(self, step: Step, entry: Entry) -> None:
        known = self.courses.get(step.trip.trans_id)
        if known is None:
            known = self.courses[step.trip.trans_id] = _Course(step.trip, step.service)
        known.paid_rp -= moved_rp(entry, PURSE)
        if step.kind == "in":
            self.boarded[step.at_ms, step.trip.tap_in.terminal] = known
        before, boarding = self.inside, _inside(entry)
        self.inside = None
        if boarding is not None:
            self.inside = self.boarded.get((boarding.at_ms, boarding.place))
        ends_before = before is not None and before is not self.inside
        ended = before if before is not None and ends_before else known
        ended.has_ended |= ends_before or step.kind == "out"
        ended.due_rp += moved_rp(entry, OPERATOR_REVENUE)


def rides_of(taps: Iterable[Step]) -> Rides | None:
    """Return what the ledger holds of the rides of a file, or None if it rated none of them."""
    found: list[tuple[int, Step, Entry]] = []
    unrated: set[int] = set()
    for step in taps:
        if isinstance(step.found, Found) and step.found.entry.rating is not None:
            found.append((step.found.position, step, step.found.entry))
        else:
            unrated.add(step.trip.line)
    if not found:
        return None
    cards: defaultdict[str, _Card] = defaultdict(_Card)
    for _, step, entry in sorted(found, key=lambda each: each[0]):
        cards[step.trip.card].take(step, entry)
    courses = [course for card in cards.values() for course in card.courses.values()]
    entries = [entry for _, _, entry in found]
    ended = [course for course in courses if course.has_ended]
    still_open = [course for course in courses if not course.has_ended]
    return Rides(
        taps=len(found),
        paid_rp=-sum(moved_rp(entry, PURSE) for entry in entries),
        owed_rp=sum(moved_rp(entry, OWED_FARES) for entry in entries),
        earned_rp=sum(moved_rp(entry, OPERATOR_REVENUE) for entry in entries),
        ended=Counter(Priced(each.service, each.paid_rp, each.due_rp) for each in ended),
        open=_lines(still_open),
        open_paid_rp=sum(course.paid_rp for course in still_open),
        next_tap=_lines(each for each in ended if each.trip.tap_out is None),
        overlapping=sorted(_overlapping(course.trip for course in courses)),
        unrated=sorted(unrated),
    )


def moved_rp(entry: Entry, kind: int) -> int:
    """Return what an entry moves on all accounts of a kind."""
    return sum(rp for line_kind, _, rp in entry.postings if line_kind == kind)


def _overlapping(trips: Iterable[Trip]) -> set[int]:
    """Return the lines of trips of which a card had two at once."""
    lines: set[int] = set()
    under_way: dict[str, Trip] = {}
    for trip in sorted(trips, key=lambda trip: (trip.tap_in.at_ms, trip.trans_id)):
        before = under_way.get(trip.card)
        if before is not None and trip.tap_in.at_ms < _until_ms(before):
            lines |= {before.line, trip.line}
        if before is None or _until_ms(trip) >= _until_ms(before):
            under_way[trip.card] = trip
    return lines


def _until_ms(trip: Trip) -> int:
    return (trip.tap_out or trip.tap_in).at_ms


def _inside(entry: Entry) -> Boarding | None:
    return msgspec.convert(entry.rating, Rating).inside


def _lines(courses: Iterable[_Course]) -> list[int]:
    return sorted(course.trip.line for course in courses)
