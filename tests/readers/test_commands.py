"""The commands as processes, at real readers: from a card of the factory to the ledger."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
import trio

from ops.chip_keys import VARIABLE_OF_FILE
from ops.virtual_card.card import VirtualCard
from terminals import intents
from tests.e2e.city import terminal_at
from tests.readers.hall import PASSPHRASE, PROGRAM_S_MAX, UID, Hall, Program
from tests.readers.pcsc_stack import PcscStack
from tests.readers.test_work import gone
from tests.terminals.acceptance.lab import drawing

NUMBER: Final = "9360020000000011"
GATE: Final = ["--kind", "gate", "--operator", "transjakarta", "--service", "transjakarta_brt"]
SHOP: Final = ["--kind", "shop", "--merchant", "pasar-jaya", "--place", "Pasar"]
KIOSK: Final = ["--kind", "kiosk", "--bank", "dki", "--place", "Blok M"]


@pytest.fixture
def blank() -> VirtualCard:
    """Return a card from the factory."""
    return VirtualCard(UID, chance=drawing())


def run(hall: Hall, *arguments: str, status: int = 0) -> dict[str, Any]:
    """Run a command at the first reader; return what it tells."""
    command = [sys.executable, "-m", "ops", *arguments, "--json"]
    command += ["--reader", hall.stack.readers[0], "--chip-keys", str(hall.chip_keys)]
    done = subprocess.run(
        command,
        capture_output=True,
        check=False,
        timeout=PROGRAM_S_MAX,
        env={**os.environ, VARIABLE_OF_FILE: PASSPHRASE},
    )
    assert done.returncode == status, done.stderr.decode()
    told: dict[str, Any] = json.loads(done.stdout) if done.stdout else {}
    return told or {"error": done.stderr.decode()}


async def at_desk(
    hall: Hall, card: VirtualCard, *arguments: str, status: int = 0
) -> dict[str, Any]:
    """Run a command with a card on the first reader."""
    card.power_on()
    with hall.card_at(0, card):
        told = await trio.to_thread.run_sync(partial(run, hall, *arguments, status=status))
    await trio.to_thread.run_sync(gone, hall.stack, 0)
    return told


async def visited(hall: Hall, program: Program, card: VirtualCard) -> dict[str, Any]:
    """Present a card to a terminal; return what that tells."""
    card.power_on()
    with hall.card_at(0, card):
        told = await trio.to_thread.run_sync(program.told)
    await trio.to_thread.run_sync(gone, hall.stack, 0)
    return told


async def test_a_card_is_made_looked_at_changed_and_made_new_again(
    hall: Hall, blank: VirtualCard
) -> None:
    made = await at_desk(hall, blank, "card", "personalise", NUMBER, "--value", "5000")
    assert made == {"number": NUMBER, "uid": UID.hex().upper(), "changed": True}
    again = await at_desk(hall, blank, "card", "personalise", "9360020000000029", status=1)
    assert NUMBER in again["error"]
    changed = await at_desk(hall, blank, "card", "group", "4", "--until", "2030-06-30")
    assert changed == {"number": NUMBER, "group": 4}
    found = await at_desk(hall, blank, "card", "inspect")
    assert (found["number"], found["group"], found["value_rp"]) == (NUMBER, 4, 5_000)
    assert (await at_desk(hall, blank, "card", "reset", "--yes"))["changed"]
    nothing = await at_desk(hall, blank, "card", "inspect", status=1)
    assert "not one of our cards" in nothing["error"]


async def test_a_card_rides_buys_and_is_topped_up_and_the_ledger_agrees_to_the_rupiah(
    hall: Hall, blank: VirtualCard
) -> None:
    made = await at_desk(hall, blank, "card", "personalise", NUMBER, "--value", "30000")
    await hall.issue(NUMBER, 30_000, bytes.fromhex(made["uid"]))
    reader = ["--reader", hall.stack.readers[0]]

    gate = Program(hall, "terminal-gate", [*GATE, "--place", "Blok M", "--side", "in", *reader])
    with gate.running():
        entered = await visited(hall, gate, blank)
        assert (entered["use"], entered["value_rp"]) == ("tap_in", 30_000)
    assert await hall.balance_rp(NUMBER) == 30_000

    shop = Program(hall, "terminal-shop", [*SHOP, *reader])
    with shop.running():
        shop.key_in("an apple")
        shop.key_in("12.500")
        paid = await visited(hall, shop, blank)
        assert (paid["use"], paid["change_rp"], paid["value_rp"]) == ("purchase", -12_500, 17_500)
        shop.key_in("20000")
        poor = await visited(hall, shop, blank)
        assert (poor["result"], poor["reason"]) == ("refused", "below_floor")
    assert "an amount in rupiah" in shop.log()

    kiosk = Program(hall, "terminal-kiosk", [*KIOSK, "--amount", "20000", *reader])
    with kiosk.running():
        loaded = await topped_up(hall, kiosk, blank)
        assert (loaded["use"], loaded["value_rp"]) == ("top_up", 37_500)

    found = await at_desk(hall, blank, "card", "inspect")
    assert [use["use"] for use in found["uses"]] == ["top_up", "purchase", "tap_in", "issued"]
    assert found["value_rp"] == await hall.balance_rp(NUMBER) == 37_500


async def topped_up(hall: Hall, kiosk: Program, card: VirtualCard) -> dict[str, Any]:
    """Present a card to a kiosk that may not have reached its node yet."""
    for _ in range(20):
        told = await visited(hall, kiosk, card)
        if told.get("reason") != "no_node":
            return told
    raise AssertionError(kiosk.log())


async def test_a_hall_judges_proofs(stack: PcscStack, tmp_path: Path) -> None:
    """Else the other tests would show nothing."""
    hall = Hall(stack, tmp_path)
    try:
        await hall.issue(NUMBER, 50_000)
        async with terminal_at(hall.node.url, "terminal-forger") as forger:
            forged = intents.top_up(NUMBER, 1_000_000, "dki", proof=b"made up")
            (outcome,) = await forger.send([forged])
        assert outcome.exceptions == ("proof_unreadable",)
        assert await hall.balance_rp(NUMBER) == 50_000
    finally:
        hall.node.stop()
    (filed,) = hall.filed()
    assert "proof_unreadable" in json.dumps(filed)
