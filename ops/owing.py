"""What cards are owed for fares, and what they owe: shown, and written to a file.

What is shown to people names no card but by its last four signs: the file alone has them whole, and
nobody but its owner may read it.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

import click
from rich.console import Console
from rich.table import Table

from protocol.redaction import masked

LARGEST: Final = 10
COLUMNS: Final = ("card", "owed_rp")


class Owing:
    """Cards and what they are owed.

    Args:
      balances: in rupiah by card; below zero: it owes so much.
    """

    def __init__(self, balances: Mapping[str, int]) -> None:
        kept = [(card, rp) for card, rp in balances.items() if rp]
        # The largest first, and those that owe last.
        self.cards: Final = sorted(kept, key=lambda found: (-found[1], found[0]))

    @property
    def owed_rp(self) -> int:
        """Owed to cards."""
        return sum(rp for _, rp in self.cards if rp > 0)

    @property
    def owing_rp(self) -> int:
        """Owed by cards."""
        return -sum(rp for _, rp in self.cards if rp < 0)

    def largest(self) -> list[tuple[str, int]]:
        """Return the last signs of those that are owed most, and how much."""
        return [(masked(card), rp) for card, rp in self.cards[:LARGEST] if rp > 0]

    def as_json(self) -> dict[str, object]:
        """Return the figures, and no whole name of a card."""
        cards_owed = sum(rp > 0 for _, rp in self.cards)
        return {
            "cards_owed": cards_owed,
            "owed_to_cards_rp": self.owed_rp,
            "cards_owing": len(self.cards) - cards_owed,
            "owed_by_cards_rp": self.owing_rp,
            "balance_rp": self.owed_rp - self.owing_rp,
            "largest": [{"card": card, "owed_rp": rp} for card, rp in self.largest()],
        }

    def show(self, console: Console) -> None:
        """Say it to a person."""
        told = self.as_json()
        console.print(
            f"{told['cards_owed']:,} cards are owed Rp{self.owed_rp:,}; "
            f"{told['cards_owing']:,} cards owe Rp{self.owing_rp:,}"
        )
        if not self.owed_rp:
            return
        table = Table("card", title="owed most", title_justify="left")
        table.add_column("rupiah", justify="right")
        for card, rp in self.largest():
            table.add_row(card, f"{rp:,}")
        console.print(table)

    def write(self, file: TextIO) -> None:
        """Write a line for each card."""
        lines = csv.writer(file)
        lines.writerow(COLUMNS)
        lines.writerows(self.cards)


@contextmanager
def private_file(path: Path) -> Iterator[TextIO]:
    """Make a file that only its owner can read; it is gone again where the body fails.

    Raises:
      click.ClickException: it cannot be made, or is there already.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            yield file
    except BaseException:
        path.unlink(missing_ok=True)
        raise
