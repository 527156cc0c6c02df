"""The taps of a period, by card, each with what its card was entitled to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

from engine.accounts import OPERATOR_REVENUE
from engine.calendar import day_of
from engine.fares.kept import seen_tap
from engine.fares.rehearsal import TakenTap
from engine.fares.state import SeenTap
from engine.limits import TAP_AHEAD_MS_MAX, TAP_LATE_MS_MAX
from engine.transaction import Entry, Replace, Tap
from ops.past.journal import Past, Period, first_moment_ms
from ops.past.slices import GRANTING, Entitled, Granting, Slices

_WEEK_DAYS: Final = 7
_THURSDAY: Final = 3
"""The weekday of the day from which days are counted, from Monday."""
_TOLD_EVERY: Final = 65_536


class CardTap(Struct, frozen=True, array_like=True, tag=True, gc=False):
    """A tap that was rated."""

    card: str
    tap: SeenTap
    line: str


_Record: TypeAlias = CardTap | Granting
_DECODER: Final[msgspec.json.Decoder[_Record]] = msgspec.json.Decoder(_Record)


class Taps:
    """The taps of a period, as they were read.

    Attributes:
      count: how many are within the period.
      first_day, last_day: the days of the first and the last of these; both -1 without any.
      operators_rp: what their entries have brought to operators.
    """

    def __init__(self, slices: Slices[_Record]) -> None:
        self.count = 0
        self.first_day = self.last_day = -1
        self.operators_rp = 0
        self._slices = slices

    def add(self, entry: Entry, tap: Tap, *, counts: bool) -> None:
        """Take the entry of a tap that was rated."""
        seen = seen_tap(entry.at_ms, tap)
        self._slices.add(tap.card, CardTap(tap.card, seen, tap.line))
        if counts:
            day = day_of(entry.at_ms)
            self.first_day = min(day, self.first_day) if self.count else day
            self.last_day = max(day, self.last_day)
            self.count += 1
            self.operators_rp += sum(
                amount_rp for kind, _, amount_rp in entry.postings if kind == OPERATOR_REVENUE
            )

    def follow(self, position: int, entry: Entry) -> None:
        """Take an entry that changes what its card is entitled to."""
        intent = entry.intent
        self._slices.add(intent.card, Granting(position, entry))
        if isinstance(intent, Replace):
            self._slices.join(intent.card, intent.new_card)

    def by_card(self) -> Iterator[tuple[str, list[TakenTap]]]:
        """Yield each card with its taps.

        Raises:
          OSError: they cannot be read.
        """
        for records in self._slices:
            yield from _by_card(records).items()


def read_taps(
    past: Past, period: Period, scratch: Path, *, progress: Callable[[int], object] = int
) -> Taps:
    """Read the taps of a period that were rated, and those before it that matter to them.

    Args:
      past: where they stand.
      period: their days.
      scratch: an empty folder; it takes some 150 bytes for each.
      progress: is told now and then how many entries were read.

    Raises:
      StorageError: the journal cannot be read.
      OSError: the scratch folder cannot be written.
    """
    run_in_ms = 0 if period.first_day is None else first_moment_ms(run_in_day(period.first_day))
    until_ms = period.until_ms
    # A tap is rated within these bounds of its own time, or not at all.
    decided_ms = None if until_ms is None else until_ms + TAP_LATE_MS_MAX
    first = past.position_at(run_in_ms - TAP_AHEAD_MS_MAX)
    last = past.end if decided_ms is None else past.position_at(decided_ms)
    taps = Taps(Slices(scratch, _DECODER, records=max(0, last - first)))
    for position, entry in past.entries(decided_ms):
        intent = entry.intent
        if isinstance(intent, Tap):
            at_ms = entry.at_ms
            matters = run_in_ms <= at_ms and (until_ms is None or at_ms < until_ms)
            if matters and entry.rating is not None:
                taps.add(entry, intent, counts=period.holds(at_ms))
        elif isinstance(intent, GRANTING) and entry.posted:
            taps.follow(position, entry)
        if position % _TOLD_EVERY == 0:
            progress(position)
    return taps


def run_in_day(first_day: int) -> int:
    """Return the day from which taps are rated: rides and weeks that go on into the period.

    It is the Monday of the week of the day before.
    """
    before = first_day - 1
    return before - (before + _THURSDAY) % _WEEK_DAYS


def _by_card(records: Iterable[_Record]) -> dict[str, list[TakenTap]]:
    entitled = Entitled()
    found: defaultdict[str, list[TakenTap]] = defaultdict(list)
    for record in records:
        if isinstance(record, Granting):
            entitled.follow(record)
        else:
            grants = entitled.grants_of(record.card)
            found[record.card].append(TakenTap(record.tap, record.line, grants))
    return found
