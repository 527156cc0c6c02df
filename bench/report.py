"""What a run of the measurements says: one object for programs, a table for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import asdict
from rich.console import Console
from rich.table import Table

from bench.figures import Figure, rounded
from bench.machine import Machine, Pins
from bench.postgres import Trial
from bench.setting import Plan

PEER: Final = "postgres_taps_per_s"
KEYS: Final = ("stream_taps_per_s", "single_taps_per_s", "open_loop_p99_ms", PEER)
"""Always in the object; null where it was not measured."""

QUIET_LOAD_MAX: Final = 0.5
"""Load average before a run above which others take part of the cores."""


class Result(Struct, frozen=True, kw_only=True):
    """A run.

    Attributes:
      figures: in the order measured.
      trials: of PostgreSQL, each number of clients as often as there are repeats.
      no_peer: why PostgreSQL was not measured; empty if it was.
      no_readers: why nothing was measured at readers of PC/SC; empty if it was.
      verified: entries of each folder, read again and found as written.
      took_s: the whole run.
    """

    plan: Plan
    machine: Machine
    pins: Pins
    figures: Sequence[Figure]
    trials: Sequence[Trial]
    no_peer: str
    no_readers: str
    verified: Mapping[str, int]
    took_s: float

    @property
    def peer_taps_per_s(self) -> float | None:
        """PostgreSQL's rate; None if it was not measured."""
        return next((each.median for each in self.figures if each.name == PEER), None)


def as_object(result: Result) -> dict[str, object]:
    """Return a run for a program: the medians by name, and everything around them."""
    peer = result.peer_taps_per_s
    return {
        **dict.fromkeys(KEYS),
        **{each.name: rounded(each.median) for each in result.figures},
        "figures": {each.name: each.summary(peer) for each in result.figures},
        "postgres": {
            "reason": result.no_peer or None,
            "trials": [asdict(trial) for trial in result.trials],
        },
        "readers": {"reason": result.no_readers or None},
        "machine": asdict(result.machine),
        "pinned": str(result.pins),
        "plan": asdict(result.plan),
        "verified": True,
        "verified_entries": dict(result.verified),
        "took_s": round(result.took_s, 1),
    }


def render(console: Console, result: Result) -> None:
    """Print a run for a person."""
    table = Table(title="one node", title_justify="left", show_edge=False)
    table.add_column("figure", no_wrap=True)
    table.add_column("of what", ratio=1)
    for name in ("target", "median", "min", "max", "x PG"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in result.figures:
        ratio = each.ratio(result.peer_taps_per_s)
        shown = [_number(value) for value in (each.median, min(each.values), max(each.values))]
        table.add_row(
            each.name, each.what, each.target, *shown, "" if ratio is None else f"{ratio:.1f}"
        )
    console.print(table)
    machine = result.machine
    console.print(
        f"{machine.model}, {machine.cores} cores, Python {machine.python}, {machine.system}; "
        f"{machine.filesystem} with {machine.fsyncs_per_s:,} fsyncs/s; "
        f"{result.plan.repeats} repeats; {result.took_s:.0f} s"
    )
    if machine.load_average > QUIET_LOAD_MAX:
        console.print(
            f"[yellow]the machine was not idle (load average {machine.load_average}): "
            "rates are too low, latencies too long[/]"
        )
    console.print(str(result.pins))
    if result.no_peer:
        console.print(f"no PostgreSQL beside it: {result.no_peer}")
    if result.no_readers:
        console.print(f"no readers of PC/SC: {result.no_readers}")
    total = sum(result.verified.values())
    console.print(f"[bold green]every tap posted; {total:,} entries verified afterwards[/]")


def _number(value: float) -> str:
    return f"{rounded(value):,}"
