"""A terminal killed (SIGKILL) at every step of a tap charges nothing twice and loses nothing.

The card itself does it: it sees each command come, and kills the terminal's process before it
answers, or as soon as it has. Then the terminal is started again, and the card is presented again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import pytest
import trio

from ops.virtual_card.card import VirtualCard
from terminals.messages import Terminals
from tests.e2e.city import officer_at, until_told
from tests.readers.hall import Hall, Program
from tests.readers.test_work import gone, seen_soon
from tests.terminals.acceptance.lab import Talking, World, made_card

NUMBER: Final = "9360020000000017"
PRICE_RP: Final = 1_500
FULL_RP: Final = 100_000
TOP_UP_RP: Final = 20_000
LOADED: Final = 19
"""The command by which a kiosk has a card commit, in its second conversation with it."""
COMMANDS: Final = 12
WAIT_S_MAX: Final = 30.0


class KillingCard:
    """A card that kills the terminal at one of its commands.

    Args:
      card: that answers.
      at: the command.
      answered: whether it answers it first.
      kill: ends the terminal.
    """

    def __init__(
        self, card: VirtualCard, at: int, *, answered: bool, kill: Callable[[], None]
    ) -> None:
        self._card = card
        self._left = at
        self._answered = answered
        self._kill = kill

    def answer(self, command: bytes) -> bytes | None:
        """Answer a command, or not."""
        self._left -= 1
        if self._left != -1:
            return self._card.answer(command)
        if not self._answered:
            self._kill()
            return None
        answer = self._card.answer(command)
        self._kill()
        return answer


@contextmanager
def presented(hall: Hall, answer: Callable[[bytes], bytes | None]) -> Iterator[None]:
    """Present a card, and once more if it is not seen: the service may have been clearing up."""
    card = hall.stack.insert(0, answer)
    while not seen_soon(hall.stack, 0):
        card.take_out()
        card = hall.stack.insert(0, answer)
    try:
        yield
    finally:
        card.take_out()
        gone(hall.stack, 0)


async def until_online(hall: Hall, program: Program) -> None:
    """Wait until the node has let a terminal in."""
    async with officer_at(hall.node.url, "operator-watch") as officer:

        async def is_connected() -> bool:
            answer = await officer.ask("terminals")
            assert isinstance(answer, Terminals)
            rows = [row for row in answer.terminals if row.terminal == program.name]
            return any(row.connected for row in rows)

        await until_told(is_connected, bool)


def value_of(card: VirtualCard) -> int:
    return World().visits.look(Talking(card))[0].value_rp


@pytest.mark.slow
@pytest.mark.usefixtures("no_cover")
@pytest.mark.parametrize("answered", [False, True], ids=["unanswered", "answered"])
async def test_a_terminal_killed_at_every_command_charges_nothing_twice_and_loses_nothing(
    hall: Hall, *, answered: bool
) -> None:
    card = made_card(value_rp=FULL_RP)
    await hall.issue(NUMBER, FULL_RP)
    options = ["--kind", "shop", "--merchant", "pasar-jaya", "--place", "Pasar"]
    options += ["--amount", str(PRICE_RP), "--reader", hall.stack.readers[0]]
    shop = Program(hall, "terminal-shop", options)
    for paid in range(COMMANDS):  # and the same number of the command
        shop.start()
        card.power_on()
        killing = KillingCard(card, paid, answered=answered, kill=shop.kill)
        with presented(hall, killing.answer):
            await trio.to_thread.run_sync(shop.ended)
        took = FULL_RP - value_of(card) - paid * PRICE_RP
        assert took == (PRICE_RP if paid == COMMANDS - 1 and answered else 0)
        shop.start()
        card.power_on()
        with presented(hall, card.answer):
            visit = await trio.to_thread.run_sync(shop.told)
        assert visit["result"] == "taken", (visit, shop.log())
        # What had been taken when it was killed is not taken again.
        assert FULL_RP - value_of(card) == (paid + 1) * PRICE_RP
        assert visit["recovered"] is bool(took)
        await trio.to_thread.run_sync(shop.stop)
    deadline_s = time.monotonic() + WAIT_S_MAX
    while await hall.balance_rp(NUMBER) != value_of(card):
        assert time.monotonic() < deadline_s, "the node has not heard of everything"
        shop.start()
        await trio.sleep(1)
        await trio.to_thread.run_sync(shop.stop)
    assert value_of(card) == FULL_RP - COMMANDS * PRICE_RP


@pytest.mark.slow
@pytest.mark.parametrize(
    ("at", "answered"),
    [
        *((7, True), (8, False), (12, True), (16, True), (18, False)),
        *((LOADED, False), (LOADED, True)),
    ],
)
async def test_a_kiosk_killed_on_the_way_of_a_top_up_loads_once_what_the_bank_gave(
    hall: Hall, at: int, *, answered: bool
) -> None:
    card = made_card(value_rp=FULL_RP)
    await hall.issue(NUMBER, FULL_RP)
    options = ["--kind", "kiosk", "--bank", "dki", "--place", "Blok M"]
    options += ["--amount", str(TOP_UP_RP), "--reader", hall.stack.readers[0]]
    kiosk = Program(hall, "terminal-kiosk", options)
    kiosk.start()
    await until_online(hall, kiosk)
    card.power_on()
    killing = KillingCard(card, at, answered=answered, kill=kiosk.kill)
    with presented(hall, killing.answer):
        await trio.to_thread.run_sync(kiosk.ended)
    kiosk.start()
    await until_online(hall, kiosk)
    card.power_on()
    with presented(hall, card.answer):
        visit = await trio.to_thread.run_sync(kiosk.told)
    assert visit["result"] == "taken", (visit, kiosk.log())
    assert value_of(card) == FULL_RP + TOP_UP_RP
    await trio.to_thread.run_sync(kiosk.stop)
    assert await hall.balance_rp(NUMBER) == value_of(card)
