"""Giving a command to terminals, and following it until all of them have told what became of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import click
import trio

from engine.limits import NAME_LENGTH_MAX, TERMINALS_NAMED_MAX
from ops.fleet.command_table import OPEN_STATES, counts
from ops.fleet.ordering import Given, id_option, receipt_of
from ops.fleet.register_file import KINDS
from ops.options import ShortText, bundled
from ops.remote import Remote, ask, find
from ops.values import MOMENT, SPAN
from terminals.client import TerminalClient
from terminals.messages import CommandFound, CommandRow, Receipt
from terminals.officer import order

POLL_S: Final = 0.5
EXPIRY_MS_MAX: Final = 30_000
"""After its time a command is soon noted as expired; a node that does not is not waited for."""
_TEXT: Final = ShortText(NAME_LENGTH_MAX)


class Dispatch(NamedTuple):
    """For whom a command is, until when, and whether it is followed."""

    terminals: tuple[str, ...]
    kind: str | None
    place: str
    operator: str
    everybody: bool
    expires_in: int
    expires_at: int | None
    order_id: str | None
    wait: bool

    def selection(self) -> list[object]:
        """Return the terminals meant, as the protocol names them.

        Raises:
          click.UsageError: nobody is meant, or too many by name.
        """
        conditions = (self.terminals, self.kind or "", self.place, self.operator)
        if not any(conditions) and not self.everybody:
            message = "say for whom: --terminal, --kind, --place, --operator or --everybody"
            raise click.UsageError(message)
        if len(self.terminals) > TERMINALS_NAMED_MAX:
            raise click.UsageError(f"at most {TERMINALS_NAMED_MAX:,} terminals by name")
        return [*conditions, self.everybody]

    async def expires_ms(self, client: TerminalClient) -> int:
        """Return when it is too late: by the node's clock, or as it was when it was sent before.

        Raises:
          click.ClickException: as `ask`.
        """
        if self.expires_at is not None:
            return self.expires_at
        if self.order_id is not None:
            # Sent again it has to be the very same, however late that is.
            question = ["command", f"{client.terminal}/{self.order_id}", "", 1]
            known = await find(client, CommandFound, question)
            if known is not None:
                return known.command.expires_ms
        return client.clock.corrected_ms() + self.expires_in


dispatch_options = bundled(
    "how",
    Dispatch,
    click.option("--terminal", "terminals", multiple=True, type=_TEXT, help="By name; repeat it."),
    click.option("--kind", type=click.Choice(KINDS), help="All of this kind."),
    click.option("--place", type=_TEXT, default="", help="All at this place."),
    click.option("--operator", type=_TEXT, default="", help="All of this operator."),
    click.option("--everybody", is_flag=True, help="All terminals there are."),
    click.option(
        "--expires-in",
        type=SPAN,
        default="1h",
        show_default=True,
        help="After which nobody begins to do it any more: 90s, 15m, 12h, 7d.",
    ),
    click.option("--expires-at", type=MOMENT, help="The same as a time: 2027-01-31T04:00; WIB."),
    id_option,
    click.option("--wait", is_flag=True, help="Wait until all have told what became of it."),
)


class Sent(NamedTuple):
    """What became of the order, and of the command if it was waited for."""

    receipt: Receipt
    expires_ms: int
    row: CommandRow | None


async def dispatch(
    client: TerminalClient,
    remote: Remote,
    named: Given,
    body: Sequence[object],
    how: Dispatch,
    note: Callable[[CommandRow], None],
) -> Sent:
    """Give a command, and follow it if that is wanted.

    Args:
      client: of an officer.
      remote: the same.
      named: the order.
      body: what is to be done.
      how: for whom, until when.
      note: is told how it stands, again and again.

    Raises:
      click.ClickException: it was refused, or there is no receipt.
    """
    expires_ms = await how.expires_ms(client)
    action = ["command", how.selection(), body, expires_ms]
    receipt = await receipt_of(remote, named, lambda: order(client, named.id, action))
    row = await _follow(client, f"{remote.name}/{named.id}", note) if how.wait else None
    return Sent(receipt, expires_ms, row)


async def _follow(
    client: TerminalClient, command_id: str, note: Callable[[CommandRow], None]
) -> CommandRow:
    while True:
        row = (await ask(client, CommandFound, ["command", command_id, "", 1])).command
        note(row)
        standing = counts(row)
        if not sum(standing[state] for state in OPEN_STATES):
            return row
        if client.clock.corrected_ms() > row.expires_ms + EXPIRY_MS_MAX:
            return row
        await trio.sleep(POLL_S)
