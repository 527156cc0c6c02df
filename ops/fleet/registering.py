"""Registering terminals: one, or all of a file, each under an order of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import click
import trio

from ops.fleet.ordering import Given, receipt_of
from ops.fleet.register_file import KINDS, Registration, read_registrations, wrong
from ops.options import bundled
from ops.remote import Remote
from terminals.client import TerminalClient
from terminals.officer import order

AT_ONCE_MAX: Final = 8
"""Orders on their way: half of what a connection may have without a receipt."""


class Described(NamedTuple):
    """What a command was told of the terminals to register; what was not told is None."""

    terminal: str | None
    kind: str | None
    place: str | None
    operator: str | None
    file: Path | None

    def registrations(self) -> list[Registration]:
        """Return the terminals to register.

        Raises:
          click.UsageError: it does not go together, or no node would take it.
          click.ClickException: something in the file is wrong.
        """
        one = (self.terminal, self.kind, self.place, self.operator)
        if self.file is not None:
            if any(part is not None for part in one):
                raise click.UsageError("--from goes alone: the file says the rest")
            return read_registrations(self.file)
        if self.terminal is None or self.kind is None:
            raise click.UsageError("name a TERMINAL and its --kind, or a file with --from")
        wanted = Registration(0, self.terminal, self.kind, self.place or "", self.operator or "")
        for column, reason in wrong(wanted):
            raise click.BadParameter(reason, param_hint=column)
        return [wanted]


async def register_all(
    client: TerminalClient,
    remote: Remote,
    named: Given,
    wanted: Sequence[Registration],
    note: Callable[[int], None],
) -> int:
    """Register terminals, and return how many that was.

    Args:
      client: of an officer.
      remote: the same.
      named: the order; those of a file go on with the line.
      wanted: the terminals.
      note: is told how many are done, again and again.

    Raises:
      click.ClickException: one was refused; those before it may be registered.
    """
    rest = iter(wanted)
    done = 0

    async def work() -> None:
        nonlocal done
        for each in rest:
            await _register(client, remote, named, each)
            done += 1
            note(done)

    async with trio.open_nursery() as nursery:
        for _ in range(AT_ONCE_MAX):
            nursery.start_soon(work)
    return done


async def _register(
    client: TerminalClient, remote: Remote, named: Given, each: Registration
) -> None:
    line_id = f"{named.id}.{each.line}" if each.line else named.id
    action = ["register", each.terminal, each.kind, each.place, each.operator]
    try:
        await receipt_of(remote, named, lambda: order(client, line_id, action))
    except click.ClickException as error:
        where = f"line {each.line}, {each.terminal}" if each.line else each.terminal
        raise click.ClickException(f"{where}: {error.message}") from error


described_terminals = bundled(
    "what",
    Described,
    click.argument("terminal", required=False),
    click.option("--kind", type=click.Choice(KINDS), help="What it is."),
    click.option("--place", help="Where it stands."),
    click.option("--operator", help="Whose it is."),
    click.option(
        "--from",
        "file",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="Register all terminals of this CSV file: terminal,kind,place,operator.",
    ),
)
"""Adds what describes terminals to a command; it gets them as one argument, `what`."""
