"""`jakarta-one chip`: which counts of a chip the node has advice of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import click
from rich.console import Console

from engine.limits import CHIP_UID_BYTES_MAX
from ops.fleet.shown import in_json, table
from ops.output import emit, json_option
from ops.remote import Remote, at_node, find, remote_options
from ops.values import Written, printable
from protocol.redaction import masked
from terminals.chip_answers import ChipFound
from terminals.client import TerminalClient


def uid_in(text: str) -> bytes:
    """Read the UID of a chip: hex digits, with colons or blanks between them where one likes.

    Raises:
      ValueError: it is none; the message says how one is written.
    """
    try:
        uid = bytes.fromhex(text.replace(":", ""))
    except ValueError:
        uid = b""
    if not 1 <= len(uid) <= CHIP_UID_BYTES_MAX:
        raise ValueError(f"{text!r} is no UID as 04DE5F1EACC040: up to {CHIP_UID_BYTES_MAX} bytes")
    return uid


UID: Final = Written("hex", uid_in)


@click.command()
@click.argument("card", required=False)
@click.option("--uid", type=UID, help="The chip with this UID, in place of a card.")
@remote_options
@json_option
def chip(remote: Remote, card: str | None, uid: bytes | None, *, as_json: bool) -> None:
    """Tell which counts of a chip are known: of that of a CARD, or of the one with this UID.

    Each commit of a chip counts. A count that is missing is a tap whose terminal has not told of
    it yet, or never will; or a commit that was none of a terminal's, as those when the card was
    made. The node knows counts where it has the keys of proofs.

    \b
    Examples:
      jakarta-one chip 9360020000000017
      jakarta-one chip --uid 04DE5F1EACC040
    """
    if (card is None) == (uid is None):
        raise click.UsageError("name a CARD, or the --uid of a chip")

    async def look(client: TerminalClient) -> ChipFound | None:
        return await find(client, ChipFound, ["chip", card or "", uid])

    found = at_node(remote, look)
    if found is None:
        what = f"card {masked(card)}" if card is not None else "this UID"
        raise click.ClickException(f"the node knows no chip of {what}")
    told = in_json(found)
    assert isinstance(told, dict)
    emit(told, as_json=as_json, render=_shown(found))


def _shown(found: ChipFound) -> Callable[[Console], None]:
    def render(console: Console) -> None:
        made = table("chip", "card", "highest", "missing", "counts", right=("highest", "missing"))
        counts = [f"{low}-{high}" if low < high else f"{low}" for low, high in found.gaps]
        made.add_row(
            found.uid.hex().upper(),
            printable(masked(found.card)) if found.card else "bound to none",
            f"{found.counter:,}",
            f"{found.missing:,}",
            ", ".join(counts) or "none missing",
        )
        console.print(made)
        console.print(f"as it stood before position {found.position:,}", highlight=False)

    return render
