"""Waiting until enough terminals hold a version of a list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import click
import trio

from ops.remote import ask
from terminals.client import TerminalClient
from terminals.messages import ListRow, Lists

POLL_S: Final = 0.5


class Spread(NamedTuple):
    """How far a list had spread when waiting for it ended, and how long that took."""

    row: ListRow
    reached: bool
    waited_s: float


async def wait_spread(
    client: TerminalClient,
    name: str,
    *,
    share: int,
    timeout_s: float,
    note: Callable[[ListRow], None],
) -> Spread:
    """Wait until a share of the connected terminals hold the present version of a list.

    Args:
      client: who asks.
      name: of the list; if it is published anew meanwhile, that version counts.
      share: in per cent.
      timeout_s: the longest wait.
      note: is told how it stands, again and again.

    Raises:
      click.ClickException: there is no such list; or as `ask`.
    """
    began_s = trio.current_time()
    while True:
        row = find_list(await ask(client, Lists, ["lists"]), name)
        if row is None:
            raise click.ClickException(f"the list {name} was never published")
        note(row)
        waited_s = trio.current_time() - began_s
        reached = row.connected > 0 and 100 * row.holders >= share * row.connected
        if reached or waited_s >= timeout_s:
            return Spread(row, reached, waited_s)
        await trio.sleep(min(POLL_S, timeout_s - waited_s))


def find_list(found: Lists, name: str) -> ListRow | None:
    """Return one of the lists, or None if it was never published."""
    return next((row for row in found.lists if row.name == name), None)
