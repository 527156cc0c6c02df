"""`jakarta-one bench`: measure one node, and PostgreSQL beside it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import click
import trio
from msgspec.structs import replace

from bench.attacks.cli import attacks
from bench.errors import BenchError
from bench.machine import choose_pins, look
from bench.measure import MEASURES, verification
from bench.report import Result, as_object, render
from bench.setting import QUICK, Bench, Plan
from ops.endings import leaves
from ops.node_process import NodeFailed
from ops.open_files import allow_files
from ops.output import emit, json_option, progress_console
from storage.errors import StorageError
from terminals.errors import TerminalError

FAILURES = (BenchError, NodeFailed, StorageError, TerminalError, OSError, trio.TooSlowError)
"""What ends a run with one line."""

SPARE_FILES = 200
"""Open files besides the terminals' sockets: the stores, the programs' own."""


@click.group(invoke_without_command=True)
@click.option("--quick", is_flag=True, help="Small loads, one repeat: see that everything works.")
@click.option("--repeats", type=click.IntRange(1, 20), help="Of each load.  [default: 3]")
@click.option(
    "--only",
    type=click.Choice(list(MEASURES)),
    multiple=True,
    help="Measure only this; may be given more than once.",
)
@click.option("--no-peer", is_flag=True, help="Leave PostgreSQL out.")
@click.option(
    "--cards",
    type=click.IntRange(100, 100_000_000),
    help="Cards of the large folder; 10,000,000 take a quarter of an hour.  [default: 1,000,000]",
)
@click.option(
    "--terminals",
    type=click.IntRange(100, 20_000),
    help="Connected at the same time, to weigh them.  [default: 2,000]",
)
@click.option(
    "--rate", type=click.IntRange(1, 50_000), help="Taps/s of the open loop.  [default: 2,000]"
)
@click.option(
    "--offline-terminals",
    type=click.IntRange(1, 900),
    help="Of the day without a node.  [default: 50]",
)
@click.option(
    "--offline-taps",
    type=click.IntRange(1, 20_000),
    help="Of each of them on that day.  [default: 1,000]",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False, exists=True, writable=True),
    help="Folder on the disk to be measured. The system's temporary folder if not given.",
)
@json_option
@click.pass_context
def bench(  # noqa: PLR0913 one for each option
    context: click.Context,
    *,
    quick: bool,
    repeats: int | None,
    only: Sequence[str],
    no_peer: bool,
    cards: int | None,
    terminals: int | None,
    rate: int | None,
    offline_terminals: int | None,
    offline_taps: int | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Measure a node on this machine, and PostgreSQL with the same taps beside it.

    The node is a process of its own on one core, the load generator has another one; every tap is
    decided, durable and answered, and all that was written is verified in the end.

    \b
    Examples:
      jakarta-one bench
      jakarta-one bench --only stream --only postgres --repeats 5 --json
    """
    if context.invoked_subcommand is not None:
        return
    given = {
        "repeats": repeats,
        "large": cards,
        "terminals": terminals,
        "rate_per_s": None if rate is None else float(rate),
        "offline_terminals": offline_terminals,
        "offline_taps": offline_taps,
    }
    plan = replace(
        QUICK if quick else Plan(), **{name: value for name, value in given.items() if value}
    )
    names = [name for name in only or MEASURES if not (no_peer and name == "postgres")]
    files = allow_files(2 * plan.terminals + SPARE_FILES)
    if files < max(plan.terminals, plan.single_lines) + SPARE_FILES:
        raise click.ClickException(f"the system allows {files} open files: ask for fewer terminals")
    try:
        result = _measure(plan, names, data)
    except (*FAILURES, BaseExceptionGroup) as failed:
        causes = list(leaves(failed))
        if not all(isinstance(cause, FAILURES) for cause in causes):
            raise
        raise click.ClickException(f"{type(causes[0]).__name__}: {causes[0]}") from failed
    emit(as_object(result), as_json=as_json, render=lambda console: render(console, result))


bench.add_command(attacks)


def _measure(plan: Plan, names: Sequence[str], data: Path | None) -> Result:
    began_s = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="jakarta-one-bench-", dir=data) as folder,
        progress_console(as_json=True).status("looking at the machine") as status,
    ):
        place = Path(folder)
        # PostgreSQL may run as another user, who has to reach its own folder inside.
        place.chmod(0o711)
        machine = look(place)
        setting = Bench(place, plan, choose_pins(), status.update)
        figures = [figure for name in names for figure in MEASURES[name](setting)]
        verified = setting.verify()
        if verified:
            figures.append(verification(setting.verify_rates))
        return Result(
            plan=plan,
            machine=machine,
            pins=setting.pins,
            figures=figures,
            trials=setting.peer,
            no_peer=setting.no_peer,
            no_readers=setting.no_readers,
            verified=verified,
            took_s=time.monotonic() - began_s,
        )
