"""Orders on the command line: named before they are sent, and what is said where they got lost."""

from __future__ import annotations

import click
import pytest
import trio

from engine.accounts import is_name
from ops.fleet.ordering import ID_LENGTH_MAX, ORDER_S_MAX, Given, OrderId, given, new_id, receipt_of
from ops.remote import Remote
from terminals.errors import NodeRefused, NodeUnreachable
from terminals.keys import new_key
from terminals.messages import Receipt

ANI = Remote("ws://node.example", "ani", new_key())
NAMED = Given("X1", "--id X1 --base 7")


def test_an_order_is_named_before_it_is_sent(capsys: pytest.CaptureFixture[str]) -> None:
    made = given(None, more=" --base 7")
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (f"order {made.id}: to send the same again, add --id {made.id} --base 7\n")
    assert is_name(made.id)
    assert len(made.id) <= ID_LENGTH_MAX
    assert given("X1").id == "X1"


def test_no_two_ids_are_alike() -> None:
    assert len({new_id() for _ in range(100)}) == 100


@pytest.mark.parametrize("text", ["", "a b", "a/b", "a*", "x" * (ID_LENGTH_MAX + 1)])
def test_what_no_node_would_take_is_no_id(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no id"):
        OrderId().convert(text, None, None)


async def test_a_receipt_is_returned() -> None:
    async def send() -> Receipt:
        await trio.lowlevel.checkpoint()
        return Receipt("X1", "waiting")

    assert (await receipt_of(ANI, NAMED, send)).result == "waiting"


async def test_a_refusal_is_said_in_words() -> None:
    async def send() -> Receipt:
        await trio.lowlevel.checkpoint()
        return Receipt("X1", "refused", "version_passed", "order.action.base", "it is at 8")

    with pytest.raises(click.ClickException, match=r"^refused, version_passed: it is at 8$"):
        await receipt_of(ANI, NAMED, send)


async def test_an_order_that_got_lost_may_be_sent_again() -> None:
    async def send() -> Receipt:
        await trio.lowlevel.checkpoint()
        raise NodeUnreachable("gone")

    with pytest.raises(click.ClickException) as caught:
        await receipt_of(ANI, NAMED, send)
    assert caught.value.message == (
        "ws://node.example cannot be reached: gone; "
        "it may have been done or not: the same again with --id X1 --base 7 tells"
    )


async def test_who_is_not_allowed_to_order_has_ordered_nothing() -> None:
    async def send() -> Receipt:
        await trio.lowlevel.checkpoint()
        raise NodeRefused("not_allowed", "order", "for the role observer")

    with pytest.raises(NodeRefused):
        await receipt_of(ANI, NAMED, send)


async def test_a_receipt_is_not_waited_for_without_a_bound(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def send() -> Receipt:
        await trio.sleep_forever()

    with pytest.raises(click.ClickException, match="no receipt in 600 s; it may have been done"):
        await receipt_of(ANI, NAMED, send)
    assert trio.current_time() >= ORDER_S_MAX
