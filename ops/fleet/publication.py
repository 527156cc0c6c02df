"""Publishing a list: what would change, in numbers, and how it is sent."""

from __future__ import annotations

from typing import NamedTuple

import click

from ops.fleet.list_rows import Wanted
from ops.fleet.ordering import Given, id_option, new_id, receipt_of
from ops.fleet.shown import counted
from ops.options import ShortText, bundled
from ops.remote import Remote, ask
from ops.values import MOMENT
from protocol.errors import OrderCode
from protocol.limits import NOTE_LENGTH_MAX
from terminals.client import TerminalClient
from terminals.messages import ListRow, Lists, Receipt
from terminals.officer import order, publish


class Publication(NamedTuple):
    """How a list is to be published."""

    whole: bool
    activate_at: int | None
    note: str
    order_id: str | None
    base: int | None


publication_options = bundled(
    "how",
    Publication,
    click.option(
        "--whole/--change",
        help="The file is the whole list; or a change of it, if not given.",
    ),
    click.option(
        "--activate-at",
        type=MOMENT,
        help="When terminals begin to use it: 2027-01-31, or 2027-01-31T04:00; WIB. Without: now.",
    ),
    click.option("--note", type=ShortText(NOTE_LENGTH_MAX), default="", help="Why."),
    id_option,
    click.option(
        "--base",
        type=click.IntRange(min=0),
        help="The version that is changed: the present one, if not given.",
    ),
)


def intention(
    name: str, before: ListRow | None, wanted: Wanted, how: Publication, base: int
) -> str:
    """Return in numbers what publishing would change."""
    entries = before.entries if before else 0
    stands = f"{name} has {counted(entries, 'entry', 'entries')} in version {base}"
    if before is None:
        stands = f"{name} was never published"
    elif before.version != base:
        stands = f"{name} is at version {before.version}, not {base}, with {entries:,} entries"
    puts = counted(wanted.puts, "key")
    if how.whole:
        return f"{stands}. The file is the whole list: {puts}; all others are removed."
    return f"{stands}. The file puts {puts} and removes {wanted.removes:,}."


async def publish_wanted(
    client: TerminalClient,
    remote: Remote,
    name: str,
    named: Given,
    wanted: Wanted,
    base: int,
    how: Publication,
) -> Receipt:
    """Publish what a file wants, and return the receipt.

    Args:
      client: of an officer.
      remote: the same.
      name: the list.
      named: the order; the draft is called as it is.
      wanted: what the file wants.
      base: the version that it changes.
      how: how it is to be published.

    Raises:
      click.ClickException: it was refused, or there is no receipt.
    """
    draft = named.id
    if how.order_id is not None and (waiting := await _waiting(client, draft)):
        return waiting
    receipt = await receipt_of(
        remote,
        named,
        lambda: publish(
            client,
            name,
            draft,
            wanted.entries.items(),
            base=base,
            whole=how.whole,
            activate_ms=how.activate_at or 0,
            note=how.note,
        ),
    )
    if how.order_id is not None and not await _waiting(client, draft):
        # Where the order had been done before, its parts have become a draft again, which nobody
        # will publish. Mostly there is none: then this is refused, and all is well.
        await order(client, new_id(), ["list_withdraw", draft])
    return receipt


async def _waiting(client: TerminalClient, draft: str) -> Receipt | None:
    """Return how a draft stands that waits for a second officer, or None if it does not."""
    for row in (await ask(client, Lists, ["lists"])).drafts:
        if row.draft == draft:
            text = f"{row.changes} changes: a second officer has to approve"
            return Receipt(draft, "waiting", OrderCode.SECOND_OFFICER, "", text, 0, row.changes)
    return None
