"""The figures of a rehearsal as a picture, for a report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

import leather

from engine.fares.rehearsal import Change, Rehearsal
from ops.rehearsal.report import OTHERS, more_rp, top_lines
from ops.values import printable

_WIDTH: Final = 1600
_FRAME_HEIGHT: Final = 140
_ROW_HEIGHT: Final = 30
_LETTERED: Final = ("title", "axis_title", "tick")
_MILLION: Final = 1_000_000
_LEAST_RP: Final = 1
"""A scale of no length cannot be drawn."""


def draw(figures: Rehearsal, path: Path) -> None:
    """Write what changes, in all, by service, by group and by line, as one SVG file.

    Raises:
      OSError: the file cannot be written.
    """
    total = figures.total
    funds_rp = total.after.funds_rp - total.before.funds_rp
    parts = {
        "Rupiah more or less in all": [
            ("holders pay", more_rp(total)),
            ("funds pay", funds_rp),
            ("operators get", more_rp(total) + funds_rp),
        ],
        "Holders pay more or less, by service": _amounts(figures.services.items()),
        "Holders pay more or less, by group": _amounts(figures.groups.items()),
        "Holders pay more or less, by line": _amounts(
            each for each in top_lines(figures) if each[0] != OTHERS
        ),
    }
    for part in _LETTERED:
        # What it asks for otherwise is on the machines of one maker.
        setattr(leather.theme, f"{part}_font_family", "monospace")
    grid = leather.Grid()
    for title, rows in parts.items():
        grid.add_one(_bars(title, rows))
    longest = max(map(len, parts.values()))
    # The library puts four charts in two rows.
    height = 2 * (_FRAME_HEIGHT + longest * _ROW_HEIGHT)
    with path.open("w", encoding="utf-8") as file:
        grid.to_svg(file, _WIDTH, height)


def _amounts(changes: Iterable[tuple[str, Change]]) -> list[tuple[str, int]]:
    return [(printable(name), more_rp(change)) for name, change in changes]


def _bars(title: str, rows: Sequence[tuple[str, int]]) -> leather.Chart:
    chart = leather.Chart(title)
    amounts = [amount_rp for _, amount_rp in rows]
    chart.add_x_scale(min(0, *amounts), max(_LEAST_RP, *amounts))
    chart.add_x_axis(tick_formatter=_rupiah)
    chart.add_bars([(amount_rp, name) for name, amount_rp in rows])
    return chart


def _rupiah(value: Decimal, _index: int, _count: int) -> str:
    if abs(value) < _MILLION:
        return f"{int(value):,}"
    return f"{value / _MILLION:,f} M"
