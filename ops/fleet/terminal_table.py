"""How terminals are shown: two lines for each, in a hundred columns."""

from __future__ import annotations

from typing import Final

from rich.console import Console
from rich.text import Text

from ops.fleet.shown import age, cell, table
from ops.values import shown_span
from terminals.messages import TerminalRow, Terminals

_GAPS_SHOWN: Final = 2
_CLOCK_OFF_MS: Final = 30_000
"""The node tells its operator of a clock that is off by more."""
_BATTERY_LOW: Final = 20
_STATES: Final = {"failed": "red", "degraded": "yellow"}


def show_terminals(
    console: Console, rows: tuple[TerminalRow, ...], last: Terminals, now_ms: int
) -> None:
    """Show terminals.

    Args:
      console: where.
      rows: the terminals that were found.
      last: the answer that ended the search; it has the counts.
      now_ms: the clock of the node.
    """
    if rows:
        made = table(
            *("terminal", "what", "seen", "backlog", "clock", "device", "counter", "lists"),
            right=("backlog", "clock", "counter"),
        )
        for row in rows:
            made.add_row(
                cell(row.terminal, row.firmware),
                cell(_what(row), row.operator),
                _seen(row, now_ms),
                f"{row.backlog:,}",
                _clock(row),
                _device(row),
                _counter(row),
                cell(*(f"{name} {version}" for name, version in row.lists if version)),
            )
        console.print(made)
    console.print(
        f"{last.known:,} known, {last.connected:,} connected, {last.silent:,} silent; "
        f"{len(rows):,} shown",
        highlight=False,
    )
    if last.next:
        console.print("more with --all, or with a larger --limit")


def _what(row: TerminalRow) -> str:
    return " at ".join(part for part in (row.kind, row.place) if part)


def _seen(row: TerminalRow, now_ms: int) -> Text:
    if not row.last_seen_ms:
        return cell("never", style="dim")
    since = age(now_ms - row.last_seen_ms)
    if row.connected:
        return cell(since, style="green")
    return cell(since, "silent" if row.silent else "gone", style="red" if row.silent else "dim")


def _clock(row: TerminalRow) -> Text:
    # What a person wants to know is by how much the terminal's clock is ahead.
    ahead_ms = -row.clock_offset_ms
    sign = "+" if ahead_ms > 0 else ""
    return cell(sign + shown_span(ahead_ms), style="red" if abs(ahead_ms) > _CLOCK_OFF_MS else "")


def _device(row: TerminalRow) -> Text:
    battery = "" if row.battery < 0 else f"{row.battery} %"
    reader = f"reader {row.reader}" if row.reader else ""
    style = _STATES.get(row.reader, "yellow" if 0 <= row.battery < _BATTERY_LOW else "")
    return cell(battery, reader, style=style)


def _counter(row: TerminalRow) -> Text:
    if not row.missing:
        return cell(f"{row.counter:,}")
    gaps = [f"{first}" if first == last else f"{first}-{last}" for first, last in row.gaps]
    shown = ", ".join(gaps[:_GAPS_SHOWN]) + (", ..." if len(gaps) > _GAPS_SHOWN else "")
    return cell(f"{row.counter:,}", f"{row.missing:,} missing: {shown}", style="yellow")
