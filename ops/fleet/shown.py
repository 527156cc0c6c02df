"""What the tables about a fleet have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from ops.values import printable, shown_span

NOTHING: Final = "-"
"""Where there is nothing to show."""
_SECOND_MS: Final = 1_000
"""What lies ahead by less is past: the clock of the node is known to half a round trip."""


def table(
    *columns: str, right: Sequence[str] = (), unbroken: Sequence[str] = (), gap: int = 2
) -> Table:
    """Return a table without frames: more of it fits into a line.

    Args:
      columns: their names.
      right: those of them that hold numbers.
      unbroken: those of them whose cells go over one line only.
      gap: blanks between columns.
    """
    made = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold")
    for column in columns:
        # Longer than the room there is: it goes on in the next line, for names must be whole.
        made.add_column(
            column,
            justify="right" if column in right else "left",
            overflow="fold",
            no_wrap=column in unbroken,
            vertical="top",
        )
    return made


def cell(*lines: str, style: str = "") -> Text:
    """Return a cell of several lines; empty ones are left out."""
    told = [printable(line) for line in lines if line]
    return Text("\n".join(told), style=style) if told else Text(NOTHING)


def ago(now_ms: int, at_ms: int) -> str:
    """Return how long something is past, or how far ahead."""
    if at_ms - now_ms >= _SECOND_MS:
        return f"in {age(at_ms - now_ms)}"
    return f"{age(now_ms - at_ms)} ago"


def age(span_ms: int) -> str:
    """Return an age in whole seconds, or more; nothing is younger than now."""
    return shown_span(max(0, span_ms) // _SECOND_MS * _SECOND_MS)


def counted(count: int, of_one: str, of_many: str = "") -> str:
    """Return a number with its noun."""
    return f"{count:,} {of_one if count == 1 else of_many or of_one + 's'}"


def in_json(value: object) -> object:
    """Return a value as JSON can hold it: bytes in hex, records as objects."""
    if isinstance(value, bytes):
        return value.hex()
    fields = getattr(value, "_fields", None)
    if fields is not None:
        return {name: in_json(getattr(value, name)) for name in fields}
    if isinstance(value, list | tuple):
        return [in_json(each) for each in value]
    return value
