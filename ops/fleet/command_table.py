"""How commands are shown: what they say, and where they stand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from ops.fleet.shown import ago, cell, in_json, table
from ops.values import shown_time
from terminals.messages import CommandPlace, CommandRow, JournalLine

OPEN_STATES: Final = ("accepted", "delivered")
_STYLES: Final = {"done": "green", "failed": "red", "expired": "red"}


def counts(row: CommandRow) -> dict[str, int]:
    """Return at how many terminals a command stands in each state."""
    return {
        "accepted": row.accepted,
        "delivered": row.delivered,
        "done": row.done,
        "failed": row.failed,
        "expired": row.expired,
    }


def in_words(body: Sequence[object]) -> str:
    """Return a command as it would be given: `lane closed`, `send_journal 1 500`."""
    return " ".join(map(str, body))


def show_commands(console: Console, rows: Sequence[CommandRow], rest: int, now_ms: int) -> None:
    """Show commands, newest first.

    Args:
      console: where.
      rows: the commands.
      rest: where to go on; -1: that was all.
      now_ms: the clock of the node.
    """
    if not rows:
        console.print("no command was ever given here")
        return
    made = table("id", "command", "ordered", "expires", "terminals")
    for row in rows:
        made.add_row(
            cell(row.id),
            cell(in_words(row.body)),
            ago(now_ms, row.ordered_ms),
            ago(now_ms, row.expires_ms),
            _standing(row),
        )
    console.print(made)
    if rest >= 0:
        console.print("more with --all, or with a larger --limit")


def show_command(
    console: Console, row: CommandRow, places: Sequence[CommandPlace], rest: str, now_ms: int
) -> None:
    """Show one command, and where it stands at its terminals.

    Args:
      console: where.
      row: the command.
      places: its terminals, those that were asked for.
      rest: where to go on; empty: that was all.
      now_ms: the clock of the node.
    """
    console.print(
        f"{row.id}: {in_words(row.body)}; ordered {shown_time(row.ordered_ms)} WIB "
        f"({ago(now_ms, row.ordered_ms)}), expires {ago(now_ms, row.expires_ms)}",
        highlight=False,
        markup=False,
    )
    console.print(_standing(row, between=", "))
    made = table("terminal", "state", "since", "what it says")
    for place in places:
        style = _STYLES.get(place.state, "")
        text = cell(place.text) if place.text else ""
        made.add_row(
            cell(place.terminal), cell(place.state, style=style), ago(now_ms, place.at_ms), text
        )
    console.print(made)
    if rest:
        console.print("more with --all, or with a larger --limit")


def show_journal(console: Console, lines: Sequence[JournalLine]) -> None:
    """Show what came of a terminal's journal, and where the node has each."""
    made = table("counter", "when (WIB)", "what", "at the node", right=("counter",))
    for line in lines:
        counter, at_ms, intent = line.transaction
        known = line.position >= 0
        made.add_row(
            str(counter),
            shown_time(at_ms, seconds=True),
            cell(" ".join(_fields(intent))),
            cell(f"position {line.position:,}") if known else cell("never came", style="red"),
        )
    console.print(made)
    missing = sum(line.position < 0 for line in lines)
    console.print(
        f"{len(lines):,} transactions came; {missing:,} of them the node does not have",
        highlight=False,
    )


def _standing(row: CommandRow, between: str = "\n") -> Text:
    told = Text()
    for state, count in counts(row).items():
        if count:
            told.append(between if told else "").append(
                f"{count:,} {state}", _STYLES.get(state, "")
            )
    return told


def _fields(intent: Sequence[object]) -> Iterator[str]:
    for value in intent:
        if value is not None and value != "":
            yield str(in_json(value))
