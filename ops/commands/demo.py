"""`jakarta-one demo`: watch a morning of the city go through a node and balance."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from ops.demo.network import Network, built_in
from ops.demo.result import Result
from ops.demo.run import Demo, Options
from ops.demo.statement import render
from ops.demo.watch import Diary
from ops.endings import interruptible, leaves, run_interruptible
from ops.node_process import NodeFailed
from ops.output import Times, emit, json_option, progress_console
from storage.errors import StorageError
from terminals.errors import TerminalError

TRIPS_MIN: Final = 100
"""Fewer have no shape and may have no refused tap."""
TRIPS_MAX: Final = 1_000_000


@click.command()
@click.option(
    "--trips",
    type=click.IntRange(TRIPS_MIN, TRIPS_MAX),
    default=20_000,
    show_default=True,
    help="Trips of the morning.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of all that is drawn.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the data folder here; it must not hold anything yet.",
)
@click.option(
    "--speed",
    type=Times(1),
    help="So many times faster than the city; by default what two cores carry.",
)
@click.option("--no-kill", is_flag=True, help="Do not kill the node half way.")
@json_option
@click.pass_context
def demo(
    ctx: click.Context,
    trips: int,
    seed: int,
    data: Path | None,
    speed: float | None,
    *,
    no_kill: bool,
    as_json: bool,
) -> None:
    """Watch a morning of the city go through a node, and balance to the rupiah.

    A node is started, terminals connect to it over websockets, cards are issued and topped up,
    and the taps of some lines of Jakarta are sent as the city's clock runs, only faster. Half
    way the node is killed with SIGKILL and started again, while the terminals go on. In the end
    the journal is verified and compared with everything that was acknowledged.

    The exit status is 0 only if everything balanced.

    \b
    Example:
      jakarta-one demo
      jakarta-one demo --data morning --seed 7
      jakarta-one demo --trips 2000 --json
    """
    network = built_in()
    options = Options(trips, seed, speed, kill=not no_kill, keep=data is not None)
    with interruptible(), ExitStack() as held:
        if data is None:
            parent = held.enter_context(tempfile.TemporaryDirectory(prefix="jakarta-one-demo-"))
            data = Path(parent) / "data"
        elif data.exists() and any(data.iterdir()):
            raise click.BadParameter(f"{data} is not empty", param_hint="--data")
        result = _run(network, options, data, progress_console(as_json=as_json))
    emit(
        result.as_json(),
        as_json=as_json,
        render=lambda console: render(console, network, result),
    )
    ctx.exit(0 if result.balanced else 1)


def _run(network: Network, options: Options, data: Path, console: Console) -> Result:
    diary = Diary(console, lambda: datetime.now().astimezone())
    try:
        return run_interruptible(Demo(network, options, data, diary).run)
    except (NodeFailed, StorageError, TerminalError, ExceptionGroup) as error:
        causes = list(leaves(error))
        if not all(isinstance(c, NodeFailed | StorageError | TerminalError) for c in causes):
            raise
        raise click.ClickException(f"the demo ended early: {causes[0]}") from error
