"""Where certificates of shifts are printed, and how shifts are listed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from rich.console import Console

from ops.fleet.shown import NOTHING, counted, table
from ops.values import shown_time
from terminals.acceptance.certificate import Certificate
from terminals.acceptance.certifier import OnCertificate
from terminals.acceptance.rows import Shift
from terminals.acceptance.shown import rupiah

_STATES: Final = {"incomplete": "not complete"}
_RED: Final = frozenset({"incomplete"})


def show_certificates(console: Console, made: Iterable[Certificate]) -> None:
    """Show certificates to a person."""
    for each in made:
        for line in each.lines():
            console.print(line, markup=False, highlight=False, soft_wrap=True)


def shown_on(console: Console) -> OnCertificate:
    """Return what shows each certificate on a console."""
    return lambda made: show_certificates(console, [made])


def in_json(write: Callable[[str], None]) -> OnCertificate:
    """Return what writes a line of JSON for each certificate."""
    return lambda made: write(json.dumps({"shift": made.in_json()}))


def shift_in_json(shift: Shift) -> dict[str, object]:
    """Return a shift as a terminal has written it down; times that are not yet are null."""
    return {
        "number": shift.number,
        "state": shift.state,
        "opened_ms": shift.opened_ms,
        "closed_ms": None if shift.closed_ms < 0 else shift.closed_ms,
        "certified_ms": None if shift.certified_ms < 0 else shift.certified_ms,
        "first": shift.first,
        "last": shift.last,
        "count": shift.count,
        "taken_rp": shift.taken_rp,
        "added_rp": shift.added_rp,
    }


def show_shifts(console: Console, shifts: Sequence[Shift], left_out: int) -> None:
    """Show shifts in the order in which they come.

    Args:
      console: where.
      shifts: of one terminal.
      left_out: how many more there are.
    """
    numbers = ("shift", "taps", "debited", "credited")
    made = table(
        *("shift", "opened (WIB)", "closed", "counters", "taps", "debited", "credited", "state"),
        right=numbers,
        unbroken=("opened (WIB)", "closed", "state"),
    )
    for shift in shifts:
        made.add_row(
            str(shift.number),
            shown_time(shift.opened_ms),
            NOTHING if shift.closed_ms < 0 else _closed(shift),
            f"{shift.first}-{shift.last}" if shift.count else NOTHING,
            f"{shift.count:,}",
            rupiah(shift.taken_rp),
            rupiah(shift.added_rp),
            _STATES.get(shift.state, shift.state),
            style="red" if shift.state in _RED else None,
        )
    console.print(made)
    if left_out:
        console.print(f"{counted(left_out, 'shift')} more with --all, or with a larger --limit")


def _closed(shift: Shift) -> str:
    """Return when a shift was closed: of the day on which it was opened only the time."""
    opened, closed = shown_time(shift.opened_ms), shown_time(shift.closed_ms)
    day, _, clock = closed.partition(" ")
    return clock if opened.startswith(day) else closed
