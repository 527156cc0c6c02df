"""`jakarta-one bench attacks`: attack a node, and say what that comes to."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click
from msgspec import Struct
from msgspec.structs import asdict, replace
from rich.console import Console
from rich.table import Table

from bench.attacks.catalogue import ATTACKS
from bench.attacks.crowd import OPEN
from bench.attacks.measure import Finding, Pace, attacked
from bench.machine import Machine, choose_pins, look
from bench.setting import Bench, Plan
from ops.output import emit, json_option, progress_console

CARDS: Final = 10_000
QUICK: Final = Pace(seconds=1.0, lines=20, rate_per_s=200.0, crowd_share=0.1)
"""Enough to see that everything works; its figures are no figures."""


class Report(Struct, frozen=True):
    """All attacks of a run.

    Attributes:
      machine: that it took place on.
      findings: in the order of the attacks.
      took_s: all of it.
    """

    machine: Machine
    findings: Sequence[Finding]
    took_s: float


@click.command()
@click.option("--quick", is_flag=True, help="Small crowds, a second each: see that it works.")
@click.option(
    "--only",
    type=click.Choice(list(ATTACKS)),
    multiple=True,
    help="Attack only so; may be given more than once.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 600.0),
    help="Of each attack, at least.  [default: 5]",
)
@json_option
def attacks(*, quick: bool, only: Sequence[str], seconds: float | None, as_json: bool) -> None:
    """Attack a node in many ways, and see what the terminals beside it feel.

    Each attack has a node of its own. Terminals that keep to the rules tap at a fixed rate, before
    the attack and while it lasts; each of their taps has to be posted.

    \b
    Example:
      jakarta-one bench attacks --only silent --only "wrong proof"
    """
    pace = QUICK if quick else Pace()
    if seconds is not None:
        pace = replace(pace, seconds=seconds)
    report = _attack(list(only or ATTACKS), pace)
    emit(as_object(report), as_json=as_json, render=lambda console: render(console, report))
    objections = [
        f"{finding.name}: {', '.join(finding.objections())}"
        for finding in report.findings
        if finding.objections()
    ]
    if objections:
        raise click.ClickException("; ".join(objections))


def _attack(names: Sequence[str], pace: Pace) -> Report:
    began_s = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="jakarta-one-attacks-") as folder,
        progress_console(as_json=True).status("looking at the machine") as status,
    ):
        place = Path(folder)
        machine = look(place)
        bench = Bench(place, Plan(small=CARDS), choose_pins(), status.update)
        findings = [attacked(bench, name, pace) for name in names]
        bench.verify()
    return Report(machine, findings, time.monotonic() - began_s)


def as_object(report: Report) -> dict[str, object]:
    """Return a run for a program."""
    return {
        "attacks": {finding.name: _told(finding) for finding in report.findings},
        "machine": asdict(report.machine),
        "verified": True,
        "took_s": round(report.took_s, 1),
    }


def _told(finding: Finding) -> dict[str, object]:
    return {
        "peers": finding.peers,
        "ends": dict(finding.ends),
        "taps": finding.during.taps,
        "p50_before_ms": round(finding.before.p50_ms, 1),
        "p50_ms": round(finding.during.p50_ms, 1),
        "p99_before_ms": round(finding.before.p99_ms, 1),
        "p99_ms": round(finding.during.p99_ms, 1),
        "newcomer_s_max": round(max(finding.newcomers_s, default=0.0), 2),
        "memory_before_mib": round(finding.rss_before_mib, 1),
        "memory_peak_mib": round(finding.rss_peak_mib, 1),
        "grows_mib_max": round(finding.grows_mib_max),
        "objections": finding.objections(),
    }


def render(console: Console, report: Report) -> None:
    """Print a run for a person; how connections ended stands in the object."""
    table = Table(title="attacks on one node", title_justify="left", show_edge=False)
    table.add_column("attack", no_wrap=True)
    for name in ("peers", "ended", "p50 ms", "p99 ms", "come in", "MiB"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in report.findings:
        ended = sum(count for how, count in each.ends.items() if how != OPEN)
        table.add_row(
            each.name,
            f"{each.peers}",
            f"{ended:,}",
            f"{each.before.p50_ms:.1f} > {each.during.p50_ms:.1f}",
            f"{each.before.p99_ms:.1f} > {each.during.p99_ms:.1f}",
            f"{max(each.newcomers_s, default=0.0):.2f} s",
            f"{each.rss_before_mib:.0f} > {each.rss_peak_mib:.0f}",
        )
    console.print(table)
    machine = report.machine
    console.print(
        f"{machine.model}, {machine.cores} cores, Python {machine.python}, {machine.system}; "
        f"load average {machine.load_average} before; {report.took_s:.0f} s"
    )
    taps = sum(each.during.taps for each in report.findings)
    console.print(f"[bold green]{taps:,} taps beside the attacks, every one posted and verified[/]")
