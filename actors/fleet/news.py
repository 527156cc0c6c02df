"""What an operator should know of terminals: one line for each kind of news, not for each terminal.

When a power cut takes a district, a thousand terminals fall silent within a minute.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

NAMES_TOLD: Final = 10


class News:
    """Gathers what is to be told, until it is.

    Args:
      note: takes one line for the operator.
    """

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._gathered: dict[str, dict[str, None]] = {}

    def add(self, what: str, terminal: str) -> None:
        """Tell of a terminal, with the others of whom the same is told."""
        self._gathered.setdefault(what, {})[terminal] = None

    def tell(self) -> None:
        """Tell what has been gathered."""
        for what, terminals in self._gathered.items():
            names = list(terminals)
            others = f" and {len(names) - NAMES_TOLD} others" if names[NAMES_TOLD:] else ""
            self._note(f"{what}: {', '.join(names[:NAMES_TOLD])}{others}")
        self._gathered.clear()
