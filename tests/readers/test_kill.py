"""A terminal killed (SIGKILL) at every step of a tap charges nothing twice and loses nothing.

The card itself does it: it sees each command come, and kills the terminal's process before it
answers, or as soon as it has. Then the terminal is started again, and the card is presented again.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import trio

from ops.chip_key_stores import file_store
from ops.virtual_card.card import VirtualCard
from protocol.chip.keys import Role
from terminals.keys import new_key, save_key
from tests.readers.hall import Hall
from tests.readers.pcsc_stack import PcscStack
from tests.readers.test_work import gone, seen_soon
from tests.terminals.acceptance.lab import VERSION, Talking, World, drawing, made_card

NUMBER: Final = "9360020000000017"
PRICE_RP: Final = 1_500
FULL_RP: Final = 100_000
COMMANDS: Final = 12
WAIT_S_MAX: Final = 30.0
PASSPHRASE: Final = "four words of a test"


class Shop:
    """The program of a shop's terminal, in a process of its own."""

    def __init__(self, hall: Hall, folder: Path) -> None:
        self._hall = hall
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        save_key(folder / "shop.key", new_key())
        masters = {(role, VERSION): bytes([number]) * 16 for number, role in enumerate(Role)}
        file_store.create(folder / "chip.keys", PASSPHRASE, masters, chance=drawing())

    def start(self) -> None:
        """Start it."""
        command = [sys.executable, "-m", "ops", "terminal", "--json", "--kind", "shop"]
        command += ["--merchant", "pasar-jaya", "--place", "Pasar", "--amount", str(PRICE_RP)]
        command += ["--reader", self._hall.stack.readers[0], "--data", str(self._folder / "shop")]
        command += ["--chip-keys", str(self._folder / "chip.keys")]
        command += ["--url", self._hall.node.url, "--name", "terminal-shop"]
        command += ["--key", str(self._folder / "shop.key")]
        with (self._folder / "shop.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "JAKARTA_ONE_CHIP_PASSPHRASE": PASSPHRASE},
            )

    def kill(self) -> None:
        """Kill it, as a power cut would."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)

    def ended(self) -> None:
        """Wait until it has ended."""
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.wait(WAIT_S_MAX)
        self._process.stdout.close()

    def stop(self) -> None:
        """End it in good order."""
        assert self._process is not None
        self._process.terminate()
        self.ended()
        assert self._process.returncode == 0, self.log()

    def told(self) -> dict[str, Any]:
        """Return what it says of the next visit."""
        assert self._process is not None
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], WAIT_S_MAX)
        assert readable, self.log()
        line: dict[str, Any] = json.loads(self._process.stdout.readline())
        return line

    def log(self) -> str:
        return (self._folder / "shop.log").read_text(encoding="utf-8")[-2_000:]


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


@pytest.fixture
def hall(stack: PcscStack, tmp_path: Path) -> Iterator[Hall]:
    hall = Hall(stack, tmp_path)
    try:
        yield hall
    finally:
        hall.node.stop()


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


def value_of(card: VirtualCard) -> int:
    return World().visits.look(Talking(card))[0].value_rp


@pytest.mark.slow
@pytest.mark.parametrize("answered", [False, True], ids=["unanswered", "answered"])
async def test_a_terminal_killed_at_every_command_charges_nothing_twice_and_loses_nothing(
    hall: Hall, tmp_path: Path, *, answered: bool
) -> None:
    card = made_card(value_rp=FULL_RP)
    await hall.issue(NUMBER, FULL_RP)
    shop = Shop(hall, tmp_path)
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
