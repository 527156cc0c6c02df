"""Shifts that are closed, at a real node: at once, later, in parts, and where it has not all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

import pytest
import trio

from actors.listener import open_listening_socket
from actors.proofs import ProofJudge
from protocol import limits
from storage.errors import StorageFull
from storage.memory_store import MemoryStore
from terminals.acceptance.certificate import Certificate
from terminals.acceptance.certifier import AGAIN_S
from terminals.acceptance.rows import Shift
from terminals.chip_answers import ShiftFound
from terminals.client import TerminalClient
from terminals.errors import ClientClosed
from terminals.messages import AnswerBody, Balance, Failed
from tests.e2e.city import City
from tests.terminals.acceptance.lab import MASTERS, made_card
from tests.terminals.acceptance.test_journal import attempt, done
from tests.terminals.acceptance.test_lane import NUMBER, Street, issued, taken

NOWHERE = "ws://nowhere"


@pytest.fixture
def city() -> Iterator[City]:
    with open_listening_socket("127.0.0.1", 0) as listening:
        yield City(listening)


@pytest.fixture
def judging() -> Iterator[City]:
    with open_listening_socket("127.0.0.1", 0) as listening:
        notes: list[str] = []
        yield City(listening, ProofJudge(MASTERS, note=notes.append))


class Node:
    """A client of a few lines, whose node answers questions as a test wants."""

    def __init__(self, *answers: AnswerBody | Exception) -> None:
        self.asked: list[Sequence[object]] = []
        self._answers = list(answers)

    @property
    def client(self) -> TerminalClient:
        return cast("TerminalClient", self)

    async def query(self, question: Sequence[object]) -> AnswerBody:
        await trio.lowlevel.checkpoint()
        self.asked.append(question)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def found(count: int, *gaps: tuple[int, int], missing: int = -1, taken_rp: int = 0) -> ShiftFound:
    told = sum(high - low + 1 for low, high in gaps)
    return ShiftFound(
        complete=False,
        count=count,
        taken_rp=taken_rp,
        added_rp=0,
        unproved=0,
        missing=told if missing < 0 else missing,
        gaps=gaps,
    )


def settled(street: Street, count: int) -> Shift:
    """Do something, take it for settled, and close the shift."""
    journal = street.world.journal
    for _ in range(count):
        done(journal)
    first = journal.last_counter - count + 1
    if count:
        journal.settle(dict.fromkeys(range(first, first + count), "posted"), 5)
    return journal.close_shift(6)


async def certified(street: Street) -> Certificate:
    with trio.fail_after(20):
        await street.certifier.wait_certified()
    return street.certificates[-1]


@asynccontextmanager
async def run_at(street: Street, node: Node) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(street.certifier.run, node.client)
        yield
        nursery.cancel_scope.cancel()


async def test_a_shift_is_certified_as_soon_as_it_is_closed(judging: City) -> None:
    card = made_card()
    async with judging.running():
        await issued(judging, value_rp=50_000)
        street = Street(judging.url)
        async with street.online():
            for _ in range(3):
                taken(await street.visit(card))
                street.world.wait(1_800)
            closed = await street.certifier.close()
            told = await certified(street)
    assert told.complete
    assert told.taken_rp == told.node_taken_rp == closed.taken_rp > 0
    assert (told.terminal, told.number, told.count) == ("GATE-01", 1, 3)
    shift = street.world.journal.shift(1)
    assert shift is not None
    assert shift.state == "complete"


async def test_a_terminal_that_was_offline_at_the_close_certifies_it_later(city: City) -> None:
    card, street = made_card(), Street(city.url)
    taken(await street.visit(card))
    await street.certifier.close()
    street.start()
    street.world.wait(1_800)
    taken(await street.visit(card))
    await street.certifier.close()
    assert street.world.journal.waiting_shifts == 2
    async with city.running():
        await issued(city, value_rp=50_000)
        async with street.online():
            await certified(street)
    assert [(told.number, told.complete) for told in street.certificates] == [(1, True), (2, True)]


async def test_a_counter_that_never_came_is_missing(city: City) -> None:
    card, street = made_card(), Street(city.url)
    for _ in range(3):
        taken(await street.visit(card))
        street.world.wait(1_800)
    street.world.journal.settle({1: "posted", 2: "posted"}, 5)
    async with city.running():
        await issued(city, value_rp=50_000)
        async with street.online():
            closed = await street.certifier.close()
            told = await certified(street)
    assert not told.complete
    assert (told.missing, told.gaps, told.node_count) == (2, ((1, 2),), 1)
    assert told.node_taken_rp < told.taken_rp == closed.taken_rp
    shift = street.world.journal.shift(1)
    assert shift is not None
    assert shift.state == "incomplete"


async def test_what_no_chip_has_proved_is_named(judging: City) -> None:
    card, street = made_card(), Street(judging.url)
    async with judging.running():
        await issued(judging, value_rp=50_000)
        async with street.online():
            taken(await street.visit(card))
            done(street.world.journal, b"no proof")
            await street.told()
            await street.certifier.close()
            told = await certified(street)
    assert street.results() == ["posted", "posted: proof_unreadable"]
    assert not told.complete
    assert (told.missing, told.node_count, told.unproved, told.node_unproved) == (0, 2, 1, 1)
    assert told.taken_rp - told.node_taken_rp == 3_500
    assert [(one.counter, one.result) for one in told.not_posted] == [
        (2, "posted: proof_unreadable")
    ]


async def test_what_the_node_refused_is_named(city: City) -> None:
    street = Street(city.url)
    journal = street.world.journal
    fields = ("top_up", "nobody", 5_000, "dki", 0, "bank")
    journal.owe(fields, street.world.timing.stamp(), "nobody", 5_000)
    async with city.running(), street.online():
        await street.told()
        await street.certifier.close()
        told = await certified(street)
    assert told.complete, "nothing was done to a chip"
    assert told.refused == 1
    assert told.not_posted[0].result.startswith("refused: ")


async def test_a_long_shift_is_asked_about_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SHIFT_COUNTERS_MAX", 2)
    street = Street(NOWHERE)
    settled(street, 5)
    node = Node(*(found(count, taken_rp=count * 3_500) for count in (2, 2, 1)))
    await street.certifier.certify(node.client)
    assert [tuple(asked[2:4]) for asked in node.asked] == [(1, 2), (3, 4), (5, 5)]
    assert street.certificates[0].complete


async def test_all_gaps_are_asked_for() -> None:
    street = Street(NOWHERE)
    settled(street, 9)
    node = Node(
        found(4, (1, 1), (3, 3), missing=5),
        found(2, (5, 5), (7, 7), missing=3),
        found(0, (9, 9)),
    )
    await street.certifier.certify(node.client)
    assert [tuple(asked[2:4]) for asked in node.asked] == [(1, 9), (4, 9), (8, 9)]
    (told,) = street.certificates
    assert (told.node_count, told.missing) == (4, 5)
    assert told.gaps == ((1, 1), (3, 3), (5, 5), (7, 7), (9, 9))


async def test_a_gap_that_was_filled_meanwhile_is_not_waited_for() -> None:
    street = Street(NOWHERE)
    settled(street, 3)
    node = Node(found(1, (1, 1), missing=2), found(2))
    await street.certifier.certify(node.client)
    assert street.certificates[0].gaps == ((1, 1),)


@pytest.mark.parametrize(
    "answer", [Failed("not_allowed", "query.question", "not yours"), Balance(1, 2, 3)]
)
async def test_a_node_that_gives_no_answer_is_asked_again_later(
    answer: AnswerBody, autojump_clock: trio.testing.MockClock
) -> None:
    street = Street(NOWHERE)
    settled(street, 1)
    node = Node(answer, found(1, taken_rp=3_500))
    begun_s = trio.current_time()
    async with run_at(street, node):
        await street.certifier.wait_certified()
    assert trio.current_time() - begun_s == AGAIN_S
    assert street.certificates[0].complete
    (note,) = street.notes
    assert note.startswith("a closed shift has no certificate yet")


async def test_a_client_that_has_ended_is_not_used_any_more() -> None:
    street = Street(NOWHERE)
    settled(street, 1)
    with trio.fail_after(5):
        await street.certifier.run(Node(ClientClosed("ended")).client)
    assert street.world.journal.waiting_shifts == 1


async def test_a_shift_that_was_closed_by_another_is_found_in_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    street = Street(NOWHERE)
    async with run_at(street, Node()):
        await trio.testing.wait_all_tasks_blocked()
        settled(street, 0)
        await street.certifier.wait_certified()
    assert street.certificates[0].count == 0


async def test_on_a_full_disk_a_shift_is_not_closed() -> None:
    street = Street(NOWHERE)
    store = street.world.store
    assert isinstance(store, MemoryStore)
    store.fail_next(StorageFull("no room"))
    with pytest.raises(StorageFull):
        await street.certifier.close()
    assert street.world.journal.waiting_shifts == 0
    assert (await street.certifier.close()).number == 1


async def test_a_certificate_is_told_again_rather_than_not_at_all() -> None:
    street = Street(NOWHERE)
    settled(street, 1)
    store = street.world.store
    assert isinstance(store, MemoryStore)
    store.fail_next(StorageFull("no room"))
    for _ in range(2):
        try:
            await street.certifier.certify(Node(found(1, taken_rp=3_500)).client)
        except StorageFull:
            continue
    assert [told.number for told in street.certificates] == [1, 1]


async def test_a_card_that_was_torn_off_is_on_the_certificate(city: City) -> None:
    street = Street(city.url)
    journal = street.world.journal
    journal.begin(attempt(journal.next_sequence()))
    async with city.running(), street.online():
        await street.certifier.close()
        told = await certified(street)
    assert told.complete
    assert [one.card for one in told.open_attempts] == [f"...{NUMBER[-4:]}"]
