"""What the node has of a closed shift, beside what the terminal did in it: all, or what lacks.

The node is asked for counts and sums of counters that follow each other, so many at a time; what
it answers is put together here, and compared with the terminal's own sums. What does not belong
to the sums stands beside them: what the node would not take or believe, and changes of cards of
which nobody knows yet whether they were made. They may still come, in a later shift.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from protocol import limits
from protocol.redaction import masked
from terminals.acceptance.rows import Attempt, Shift, Tap
from terminals.acceptance.shown import in_jakarta, rupiah
from terminals.chip_answers import ShiftFound

LISTED_MAX: Final = 100
"""Taps, or attempts, that a certificate names; of more it tells how many there are."""
SHOWN_MAX: Final = 20
"""Lines of one kind that a person is shown."""

POSTED: Final = "posted"
CONFLICT: Final = "conflict"
_FILED: Final = "posted: "


class OpenAttempt(Struct, frozen=True):
    """A change of a card of which nobody knows whether it was made.

    Attributes:
      card: the last digits of its number.
      at_ms: by the node's clock where that was known, else by the terminal's own.
      lost: whether the card can tell no more.
    """

    card: str
    change_rp: int
    at_ms: int
    lost: bool


class NotPosted(Struct, frozen=True):
    """A tap that the node refused, or filed because no chip has proved it."""

    counter: int
    result: str
    change_rp: int
    at_ms: int


class Results:
    """What the node said of the taps of a shift, as far as they are kept.

    Attributes:
      kept: taps.
      refused: by the node; that costs a chip nothing where it was asked before.
      unproved: posted to suspense.
      conflicts: the node has something else under their counters.
      listed: the first of all of these.
    """

    def __init__(self, taps: Iterable[Tap] = ()) -> None:
        self.kept = self.refused = self.unproved = self.conflicts = 0
        self.listed: list[NotPosted] = []
        for tap in taps:
            self.add(tap)

    def add(self, tap: Tap) -> None:
        """Count one more."""
        self.kept += 1
        if tap.result == POSTED:
            return
        if tap.result.startswith(_FILED):
            self.unproved += 1
        elif tap.result.startswith(CONFLICT):
            self.conflicts += 1
        else:
            self.refused += 1
        if len(self.listed) < LISTED_MAX:
            told = NotPosted(tap.counter, tap.result, tap.change_rp, tap.at_ms)
            self.listed.append(told)


class Certificate(Struct, frozen=True, kw_only=True):
    """What became of a shift.

    Attributes:
      number, opened_ms, closed_ms, first, last, count, taken_rp, added_rp: the terminal's, as of
        `rows.Shift`.
      complete: the node has each counter, nothing else among them, and the same sums.
      node_count, node_taken_rp, node_added_rp, node_unproved: the node's.
      missing: counters that the node does not have, and `gaps`: first and last of them.
      refused, unproved, conflicts: as `Results` has them.
      forgotten: taps that the terminal keeps no more, so that it cannot tell these of them.
      not_posted: the first of these.
      attempts: so many attempts are open, and `open_attempts`: the first of them.
    """

    terminal: str
    number: int
    opened_ms: int
    closed_ms: int
    first: int
    last: int
    count: int
    taken_rp: int
    added_rp: int
    complete: bool
    node_count: int
    node_taken_rp: int
    node_added_rp: int
    node_unproved: int
    missing: int
    gaps: tuple[tuple[int, int], ...]
    refused: int
    unproved: int
    conflicts: int
    forgotten: int
    not_posted: tuple[NotPosted, ...]
    attempts: int
    open_attempts: tuple[OpenAttempt, ...]

    def in_json(self) -> dict[str, object]:
        """Return it as JSON can hold it."""
        told: dict[str, object] = msgspec.to_builtins(self)
        return told

    def lines(self) -> list[str]:
        """Return it as lines for a person, in Indonesian and in English."""
        opened, closed = _time(self.opened_ms), _time(self.closed_ms)
        verdict = "V LENGKAP / COMPLETE" if self.complete else "X TIDAK LENGKAP / NOT COMPLETE"
        counters = f", {self.first}-{self.last}" if self.count else ""
        return [
            f"{verdict}: shift {self.number}, {self.terminal}",
            f"  {opened} - {closed} WIB",
            f"  Transaksi / Transactions: {self.count}{counters}",
            f"  Debet / Debited: {rupiah(self.taken_rp)}",
            f"  Kredit / Credited: {rupiah(self.added_rp)}",
            *self._differences(),
            *self._results(),
            *self._open(),
        ]

    def _differences(self) -> Iterator[str]:
        if self.missing:
            yield f"! Tidak ada di pusat / Missing at the node: {self.missing}"
            gaps = [f"{low}-{high}" if low < high else str(low) for low, high in self.gaps]
            yield from _first(gaps)
        if self.node_count != self.count:
            yield f"! Transaksi di pusat / Transactions at the node: {self.node_count}"
        for words, here_rp, there_rp in (
            ("Debet di pusat / Debited at the node", self.taken_rp, self.node_taken_rp),
            ("Kredit di pusat / Credited at the node", self.added_rp, self.node_added_rp),
        ):
            if here_rp != there_rp:
                yield f"! {words}: {rupiah(there_rp)} ({_signed(there_rp - here_rp)})"

    def _results(self) -> Iterator[str]:
        for words, count in (
            ("Tanpa bukti kartu / Unproved by a card", max(self.unproved, self.node_unproved)),
            ("Ditolak pusat / Refused by the node", self.refused),
            ("Nomor ganda / Something else at the node", self.conflicts),
        ):
            if count:
                yield f"- {words}: {count}"
        count = self.refused + self.unproved + self.conflicts
        told = [f"{tap.counter}  {_changed(tap.change_rp, tap.result)}" for tap in self.not_posted]
        yield from _first(told, count)
        if self.forgotten:
            yield f"- Tidak disimpan lagi / Not kept here any more: {self.forgotten}"

    def _open(self) -> Iterator[str]:
        if self.attempts:
            yield f"- Belum jelas / Not known whether made: {self.attempts}"
        told = [
            f"{one.card}  {_changed(one.change_rp, _time(one.at_ms))}"
            f"{'  tidak terlacak / cannot be told any more' if one.lost else ''}"
            for one in self.open_attempts
        ]
        yield from _first(told, self.attempts)


def parts(shift: Shift) -> Iterator[tuple[int, int]]:
    """Yield the first and the last counter of each question about a shift."""
    most = limits.SHIFT_COUNTERS_MAX
    for first in range(shift.first, shift.last + 1, most):
        yield first, min(first + most - 1, shift.last)


def question(terminal: str, shift: Shift, first: int, last: int) -> list[str | int]:
    """Return the question about a part of a shift, as it goes to the node.

    It always tells the sums of all of the shift: the node's `complete` is not looked at.
    """
    sums = (min(sum_rp, limits.SHIFT_RP_MAX) for sum_rp in (shift.taken_rp, shift.added_rp))
    return ["shift", terminal, first, last, *sums]


def untold_after(answer: ShiftFound) -> int | None:
    """Return the counter behind which an answer had no room for more gaps, or None: all are in."""
    told = sum(high - low + 1 for low, high in answer.gaps)
    return answer.gaps[-1][1] if answer.gaps and told < answer.missing else None


def certificate(
    terminal: str,
    shift: Shift,
    answers: Sequence[ShiftFound],
    results: Results,
    attempts: Sequence[Attempt],
) -> Certificate:
    """Return the certificate of a closed shift.

    Args:
      terminal: whose shift it was.
      shift: as the terminal has written it down.
      answers: of the node, about each of its parts.
      results: of its taps.
      attempts: that are open, whenever they were made.
    """
    node_count = sum(answer.count for answer in answers)
    taken_rp = sum(answer.taken_rp for answer in answers)
    added_rp = sum(answer.added_rp for answer in answers)
    missing = sum(answer.missing for answer in answers)
    here = (0, shift.count, shift.taken_rp, shift.added_rp)
    is_same = (missing, node_count, taken_rp, added_rp) == here
    return Certificate(
        terminal=terminal,
        number=shift.number,
        opened_ms=shift.opened_ms,
        closed_ms=shift.closed_ms,
        first=shift.first,
        last=shift.last,
        count=shift.count,
        taken_rp=shift.taken_rp,
        added_rp=shift.added_rp,
        complete=is_same and not results.conflicts,
        node_count=node_count,
        node_taken_rp=taken_rp,
        node_added_rp=added_rp,
        node_unproved=sum(answer.unproved for answer in answers),
        missing=missing,
        gaps=tuple(_joined(gap for answer in answers for gap in answer.gaps)),
        refused=results.refused,
        unproved=results.unproved,
        conflicts=results.conflicts,
        forgotten=shift.count - results.kept,
        not_posted=tuple(results.listed),
        attempts=len(attempts),
        open_attempts=tuple(map(_open_attempt, attempts[:LISTED_MAX])),
    )


def _open_attempt(attempt: Attempt) -> OpenAttempt:
    stamp = attempt.stamp
    at_ms = stamp.node_ms if stamp.node_ms >= 0 else stamp.own_ms
    return OpenAttempt(masked(attempt.number), attempt.change_rp, at_ms, attempt.lost)


def _joined(gaps: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Join gaps that a border between two questions has cut in two."""
    before: tuple[int, int] | None = None
    for gap in gaps:
        if before is not None and before[1] + 1 == gap[0]:
            before = before[0], gap[1]
            continue
        if before is not None:
            yield before
        before = gap
    if before is not None:
        yield before


def _first(lines: Sequence[str], count: int = 0) -> Iterator[str]:
    """Yield the first lines of what there is, and how many more there are."""
    yield from (f"    {line}" for line in lines[:SHOWN_MAX])
    if (more := max(count, len(lines)) - min(SHOWN_MAX, len(lines))) > 0:
        yield f"    + {more}"


def _changed(change_rp: int, told: str) -> str:
    return f"{_signed(change_rp)}  {told}"


def _signed(change_rp: int) -> str:
    return f"{'-' if change_rp < 0 else '+'}{rupiah(abs(change_rp))}" if change_rp else rupiah(0)


def _time(at_ms: int) -> str:
    return f"{in_jakarta(at_ms):%Y-%m-%d %H:%M}"
