"""Orders as an officer gives them on the command line: named before they are sent, done once."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final, NamedTuple

import click
import trio

from engine.accounts import is_name
from ops.node import now_ms
from ops.remote import Remote, in_words
from ops.values import printable
from terminals.errors import NodeRefused, TerminalError
from terminals.messages import Receipt

ORDER_S_MAX: Final = 600.0
"""A node publishes two million entries in a minute, and others may stand before them."""
ID_LENGTH_MAX: Final = 48
"""Of an id that is given: what belongs to its order has names that go on behind it."""
CHANCE_BITS: Final = 32


class OrderId(click.ParamType[str]):
    """The id of an order."""

    name = "id"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Refuse what no node would take."""
        text = str(value)
        if not is_name(text) or len(text) > ID_LENGTH_MAX:
            what = f"printable ASCII without blanks, / and *, up to {ID_LENGTH_MAX} characters"
            self.fail(f"{text!r} is no id: {what}", param, ctx)
        return text


id_option = click.option(
    "--id",
    "order_id",
    type=OrderId(),
    help="Of the order; sent again under the same id it is done once. Made if not given.",
)


class Given(NamedTuple):
    """An order that is about to be given.

    Attributes:
      id: of the order; what belongs to it has ids that begin with this one.
      again: the options that make the same command line send the same order again.
    """

    id: str
    again: str


def given(order_id: str | None, *, more: str = "") -> Given:
    """Name an order, and say how it is called before it is sent.

    Args:
      order_id: as somebody gave it; made if nobody did.
      more: the options besides `--id` that make the same command line send the same again.
    """
    made = order_id or new_id()
    found = Given(made, f"--id {made}{more}")
    click.echo(f"order {made}: to send the same again, add {found.again}", err=True)
    return found


def new_id() -> str:
    """Return an id that nobody has used: the time, so that people find it, and chance."""
    time = datetime.fromtimestamp(now_ms() / 1000, UTC).strftime("%Y%m%d-%H%M%S")
    return f"{time}-{random.SystemRandom().getrandbits(CHANCE_BITS):08x}"


async def receipt_of(
    remote: Remote, named: Given, send: Callable[[], Awaitable[Receipt]]
) -> Receipt:
    """Send an order, and return its receipt: `done`, or `waiting` for a second officer.

    Args:
      remote: who orders.
      named: the order.
      send: sends it.

    Raises:
      click.ClickException: it was refused; or there is no receipt, and it may have been done.
      NodeRefused: who orders is not allowed to.
    """
    unsure = f"it may have been done or not: the same again with {named.again} tells"
    try:
        with trio.fail_after(ORDER_S_MAX):
            receipt = await send()
    except trio.TooSlowError as late:
        raise click.ClickException(f"no receipt in {ORDER_S_MAX:g} s; {unsure}") from late
    except NodeRefused:
        raise
    except TerminalError as error:
        raise click.ClickException(f"{in_words(remote, error)}; {unsure}") from error
    if receipt.result == "refused":
        raise click.ClickException(refusal(receipt))
    return receipt


def refusal(receipt: Receipt) -> str:
    """Return in words why an order was refused."""
    return f"refused, {receipt.code}: {printable(receipt.text)}"
