"""How lists are shown: what was published, how far it has spread, which drafts wait."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from engine.fleet.coverage import SHARES
from ops.fleet.shown import NOTHING, ago, cell, counted, table
from ops.values import shown_bytes, shown_span, shown_time
from terminals.messages import DraftRow, ListRow, Lists


def show_lists(console: Console, found: Lists, now_ms: int) -> None:
    """Show the lists, and the drafts that wait for a second officer.

    Args:
      console: where.
      found: what the node answered.
      now_ms: its clock.
    """
    if not found.lists:
        console.print("no list was ever published here")
    else:
        _show_published(console, found.lists, now_ms)
    if found.drafts:
        _show_drafts(console, found.drafts, now_ms)


def _show_published(console: Console, rows: tuple[ListRow, ...], now_ms: int) -> None:
    made = table(
        *("list", "version", "entries", "published", "in use (WIB)", "held by", "reached"),
        right=("version", "entries"),
    )
    for row in rows:
        officers = " and ".join(name for name in (row.officer, row.second_officer) if name)
        made.add_row(
            cell(row.name),
            str(row.version),
            cell(f"{row.entries:,}", shown_bytes(row.file_bytes)),
            cell(ago(now_ms, row.published_ms), f"by {officers}", row.note),
            _activation(row, now_ms),
            _spread(row),
            cell(*map(_reached, SHARES, row.reached_ms)),
        )
    console.print(made)


def _activation(row: ListRow, now_ms: int) -> Text:
    if not row.activate_ms:
        return cell("at once")
    if row.activate_ms > now_ms:
        return cell(ago(now_ms, row.activate_ms), shown_time(row.activate_ms), style="yellow")
    return cell("since", shown_time(row.activate_ms))


def _spread(row: ListRow) -> Text:
    if not row.connected:
        return cell("nobody connected")
    style = "green" if row.holders == row.connected else "yellow"
    # Rounded down: 100 % are all.
    share = f"{1_000 * row.holders // row.connected / 10:.1f} %"
    told = cell(f"{row.holders:,} of {row.connected:,}", share, style=style)
    if row.mismatches:
        told.append(f"\n{counted(row.mismatches, 'mismatch', 'mismatches')}", "red")
    return told


def _reached(share: int, span_ms: int) -> str:
    return f"{share} %: {shown_span(span_ms) if span_ms >= 0 else NOTHING}"


def _show_drafts(console: Console, rows: tuple[DraftRow, ...], now_ms: int) -> None:
    console.print(f"\n{counted(len(rows), 'draft')} waiting for a second officer:")
    made = table("draft", "list", "changes", "made", "note", right=("changes",))
    for row in rows:
        made.add_row(
            cell(row.draft),
            cell(row.name),
            f"{row.changes:,}",
            cell(ago(now_ms, row.made_ms), f"by {row.officer}"),
            cell(row.note),
        )
    console.print(made)
    console.print("jakarta-one lists approve DRAFT, or jakarta-one lists withdraw DRAFT")
