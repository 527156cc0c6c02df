"""`jakarta-one terminals`: the terminals that a node knows, and how they are."""

from __future__ import annotations

import click

from ops.fleet import paging
from ops.fleet.ordering import given, id_option
from ops.fleet.register_file import KINDS
from ops.fleet.registering import Described, described_terminals, register_all
from ops.fleet.shown import counted, in_json
from ops.fleet.terminal_table import show_terminals
from ops.groups import Showing
from ops.options import all_option, limit_option
from ops.output import emit, json_option, progress_console
from ops.remote import Remote, at_node, remote_options
from terminals.client import TerminalClient
from terminals.messages import TerminalRow, Terminals


@click.group(cls=Showing, shows="list")
def terminals() -> None:
    """The terminals of a node: what they are, how they are, what they hold.

    \b
    Examples:
      jakarta-one terminals --kind gate --silent
      jakarta-one terminals register GATE-0142 --kind gate --place "Blok M" --operator mrtj
    """


@terminals.command(name="list")
@click.option("--kind", type=click.Choice(KINDS), help="Only of this kind.")
@click.option("--place", default="", help="Only at this place.")
@click.option("--operator", default="", help="Only of this operator.")
@click.option("--silent", is_flag=True, help="Only those not heard of for five minutes.")
@limit_option
@all_option
@remote_options
@json_option
def list_terminals(
    remote: Remote,
    kind: str | None,
    place: str,
    operator: str,
    limit: int,
    *,
    silent: bool,
    everything: bool,
    as_json: bool,
) -> None:
    """List terminals: this is what `jakarta-one terminals` alone does.

    \b
    Example:
      jakarta-one terminals --operator transjakarta --silent --all
    """

    async def look(client: TerminalClient) -> tuple[tuple[TerminalRow, ...], Terminals, int]:
        most = paging.NO_LIMIT if everything else limit
        rows, last = await paging.terminals(
            client, most, kind=kind or "", place=place, operator=operator, silent=silent
        )
        return rows, last, client.clock.corrected_ms()

    rows, last, now_ms = at_node(remote, look)
    emit(
        {
            "terminals": in_json(rows),
            "next": last.next,
            "known": last.known,
            "connected": last.connected,
            "silent": last.silent,
            "server_time_ms": now_ms,
        },
        as_json=as_json,
        render=lambda console: show_terminals(console, rows, last, now_ms),
    )


@terminals.command()
@described_terminals
@id_option
@remote_options
@json_option
def register(remote: Remote, what: Described, order_id: str | None, *, as_json: bool) -> None:
    """Note what a TERMINAL is, where it stands and whose it is, also before it ever came.

    With --from, many of them: the whole file is checked before the first is sent.

    \b
    Examples:
      jakarta-one terminals register GATE-0142 --kind gate --place "Blok M" --operator mrtj
      jakarta-one terminals register --from gates.csv
    """
    wanted = what.registrations()
    order = given(order_id)
    with progress_console(as_json=as_json).status("registering") as status:

        def note(done: int) -> None:
            status.update(f"{done:,} of {len(wanted):,} registered")

        done = at_node(remote, lambda client: register_all(client, remote, order, wanted, note))
    emit(
        {"id": order.id, "registered": done},
        as_json=as_json,
        render=lambda console: console.print(
            f"{counted(done, 'terminal')} registered", highlight=False
        ),
    )
