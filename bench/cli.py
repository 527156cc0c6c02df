"""`jakarta-one bench`: how fast this machine can go, beside PostgreSQL."""

from __future__ import annotations

import os
import platform
import tempfile
from pathlib import Path
from typing import Final

import click
import trio
from msgspec.structs import replace
from rich.console import Console
from rich.table import Table

from bench.line import LineBroken
from bench.measures import (
    LOAD_CORE,
    NODE_CORE,
    QUICK,
    Figure,
    Size,
    fsyncs_per_s,
    measure_node,
    pinned,
)
from bench.postgres import PeerMissing, taps_per_s
from ops.node_process import NodeFailed
from ops.output import emit, json_option, progress_console
from storage.verify import verify_folder

TARGETS: Final = {
    "stream_taps_per_s": ">= 80,000",
    "single_taps_per_s": ">= 9,000",
    "open_loop_p99_ms": "<= 25",
    "open_loop_p999_ms": "<= 100",
    "memory_per_terminal_kib": "<= 40",
    "restart_s": "< 3",
}


@click.command()
@click.option("--quick", is_flag=True, help="Small loads: is everything in order?")
@click.option("--repeats", type=click.IntRange(1, 100), default=3, show_default=True)
@click.option("--cards", type=click.IntRange(100), help="Cards issued before the loads.")
@click.option("--no-peer", is_flag=True, help="Leave PostgreSQL out.")
@json_option
def bench(*, quick: bool, repeats: int, cards: int | None, no_peer: bool, as_json: bool) -> None:
    """Measure a node on this machine, and PostgreSQL beside it.

    The node has one core, the load the other. Every tap is decided, durable and checked; in the
    end the journal is verified.

    \b
    Example:
      jakarta-one bench --repeats 5
    """
    size = QUICK if quick else Size()
    if cards is not None:
        size = replace(size, cards=cards)
    console = progress_console(as_json=as_json)
    with tempfile.TemporaryDirectory(prefix="jakarta-one-bench-") as place:
        folder = Path(place)
        folder.chmod(0o755)
        disk = fsyncs_per_s(folder)
        peer, why = None, "left out"
        if not no_peer:
            with console.status("PostgreSQL"):
                peer, why = _peer(folder / "postgres", size)
        with console.status("the node: takes a minute or two"):
            try:
                figures = trio.run(measure_node, folder / "node", size, 1 if quick else repeats)
            except* (LineBroken, NodeFailed) as failed:
                raise click.ClickException(str(failed.exceptions[0])) from failed
        with console.status("verifying the journal"):
            report = verify_folder(folder / "node", folder)
    emit(
        {
            **{figure.name: round(figure.median, 2) for figure in figures},
            "postgres_taps_per_s": peer,
            "postgres_missing": why,
            "verified": report.ok,
            "entries": report.entries,
            "sum_of_accounts_rp": report.sum_of_accounts_rp,
            "cards": size.cards,
            "repeats": {figure.name: figure.values for figure in figures},
            **_machine(disk),
        },
        as_json=as_json,
        render=lambda console: _render(console, figures, peer, why, disk),
    )
    if not report.ok:
        raise click.ClickException("the journal does not verify")


def _peer(folder: Path, size: Size) -> tuple[float | None, str]:
    try:
        rate = taps_per_s(
            folder, clients=size.postgres_clients, seconds=size.postgres_s, cards=size.cards
        )
    except PeerMissing as missing:
        return None, str(missing)
    return round(rate, 1), ""


def _machine(fsyncs: float) -> dict[str, object]:
    return {
        "cores": os.cpu_count(),
        "machine": _processor(),
        "python": platform.python_version(),
        "fsyncs_per_s": round(fsyncs),
        "pinned": f"node and peer core {NODE_CORE}, load core {LOAD_CORE}" if pinned() else "no",
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _render(
    console: Console, figures: list[Figure], peer: float | None, why: str, fsyncs: float
) -> None:
    table = Table(title="Jakarta One on this machine")
    for heading in ("figure", "median", "min", "max", "target", "to PostgreSQL"):
        table.add_column(heading, justify="left" if heading == "figure" else "right")
    for figure in figures:
        ratio = f"{figure.median / peer:,.1f} x" if peer and figure.unit == "taps/s" else ""
        row = (figure.median, min(figure.values), max(figure.values))
        numbers = (f"{value:,.1f}" for value in row)
        table.add_row(figure.name, *numbers, TARGETS.get(figure.name, ""), ratio)
    if peer:
        table.add_row("postgres_taps_per_s", f"{peer:,.1f}")
    console.print(table)
    if not peer:
        console.print(f"no PostgreSQL beside it: {why}")
    for name, value in _machine(fsyncs).items():
        console.print(f"{name}: {value}")
