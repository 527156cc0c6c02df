"""What a replay says of the rides that the node rated."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from ops.owing import Owing
from ops.replay.rated import Priced, Rides


def as_json(rides: Rides) -> dict[str, object]:
    """Return everything of the rides as one object."""
    return {
        "taps": rides.taps,
        "rides": rides.ended.total(),
        "paid_rp": rides.paid_rp,
        "owed_rp": rides.owed_rp,
        "earned_rp": rides.earned_rp,
        "balanced": rides.balanced,
        "fares": [
            {**priced._asdict(), "rides": count, "owed_rp": _owed_rp(priced, count)}
            for priced, count in sorted(rides.ended.items())
        ],
        "open": {**_listed(rides.open), "paid_rp": rides.open_paid_rp},
        "ended_by_next_tap": _listed(rides.next_tap),
        "overlapping": _listed(rides.overlapping),
        "not_rated": _listed(rides.unrated),
    }


def show(console: Console, rides: Rides, owing: Owing) -> None:
    """Say what became of the rides, and who is owed how much."""
    console.print(
        f"\n{rides.ended.total():,} rides were rated; {len(rides.open):,} are open, so nothing is "
        f"due for them yet (Rp{rides.open_paid_rp:,} paid)"
    )
    for lines, what in (
        (rides.next_tap, "rides without a tap-out: the card's next tap ended them"),
        (rides.overlapping, "rides overlap: the card had two at once"),
        (rides.unrated, "trips that were not rated: they stand as they were paid"),
    ):
        if lines:
            console.print(f"  {len(lines):>7,} {what}")
    wrong = {
        priced: count for priced, count in rides.ended.items() if priced.paid_rp != priced.due_rp
    }
    if wrong:
        console.print(_table(wrong))
    console.print(
        f"Chips paid Rp{rides.paid_rp:,}; of it operators earned Rp{rides.earned_rp:,}, and "
        f"Rp{rides.owed_rp:,} is owed to cards"
    )
    owing.show(console)


def _table(wrong: dict[Priced, int]) -> Table:
    table = Table(title="rides that did not cost what was due", title_justify="left")
    for column in ("service", "paid", "due", "rides", "owed"):
        table.add_column(column, justify="left" if column == "service" else "right")
    for priced, count in sorted(wrong.items(), key=lambda each: -each[1]):
        figures = (priced.paid_rp, priced.due_rp, count, _owed_rp(priced, count))
        table.add_row(priced.service, *(f"{figure:,}" for figure in figures))
    return table


def _owed_rp(priced: Priced, count: int) -> int:
    return (priced.paid_rp - priced.due_rp) * count


def _listed(lines: Sequence[int]) -> dict[str, object]:
    return {"rides": len(lines), "lines": list(lines)}
