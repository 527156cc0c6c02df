"""What a person sees: text of a hundred columns."""

from __future__ import annotations

import io
from collections.abc import Callable

from rich.console import Console

WIDTH = 100


def seen(show: Callable[[Console], None]) -> str:
    """Return what is shown, line by line, without the blanks at the ends."""
    console = Console(width=WIDTH, file=io.StringIO(), color_system=None)
    show(console)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines), default=0) <= WIDTH
    return "\n".join(line.rstrip() for line in lines)


def words(text: str) -> str:
    """Return a text with one blank between its words."""
    return " ".join(text.split())
