"""`jakarta-one commands send`: the things that terminals can be told to do."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.console import Console

from engine.limits import COUNTER_MAX, LOG_LEVEL_S_MAX
from ops.fleet.command_table import counts
from ops.fleet.dispatch import Dispatch, Sent, dispatch, dispatch_options
from ops.fleet.ordering import given
from ops.fleet.shown import counted
from ops.output import emit, json_option, progress_console
from ops.remote import Remote, at_node, remote_options
from ops.values import SPAN, shown_time
from terminals.messages import CommandRow


@click.group()
def send() -> None:
    """Have terminals do something, once, whenever they are next connected.

    Exit status 0 says that the node has the command on disk; with --wait, that all have done it.

    \b
    Examples:
      jakarta-one commands send lane closed --terminal GATE-01 --expires-in 1h
      jakarta-one commands send restart --kind bus --operator transjakarta --wait
    """


@send.command()
@click.argument("card")
@click.argument("action", type=click.Choice(["block", "unblock", "reset_journey"]))
@dispatch_options
@remote_options
@json_option
@click.pass_context
def card(
    ctx: click.Context, card: str, action: str, remote: Remote, how: Dispatch, *, as_json: bool
) -> None:
    """Block or unblock the chip of a CARD, or end its journey, when it is next presented.

    \b
    Example:
      jakarta-one commands send card 6013500100000001 block --everybody --expires-in 7d
    """
    _send(ctx, remote, how, ["card", card, action], as_json=as_json)


@send.command()
@click.argument("when", type=click.Choice(["now", "idle"]), default="idle")
@dispatch_options
@remote_options
@json_option
@click.pass_context
def restart(ctx: click.Context, when: str, remote: Remote, how: Dispatch, *, as_json: bool) -> None:
    """Start again: now, or when nobody is in front of the terminal (idle).

    \b
    Example:
      jakarta-one commands send restart idle --terminal GATE-01
    """
    _send(ctx, remote, how, ["restart", when], as_json=as_json)


@send.command(name="log_level")
@click.argument("level", type=click.Choice(["error", "warning", "info", "debug"]))
@click.option("--for", "span", type=SPAN, default="1h", show_default=True, help="How long.")
@dispatch_options
@remote_options
@json_option
@click.pass_context
def log_level(
    ctx: click.Context, level: str, span: int, remote: Remote, how: Dispatch, *, as_json: bool
) -> None:
    """Log more or less for a while.

    \b
    Example:
      jakarta-one commands send log_level debug --for 2h --terminal GATE-01
    """
    for_s = span // 1000
    if not 1 <= for_s <= LOG_LEVEL_S_MAX:
        raise click.BadParameter(f"1s to {LOG_LEVEL_S_MAX // 86_400}d", param_hint="--for")
    _send(ctx, remote, how, ["log_level", level, for_s], as_json=as_json)


@send.command()
@click.argument("lane", type=click.Choice(["open", "closed"]))
@dispatch_options
@remote_options
@json_option
@click.pass_context
def lane(ctx: click.Context, lane: str, remote: Remote, how: Dispatch, *, as_json: bool) -> None:
    """Open or close the lane of a gate.

    \b
    Example:
      jakarta-one commands send lane closed --kind gate --place "Blok M" --expires-in 1h
    """
    _send(ctx, remote, how, ["lane", lane], as_json=as_json)


@send.command(name="send_journal")
@click.argument("first", type=click.IntRange(1, COUNTER_MAX))
@click.argument("last", type=click.IntRange(1, COUNTER_MAX))
@dispatch_options
@remote_options
@json_option
@click.pass_context
def send_journal(
    ctx: click.Context, first: int, last: int, remote: Remote, how: Dispatch, *, as_json: bool
) -> None:
    """Send what the terminal has written down of its transactions FIRST to LAST.

    `jakarta-one commands journal` shows what came.

    \b
    Example:
      jakarta-one commands send send_journal 5 7 --terminal GATE-01 --wait
    """
    if last < first:
        raise click.UsageError("LAST comes before FIRST")
    _send(ctx, remote, how, ["send_journal", first, last], as_json=as_json)


def _send(
    ctx: click.Context, remote: Remote, how: Dispatch, body: Sequence[object], *, as_json: bool
) -> None:
    how.selection()
    order = given(how.order_id)
    with progress_console(as_json=as_json).status("sending") as status:

        def note(row: CommandRow) -> None:
            status.update(", ".join(f"{n:,} {state}" for state, n in counts(row).items() if n))

        sent = at_node(remote, lambda client: dispatch(client, remote, order, body, how, note))
    row, command_id = sent.row, f"{remote.name}/{order.id}"
    told: dict[str, object] = {
        "id": command_id,
        "order": order.id,
        "result": sent.receipt.result,
        "terminals": sent.receipt.count,
        "expires_ms": sent.expires_ms,
        "states": None if row is None else counts(row),
    }
    emit(told, as_json=as_json, render=lambda console: _show(console, command_id, sent))
    ctx.exit(0 if row is None or row.done == sent.receipt.count else 1)


def _show(console: Console, command_id: str, sent: Sent) -> None:
    until = shown_time(sent.expires_ms)
    terminals = counted(sent.receipt.count, "terminal")
    console.print(f"{command_id} goes to {terminals} until {until} WIB", highlight=False)
    if sent.row is None:
        console.print(f"follow it: jakarta-one commands show {command_id}", highlight=False)
    else:
        for state, count in counts(sent.row).items():
            if count:
                console.print(f"  {count:,} {state}", highlight=False)
