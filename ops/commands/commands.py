"""`jakarta-one commands`: what terminals were told to do, and what became of it."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from ops.commands.send import send
from ops.feed.named import named_intent
from ops.fleet import paging
from ops.fleet.command_table import counts, show_command, show_commands, show_journal
from ops.fleet.shown import in_json
from ops.groups import Showing
from ops.options import all_option, limit_option
from ops.output import emit, json_option
from ops.remote import Remote, at_node, remote_options
from terminals.client import TerminalClient
from terminals.messages import CommandPlace, CommandRow, JournalLine


@click.group(cls=Showing, shows="list")
def commands() -> None:
    """What terminals were told to do, and what became of it.

    \b
    Examples:
      jakarta-one commands
      jakarta-one commands send lane closed --terminal GATE-01 --expires-in 1h
      jakarta-one commands show 20270131-041500-5f0a91c2
    """


commands.add_command(send)


@commands.command(name="list")
@limit_option
@all_option
@remote_options
@json_option
def list_commands(remote: Remote, limit: int, *, everything: bool, as_json: bool) -> None:
    """List commands, newest first: this is what `jakarta-one commands` alone does.

    \b
    Example:
      jakarta-one commands --limit 10
    """

    async def look(client: TerminalClient) -> tuple[tuple[CommandRow, ...], int, int]:
        most = paging.NO_LIMIT if everything else limit
        rows, rest = await paging.commands(client, most)
        return rows, rest, client.clock.corrected_ms()

    rows, rest, now_ms = at_node(remote, look)
    emit(
        {"commands": [_command(row) for row in rows], "next": rest, "server_time_ms": now_ms},
        as_json=as_json,
        render=lambda console: show_commands(console, rows, rest, now_ms),
    )


@commands.command()
@click.argument("command_id", metavar="ID")
@limit_option
@all_option
@remote_options
@json_option
def show(remote: Remote, command_id: str, limit: int, *, everything: bool, as_json: bool) -> None:
    """Show one command, and where it stands at each terminal.

    ID is that of the order, or of another officer's as `jakarta-one commands` shows it.

    \b
    Example:
      jakarta-one commands show ani/20270131-041500-5f0a91c2
    """

    async def look(
        client: TerminalClient,
    ) -> tuple[CommandRow, tuple[CommandPlace, ...], str, int]:
        most = paging.NO_LIMIT if everything else limit
        found = await paging.command(client, _full(remote, command_id), most)
        return *found, client.clock.corrected_ms()

    row, places, rest, now_ms = at_node(remote, look)
    emit(
        {
            **_command(row),
            "terminals": in_json(places),
            "next": rest,
            "server_time_ms": now_ms,
        },
        as_json=as_json,
        render=lambda console: show_command(console, row, places, rest, now_ms),
    )


@commands.command()
@click.argument("command_id", metavar="ID")
@click.argument("terminal")
@click.option("--lines", is_flag=True, help="Print one JSON object a line for each transaction.")
@remote_options
@json_option
def journal(remote: Remote, command_id: str, terminal: str, *, lines: bool, as_json: bool) -> None:
    """Print what a TERMINAL sent of its own journal, and whether the node has each.

    ID is that of a `send_journal`.

    \b
    Example:
      jakarta-one commands journal 20270131-041500-5f0a91c2 GATE-01 --lines
    """
    if lines and as_json:
        raise click.UsageError("give either --lines or --json")

    whole_id = _full(remote, command_id)
    found = at_node(remote, lambda client: paging.journal(client, whole_id, terminal))
    if lines:
        emit({}, as_json=False, render=lambda _console: _print_lines(found))
        return
    emit(
        {
            "id": whole_id,
            "terminal": terminal,
            "transactions": [_line(line) for line in found],
        },
        as_json=as_json,
        render=lambda console: show_journal(console, found),
    )


def _full(remote: Remote, command_id: str) -> str:
    """Return the id of a command: that of an order is one's own."""
    return command_id if "/" in command_id else f"{remote.name}/{command_id}"


def _command(row: CommandRow) -> dict[str, object]:
    return {
        "number": row.number,
        "id": row.id,
        "body": in_json(row.body),
        "officer": row.officer,
        "ordered_ms": row.ordered_ms,
        "expires_ms": row.expires_ms,
        "states": counts(row),
    }


def _line(line: JournalLine) -> dict[str, object]:
    counter, at_ms, intent = line.transaction
    return {
        "counter": counter,
        "at_ms": at_ms,
        "intent": named_intent(intent),
        "position": line.position,
        "known": line.position >= 0,
    }


def _print_lines(found: Sequence[JournalLine]) -> None:
    for line in found:
        click.echo(json.dumps(_line(line)))
