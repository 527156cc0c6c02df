"""What cards on the real service do to the work with them, and to the work with others."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress

import pytest
import trio

from terminals.errors import CardGone, CardMute, ReaderFailed
from terminals.pcsc.card_link import CardLink
from terminals.pcsc.service import Leaving
from terminals.pcsc.work import CardWorkers
from tests.readers.pcsc_stack import PcscStack, wait_until
from tests.readers.slots import Held, echo

NO_ATR = b"\x3b" + bytes(50)
HELLO = b"\x80\x01\x00\x00\x05hello"
WAIT_S_MAX = 20.0
COMMANDS = 1_000


def greet(link: CardLink) -> bytes:
    return link.transmit(HELLO)


async def answer_of(workers: CardWorkers, reader: str) -> bytes:
    """Greet a card until the service has noticed that it is another one."""
    for _ in range(20):
        with suppress(CardGone):
            return await workers.run(reader, greet)
    raise AssertionError("no card answers")


def seen(stack: PcscStack, *slots: int) -> None:
    """Wait until the service has seen a card in each of these slots."""
    wait_until(lambda: all(present(stack, slots)), "the service does not see a card")


def gone(stack: PcscStack, *slots: int) -> None:
    """Wait until the service has seen that no card is in any of these slots."""
    wait_until(lambda: not any(present(stack, slots)), "the service still sees a card")


def seen_soon(stack: PcscStack, slot: int) -> bool:
    """Tell whether the service sees a card within a few of its looks."""
    until_s = time.monotonic() + 2
    while time.monotonic() < until_s:
        if all(present(stack, (slot,))):
            return True
        time.sleep(0.01)
    return False


def present(stack: PcscStack, slots: Sequence[int]) -> list[bool]:
    """Return whether the service sees a card, slot by slot."""
    context = stack.establish()
    readers = [stack.readers[slot] for slot in slots]
    found = [slot.present for slot in context.wait(dict.fromkeys(readers)).values()]
    context.release()
    return found


@pytest.mark.parametrize("leaving", Leaving)
async def test_a_card_answers_and_is_let_go_of(stack: PcscStack, leaving: Leaving) -> None:
    stack.insert(0, echo)
    seen(stack, 0)
    workers = CardWorkers(stack.establish)
    for _ in range(3):
        assert await workers.run(stack.readers[0], greet, leaving) == b"hello\x90\x00"


async def test_a_thousand_commands_come_back_in_order(stack: PcscStack) -> None:
    def count(link: CardLink) -> list[bytes]:
        numbers = [number.to_bytes(2, "big") for number in range(COMMANDS)]
        return [link.transmit(b"\x80\x01\x00\x00\x02" + number)[:2] for number in numbers]

    stack.insert(0, echo)
    seen(stack, 0)
    answers = await CardWorkers(stack.establish).run(stack.readers[0], count)
    assert answers == [number.to_bytes(2, "big") for number in range(COMMANDS)]


async def test_four_readers_work_at_the_same_time(stack: PcscStack) -> None:
    together = threading.Barrier(4)

    def meet(_command: bytes) -> bytes:
        together.wait(WAIT_S_MAX)
        return b"\x90\x00"

    for slot in range(4):
        stack.insert(slot, meet)
    seen(stack, *range(4))
    workers, answers = CardWorkers(stack.establish), []

    async def work(reader: str) -> None:
        answers.append(await workers.run(reader, greet))

    async with trio.open_nursery() as nursery:
        for reader in stack.readers:
            nursery.start_soon(work, reader)
    assert answers == [b"\x90\x00"] * 4


async def test_a_card_that_leaves_in_the_middle_of_a_command_is_gone(stack: PcscStack) -> None:
    def leave(_command: bytes) -> None:
        card.take_out()

    def twice(link: CardLink) -> None:
        with pytest.raises(CardGone, match="in the middle"):
            link.transmit(HELLO)
        link.transmit(HELLO)

    card = stack.insert(0, leave)
    seen(stack, 0)
    with pytest.raises(CardGone, match="after an error"):
        await CardWorkers(stack.establish).run(stack.readers[0], twice)


async def test_a_card_that_was_swapped_between_two_commands_is_never_taken_for_the_first(
    stack: PcscStack,
) -> None:
    """Without the mark on the link, the second command would be answered by the second card."""
    first = stack.insert(0, lambda _: b"1\x90\x00")
    seen(stack, 0)

    def swap(link: CardLink) -> list[bytes]:
        answers = [link.transmit(HELLO)]
        first.take_out()
        stack.insert(0, lambda _: b"2\x90\x00")
        for _ in range(3):
            with pytest.raises(CardGone):
                answers.append(link.transmit(HELLO))
        return answers

    workers = CardWorkers(stack.establish)
    assert await workers.run(stack.readers[0], swap) == [b"1\x90\x00"]
    assert await answer_of(workers, stack.readers[0]) == b"2\x90\x00"


async def test_a_card_that_holds_a_command_keeps_its_reader_and_no_other(stack: PcscStack) -> None:
    held = Held()
    stack.insert(0, held)
    stack.insert(1, echo)
    seen(stack, 0, 1)
    workers = CardWorkers(stack.establish, patience_s=0.2)
    with pytest.raises(ReaderFailed, match=r"is not known"):
        await workers.run(stack.readers[0], greet)
    assert held.asked.is_set()
    assert workers.hung == {stack.readers[0]}
    with pytest.raises(ReaderFailed, match="has not come back"):
        await workers.run(stack.readers[0], greet)
    assert await workers.run(stack.readers[1], greet) == b"hello\x90\x00"
    held.let_go()
    with trio.fail_after(WAIT_S_MAX):
        while workers.hung:  # noqa: ASYNC110 - the thread of the card ends it
            await trio.sleep(0.002)
    assert await workers.run(stack.readers[0], greet) == b"\x90\x00"


async def test_what_does_not_answer_is_mute_and_not_gone(stack: PcscStack) -> None:
    stack.insert(0, echo, NO_ATR)
    seen(stack, 0)
    with pytest.raises(CardMute, match="no card that answers"):
        await CardWorkers(stack.establish).run(stack.readers[0], greet)


async def test_no_card_and_no_reader_are_told_apart(stack: PcscStack) -> None:
    workers = CardWorkers(stack.establish)
    with pytest.raises(CardGone, match="no card"):
        await workers.run(stack.readers[0], greet)
    with pytest.raises(ReaderFailed, match="Nobody"):
        await workers.run("Nobody 00 00", greet)


async def test_a_card_that_somebody_else_speaks_to_is_theirs(stack: PcscStack) -> None:
    stack.insert(0, echo)
    seen(stack, 0)
    context = stack.establish()
    theirs = context.connect(stack.readers[0])
    with pytest.raises(ReaderFailed, match="does not let us"):
        await CardWorkers(stack.establish).run(stack.readers[0], greet)
    theirs.close(Leaving.AS_IT_IS)
    context.release()


async def test_a_service_that_dies_in_the_middle_of_a_command_fails_the_reader(
    stack: PcscStack,
) -> None:
    def die(_command: bytes) -> None:
        stack.halt()

    stack.insert(0, die)
    seen(stack, 0)
    workers = CardWorkers(stack.establish)
    with pytest.raises(ReaderFailed, match="did not bring"):
        await workers.run(stack.readers[0], greet)
    with pytest.raises(ReaderFailed, match="no PC/SC service"):
        await workers.run(stack.readers[0], greet)
    stack.restart()
    stack.insert(0, echo)
    seen(stack, 0)
    assert await workers.run(stack.readers[0], greet) == b"hello\x90\x00"
