"""`jakarta-one lists`: what terminals decide by, published and followed until they hold it."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from engine.fleet.lists import LIST_NAMES
from ops.fleet.list_rows import read_entries
from ops.fleet.list_table import show_lists
from ops.fleet.list_wait import find_list, wait_spread
from ops.fleet.ordering import given, id_option, receipt_of
from ops.fleet.publication import Publication, intention, publication_options, publish_wanted
from ops.fleet.shown import counted, in_json
from ops.groups import Showing
from ops.options import ShortText
from ops.output import emit, json_option, progress_console
from ops.remote import WATCH_PATIENCE_S, Remote, ask, at_node, remote_options
from ops.values import printable
from terminals.client import TerminalClient
from terminals.messages import ListRow, Lists, Receipt
from terminals.officer import order

list_argument = click.argument("list_name", type=click.Choice(LIST_NAMES), metavar="LIST")
draft_argument = click.argument("draft", type=ShortText(64))


@click.group(cls=Showing, shows="show")
def lists() -> None:
    """The lists that terminals hold: deny, fares, rules, settings, firmware.

    \b
    Examples:
      jakarta-one lists
      jakarta-one lists publish deny stolen.csv --note "depot Cawang"
      jakarta-one lists wait deny --share 95
    """


@lists.command()
@remote_options
@json_option
def show(remote: Remote, *, as_json: bool) -> None:
    """Show what was published, how far it has spread, and which drafts wait.

    This is what `jakarta-one lists` alone does.

    \b
    Example:
      jakarta-one lists
    """

    async def look(client: TerminalClient) -> tuple[Lists, int]:
        return await ask(client, Lists, ["lists"]), client.clock.corrected_ms()

    found, now_ms = at_node(remote, look)
    told = {
        "lists": in_json(found.lists),
        "drafts": in_json(found.drafts),
        "server_time_ms": now_ms,
    }
    emit(told, as_json=as_json, render=lambda console: show_lists(console, found, now_ms))


@lists.command(name="publish")
@list_argument
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@publication_options
@click.option("--yes", is_flag=True, help="Do not ask.")
@remote_options
@json_option
def publish_list(
    remote: Remote, list_name: str, file: Path, how: Publication, *, yes: bool, as_json: bool
) -> None:
    """Publish a LIST, or a change of it, from a CSV FILE.

    The first line of the file names its columns: key, value and, in a change, remove. Where
    remove says yes, the key goes; its value is empty. Everything else puts a key. The whole file
    is checked before anything is sent.

    A large change of the deny list waits until a second officer approves it.

    \b
    Example:
      jakarta-one lists publish deny stolen.csv --note "depot Cawang"
    """
    wanted = read_entries(file, list_name, whole=how.whole)
    before = find_list(at_node(remote, lambda client: ask(client, Lists, ["lists"])), list_name)
    base = how.base if how.base is not None else before.version if before else 0
    click.echo(intention(list_name, before, wanted, how, base), err=True)
    if not yes:
        click.confirm("Publish it?", abort=True, err=True)
    named = given(how.order_id, more=f" --base {base}")

    with progress_console(as_json=as_json).status(f"sending {counted(len(wanted.entries), 'row')}"):
        receipt = at_node(
            remote,
            lambda client: publish_wanted(client, remote, list_name, named, wanted, base, how),
        )
    emit(
        {**_told(receipt, named.id), "list": list_name, "base": base},
        as_json=as_json,
        render=lambda console: _show_receipt(console, list_name, named.id, receipt),
    )


def _told(receipt: Receipt, order_id: str) -> dict[str, object]:
    return {
        "id": order_id,
        "result": receipt.result,
        "version": receipt.version,
        "changes": receipt.count,
    }


def _show_receipt(console: Console, name: str, draft: str, receipt: Receipt) -> None:
    changes = f"{counted(receipt.count, 'key')} changed"
    if receipt.result == "waiting":
        console.print(f"{draft} waits: {printable(receipt.text)}", highlight=False)
        console.print(f"another officer: jakarta-one lists approve {draft}", highlight=False)
    else:
        console.print(f"{name} {receipt.version} is published: {changes}", highlight=False)
        console.print(f"follow it: jakarta-one lists wait {name}", highlight=False)


@lists.command()
@draft_argument
@id_option
@remote_options
@json_option
def approve(remote: Remote, draft: str, order_id: str | None, *, as_json: bool) -> None:
    """Publish a DRAFT of another officer that waits; `jakarta-one lists` shows which do.

    \b
    Example:
      jakarta-one lists approve 20270131-041500-5f0a91c2
    """
    receipt, order_id = _about_draft(remote, "list_approve", draft, order_id)
    emit(
        {**_told(receipt, order_id), "draft": draft},
        as_json=as_json,
        render=lambda console: console.print(
            f"{draft} is published as version {receipt.version}: "
            f"{counted(receipt.count, 'key')} changed",
            highlight=False,
        ),
    )


@lists.command()
@draft_argument
@id_option
@remote_options
@json_option
def withdraw(remote: Remote, draft: str, order_id: str | None, *, as_json: bool) -> None:
    """Throw a DRAFT away that waits, or of which parts were sent.

    \b
    Example:
      jakarta-one lists withdraw 20270131-041500-5f0a91c2
    """
    receipt, order_id = _about_draft(remote, "list_withdraw", draft, order_id)
    emit(
        {**_told(receipt, order_id), "draft": draft},
        as_json=as_json,
        render=lambda console: console.print(f"{draft} is thrown away", highlight=False),
    )


def _about_draft(
    remote: Remote, action: str, draft: str, order_id: str | None
) -> tuple[Receipt, str]:
    named = given(order_id)

    async def send(client: TerminalClient) -> Receipt:
        return await receipt_of(remote, named, lambda: order(client, named.id, [action, draft]))

    return at_node(remote, send), named.id


@lists.command()
@list_argument
@click.option(
    "--share",
    type=click.IntRange(1, 100),
    default=95,
    show_default=True,
    help="Of the connected terminals, in per cent.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, max=86_400),
    default=600.0,
    show_default=True,
    help="The longest wait, in seconds.",
)
@remote_options
@json_option
@click.pass_context
def wait(
    ctx: click.Context, remote: Remote, list_name: str, share: int, timeout: float, *, as_json: bool
) -> None:
    """Wait until a share of the connected terminals hold the present version of a LIST.

    Exit status 0 says that they do.

    \b
    Example:
      jakarta-one lists wait deny --share 95 --timeout 600
    """
    with progress_console(as_json=as_json).status(f"{list_name}: asking") as status:

        def note(row: ListRow) -> None:
            status.update(f"{list_name} {row.version}: {_held(row)}, {row.mismatches:,} mismatches")

        spread = at_node(
            remote,
            lambda client: wait_spread(
                client, list_name, share=share, timeout_s=timeout, note=note
            ),
            patience_s=WATCH_PATIENCE_S,
        )
    row = spread.row
    told = {"reached": spread.reached, "share": share, "waited_s": round(spread.waited_s, 3)}
    verdict = "it has spread" if spread.reached else "[red]that is not enough[/red]"
    emit(
        {**told, "list": in_json(row)},
        as_json=as_json,
        render=lambda console: console.print(
            f"{list_name} {row.version}: {_held(row)} after {spread.waited_s:.1f} s: {verdict}",
            highlight=False,
        ),
    )
    ctx.exit(0 if spread.reached else 1)


def _held(row: ListRow) -> str:
    return f"{row.holders:,} of {row.connected:,} connected terminals hold it"
