"""Answers that come in pages, put together."""

from __future__ import annotations

from typing import Final

from ops.remote import ask
from protocol.limits import ROWS_MAX
from terminals.client import TerminalClient
from terminals.messages import (
    CommandFound,
    CommandPlace,
    CommandRow,
    Commands,
    JournalFound,
    JournalLine,
    TerminalRow,
    Terminals,
)

NO_LIMIT: Final = 2**53


async def terminals(
    client: TerminalClient,
    limit: int,
    *,
    kind: str = "",
    place: str = "",
    operator: str = "",
    silent: bool = False,
) -> tuple[tuple[TerminalRow, ...], Terminals]:
    """Return the first terminals that meet all conditions, and the answer that came last.

    Raises:
      click.ClickException: as `ask`.
    """
    found: list[TerminalRow] = []
    after = ""
    while True:
        page = min(ROWS_MAX, limit - len(found))
        question = ["terminals", after, page, kind, place, operator, silent]
        answer = await ask(client, Terminals, question)
        found += answer.terminals
        after = answer.next
        if not after or len(found) >= limit:
            return tuple(found), answer


async def commands(client: TerminalClient, limit: int) -> tuple[tuple[CommandRow, ...], int]:
    """Return the newest commands, and where to go on (-1: that was all).

    Raises:
      click.ClickException: as `ask`.
    """
    found: list[CommandRow] = []
    before: int | None = None
    while True:
        page = min(ROWS_MAX, limit - len(found))
        answer = await ask(client, Commands, ["commands", before, page])
        found += answer.commands
        before = answer.next
        if before < 0 or len(found) >= limit:
            return tuple(found), before


async def command(
    client: TerminalClient, command_id: str, limit: int
) -> tuple[CommandRow, tuple[CommandPlace, ...], str]:
    """Return a command, where it stands at its terminals, and where to go on (empty: all).

    Raises:
      click.ClickException: as `ask`.
    """
    found: list[CommandPlace] = []
    after = ""
    while True:
        page = min(ROWS_MAX, limit - len(found))
        answer = await ask(client, CommandFound, ["command", command_id, after, page])
        found += answer.terminals
        after = answer.next
        if not after or len(found) >= limit:
            return answer.command, tuple(found), after


async def journal(client: TerminalClient, command_id: str, terminal: str) -> list[JournalLine]:
    """Return what came of a terminal's journal: of one command, so not without a bound.

    Raises:
      click.ClickException: as `ask`.
    """
    found: list[JournalLine] = []
    part = 0
    while part >= 0:
        answer = await ask(client, JournalFound, ["journal", command_id, terminal, part])
        found += answer.lines
        part = answer.next
    return found
