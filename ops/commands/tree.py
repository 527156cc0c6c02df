"""`jakarta-one tree`: the supervision tree of a node as it is now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import click
import trio
from rich.console import Console
from rich.live import Live

from ops.endings import Interrupted
from ops.fleet.tree_table import draw, rates
from ops.output import emit, json_option
from ops.remote import WATCH_PATIENCE_S, Remote, ask, at_node, remote_options
from terminals.client import TerminalClient
from terminals.messages import Tree

BETWEEN_S: Final = 1.0
"""Rates are taken over this time, and a tree that is watched is drawn so often."""


@click.command()
@click.option("--watch", is_flag=True, help="Draw it every second, until Ctrl-C.")
@click.option("--no-rates", is_flag=True, help="Do not look twice: no messages per second.")
@remote_options
@json_option
def tree(remote: Remote, *, watch: bool, no_rates: bool, as_json: bool) -> None:
    """Draw the supervision tree: states, ages, restarts, mailboxes, messages per second.

    \b
    Examples:
      jakarta-one tree
      jakarta-one tree --watch
    """
    if watch:
        if as_json or no_rates:
            raise click.UsageError("--watch goes with neither --json nor --no-rates")
        _watch(remote)
        return

    async def look(client: TerminalClient) -> tuple[Tree, Sequence[float | None]]:
        before = await ask(client, Tree, ["tree"])
        if no_rates:
            return before, [None] * len(before.rows)
        await trio.sleep(BETWEEN_S)
        after = await ask(client, Tree, ["tree"])
        return after, rates(before, after)

    found, per_s = at_node(remote, look)
    emit(
        as_object(found, per_s),
        as_json=as_json,
        render=lambda console: console.print(draw(found, per_s)),
    )


def as_object(found: Tree, per_s: Sequence[float | None]) -> dict[str, object]:
    """Return a tree for programs: the rows of the protocol, each with its rate."""
    return {
        "rows": [
            {**row._asdict(), "per_s": rate} for row, rate in zip(found.rows, per_s, strict=True)
        ],
        "server_time_ms": found.server_time_ms,
        "quarantined": found.quarantined,
        "position": found.position,
    }


def _watch(remote: Remote) -> None:
    async def look_on(client: TerminalClient) -> None:
        before = await ask(client, Tree, ["tree"])
        with Live(console=Console(), auto_refresh=False) as live:
            while True:
                await trio.sleep(BETWEEN_S)
                after = await ask(client, Tree, ["tree"])
                live.update(draw(after, rates(before, after)), refresh=True)
                before = after

    try:
        at_node(remote, look_on, patience_s=WATCH_PATIENCE_S)
    except Interrupted:
        # This is how one ends it.
        return
