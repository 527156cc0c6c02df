"""`jakarta-one shift`: the shifts of a terminal; closing one while the terminal does not run."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click
import trio

from ops.groups import Showing
from ops.options import all_option, limit_option
from ops.output import emit, json_option
from ops.remote import ANSWER_S_MAX, Remote, at_node, remote_options
from ops.terminal.certificates import shift_in_json, show_certificates, show_shifts
from ops.terminal.folder import opened_journal, shifts_in
from ops.values import printable
from storage.errors import StorageError
from terminals.acceptance.certificate import Certificate
from terminals.acceptance.certifier import Certifier
from terminals.acceptance.journal import TapJournal
from terminals.acceptance.sender import Sender
from terminals.acceptance.timing import Timing
from terminals.client import TerminalClient
from terminals.errors import NodeMisbehaved, NodeRefused

NOT_COMPLETE: Final = 1
"""The exit status where the node has not all of a shift."""

data_option = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder of a terminal.",
)


@click.group(cls=Showing, shows="list")
def shift() -> None:
    """The shifts of a terminal, and what its node has of them.

    A terminal that runs closes its shift when it gets SIGHUP, or when it ends (--close-shift).

    \b
    Examples:
      jakarta-one shift --data till
      jakarta-one shift close --data till --url ws://127.0.0.1:8145 --name TILL-1 --key till.key
    """


@shift.command(name="list")
@data_option
@limit_option
@all_option
@json_option
def list_shifts(data: Path, limit: int, *, everything: bool, as_json: bool) -> None:
    """List shifts, the last first: this is what `jakarta-one shift` alone does.

    The terminal may run meanwhile.

    \b
    Example:
      jakarta-one shift --data till --limit 7
    """
    try:
        found = shifts_in(data)[::-1]
    except StorageError as error:
        raise click.ClickException(str(error)) from error
    shown = found if everything else found[:limit]
    left_out = len(found) - len(shown)
    emit(
        {"shifts": [shift_in_json(each) for each in shown], "left_out": left_out},
        as_json=as_json,
        render=lambda console: show_shifts(console, shown, left_out),
    )


@shift.command()
@data_option
@remote_options
@json_option
def close(data: Path, remote: Remote, *, as_json: bool) -> None:
    """Close the shift of a terminal that does not run, and print what the node has of it.

    What the node has not heard of is sent before. Shifts that were closed before and have no
    certificate yet get theirs too. Exit status 0 only if the node has all of each. Without the
    node nothing is closed.

    \b
    Example:
      jakarta-one shift close --data till --url ws://127.0.0.1:8145 --name TILL-1 --key till.key
    """
    try:
        # What is there already: an empty folder would begin with a first shift.
        shifts_in(data)
        with opened_journal(data) as journal:
            made = at_node(remote, lambda client: close_at(client, remote.name, journal))
    except StorageError as error:
        raise click.ClickException(str(error)) from error
    *earlier, last = made
    emit(
        {"shift": last.in_json(), "earlier": [each.in_json() for each in earlier]},
        as_json=as_json,
        render=lambda console: show_certificates(console, made),
    )
    if not all(each.complete for each in made):
        click.get_current_context().exit(NOT_COMPLETE)


async def close_at(client: TerminalClient, name: str, journal: TapJournal) -> list[Certificate]:
    """Send what the node does not have, close the shift, and return the certificates.

    Args:
      client: at the node.
      name: of the terminal.
      journal: of the terminal, which does not run.

    Raises:
      click.ClickException: the node does not answer about the shift.
      TerminalError: the node is gone.
      StorageError: the disk failed.
    """
    timing, made = Timing(client.clock, journal.run), list[Certificate]()
    certifier = Certifier(name, journal, timing, on_certificate=made.append)
    sender = Sender(journal, timing)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sender.run, client)
        await sender.wait_empty()
        nursery.cancel_scope.cancel()
    closed = await certifier.close()
    said = f"shift {closed.number} is closed; its certificate follows"
    try:
        with trio.move_on_after(ANSWER_S_MAX) as waited:
            await certifier.certify(client)
    except (NodeRefused, NodeMisbehaved) as error:
        raise click.ClickException(f"{said}: {printable(str(error))}") from error
    if waited.cancelled_caught:
        raise click.ClickException(f"{said}: no answer in {ANSWER_S_MAX:g} s")
    return made
