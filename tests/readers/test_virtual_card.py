"""A virtual card of ours on the real service: selected, asked, torn out."""

from __future__ import annotations

import threading
import time
from random import Random

import pytest

from ops.virtual_card.card import Tear, VirtualCard
from ops.virtual_card.vpcd import VpcdSlot
from protocol.chip import commands
from protocol.chip.apdu import Exchange, ensure_done, select, transmit
from protocol.chip.errors import CardRefused
from protocol.chip.profile import APPLICATION_NAME
from protocol.chip.purse import read_uid
from terminals.errors import CardGone
from terminals.pcsc.card_link import CardLink, Ran, Step, run_exchange
from terminals.pcsc.work import CardWorkers
from tests.readers.pcsc_stack import PcscStack
from tests.readers.test_work import seen

UID = bytes.fromhex("04112233445566")
WAIT_S_MAX = 10.0


def ask() -> Exchange[tuple[bytes, bytes]]:
    """Select the application of a card, and return its UID and its version."""
    answer = yield select(APPLICATION_NAME)
    ensure_done(answer.status)
    uid = yield from read_uid()
    version, status = yield from transmit(commands.Ins.GET_VERSION)
    ensure_done(status)
    return uid, version


async def on_the_reader(
    stack: PcscStack, card: VirtualCard, exchange: Exchange[tuple[bytes, bytes]], steps: list[Step]
) -> Ran[tuple[bytes, bytes]]:
    """Put a card on the first reader, and run an exchange with it."""

    def task(link: CardLink) -> Ran[tuple[bytes, bytes]]:
        return run_exchange(link, exchange, time.perf_counter, steps.append)

    slot = VpcdSlot(card, port=stack.port(0))
    thread = threading.Thread(target=slot.run, daemon=True)
    thread.start()
    try:
        seen(stack, 0)
        return await CardWorkers(stack.establish).run(stack.readers[0], task)
    finally:
        slot.stop()
        thread.join(WAIT_S_MAX)
        assert not thread.is_alive()


async def test_a_virtual_card_is_selected_and_tells_its_uid(stack: PcscStack) -> None:
    steps: list[Step] = []
    ran = await on_the_reader(stack, VirtualCard(UID, chance=Random(1).randbytes), ask(), steps)
    uid, version = ran.result
    assert uid == UID
    assert UID in version
    assert ran.commands == len(steps) == 5


async def test_a_virtual_card_that_is_torn_out_is_gone(stack: PcscStack) -> None:
    card, steps = VirtualCard(UID, chance=Random(1).randbytes), list[Step]()
    card.tear = Tear(answered=1, done=True)
    with pytest.raises(CardGone):
        await on_the_reader(stack, card, ask(), steps)
    assert [step.answer is None for step in steps] == [False, True]


async def test_a_foreign_card_is_refused_by_what_it_answers(stack: PcscStack) -> None:
    def foreign() -> Exchange[tuple[bytes, bytes]]:
        answer = yield select(b"another application")
        ensure_done(answer.status)
        return b"", b""

    card = VirtualCard(UID, chance=Random(1).randbytes)
    with pytest.raises(CardRefused):
        await on_the_reader(stack, card, foreign(), [])
