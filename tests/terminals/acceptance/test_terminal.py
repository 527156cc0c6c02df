"""A whole terminal with a PC/SC service in memory: cards come, move, and are tried again."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from itertools import count
from typing import cast

import pytest
import trio

from ops.virtual_card.card import Tear, Torn, VirtualCard
from protocol.chip.profile import Use
from storage.errors import StorageFailed, StorageFull
from storage.memory_store import MemoryStore
from storage.store import Change
from terminals.acceptance.point import Point
from terminals.acceptance.refusal import Refusal
from terminals.acceptance.terminal import TRIES_MAX, Readers, Terminal
from terminals.acceptance.visit import Taken, Turned
from terminals.errors import CardGone, LinkLost, ReaderFailed
from terminals.link import Link
from terminals.messages import ChangeChip, RestartTerminal, SetLane
from terminals.pcsc.card_link import Step
from terminals.pcsc.watch import ReaderWatch
from terminals.pcsc.work import CardWorkers
from tests.e2e.city import until
from tests.terminals.acceptance.kept_screen import KeptScreen
from tests.terminals.acceptance.lab import BRT, PLACES, made_card
from tests.terminals.acceptance.test_lane import KIOSK, NUMBER, SHOP, Street, value_of
from tests.terminals.pcsc.fake_service import Answer, FakeContext, FakeService

WAIT_S_MAX = 20.0
GATE = replace(BRT, side="in")
COMMIT_OF_SHOP = 11


def nowhere(_url: str) -> AbstractAsyncContextManager[Link]:
    raise LinkLost("no node")


class Stand:
    """A terminal at readers in memory, without a node."""

    def __init__(self, point: Point = GATE, *readers: str, needs: Sequence[str] = ()) -> None:
        self.street = Street("ws://nowhere", point, connect=nowhere)
        self.service = FakeService(*(readers or ("A",)))
        self.screen = KeptScreen()
        self.steps: list[Step] = []
        self.versions: dict[str, int] = {}
        self.may_speak = threading.Event()
        self.may_speak.set()
        self._ticked = count()
        uplink = self.street.uplink
        uplink.version = lambda name: self.versions.get(name, 0)  # type: ignore[method-assign]
        self.terminal = Terminal(
            Readers(
                watch=ReaderWatch(self.service.establish, retry_s=0.01),
                workers=CardWorkers(self._establish),
                clock_s=self._ticks,
                on_step=self.steps.append,
            ),
            self.street.lane,
            uplink,
            places=PLACES,
            screen=self.screen,
            clock=self.street.world.clock,
            needs=needs,  # type: ignore[arg-type]
            note=self.notes.append,
        )

    def _establish(self) -> FakeContext:
        assert self.may_speak.wait(WAIT_S_MAX)
        return self.service.establish()

    def _ticks(self) -> float:
        return float(next(self._ticked))

    @property
    def notes(self) -> list[str]:
        return self.street.notes

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.terminal.run)
            await until(lambda: len(self.screen.shown) >= len(self.service.slots))
            yield
            nursery.cancel_scope.cancel()

    def present(self, card: VirtualCard, reader: str = "A") -> None:
        card.power_on()
        self.service.insert(reader, answering(card))

    async def remove(self, reader: str = "A") -> None:
        count = len(self.screen.shown)
        self.service.remove(reader)
        await until(lambda: len(self.screen.shown) > count)


def answering(card: VirtualCard) -> Answer:
    """Return what a card answers; it is gone when it is torn."""

    def answer(command: bytes) -> bytes:
        try:
            return card.answer(command)
        except Torn:
            raise CardGone("torn") from None

    return answer


@pytest.fixture(autouse=True)
def _in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("terminals.acceptance.terminal.AGAIN_S", 0.02)
    monkeypatch.setattr("terminals.acceptance.terminal.HOUSEKEEPING_S", 0.02)


# --- cards ----------------------------------------------------------------------------------------


async def test_a_card_that_comes_is_taken_and_its_removal_clears_the_screen() -> None:
    stand = Stand()
    async with stand.running():
        assert stand.screen.shown == [("A", ("  Tempelkan kartu / Present your card",))]
        stand.present(made_card())
        assert (await stand.screen.taken()).use is Use.TAP_IN
        await stand.remove()
        assert len(stand.screen.shown) == 2
    assert stand.street.world.journal.last_counter == 1
    # Nothing is taken from a card that enters.
    assert len(stand.steps) == 9


async def test_a_card_that_lies_there_at_the_start_is_taken() -> None:
    stand = Stand()
    stand.present(made_card())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stand.terminal.run)
        await stand.screen.taken()
        nursery.cancel_scope.cancel()


async def test_cards_at_two_readers_are_both_taken() -> None:
    stand = Stand(GATE, "A", "B")
    other = made_card("9360020000000025", uid=bytes.fromhex("04AABBCCDDEE80"))
    async with stand.running():
        stand.present(made_card(), "A")
        stand.present(other, "B")
        found = [await stand.screen.next(), await stand.screen.next()]
    assert {reader for reader, _ in found} == {"A", "B"}
    assert all(isinstance(visit, Taken) for _, visit in found)


async def test_two_cards_at_once_are_told_to_come_one_by_one() -> None:
    stand = Stand()
    async with stand.running():
        stand.service.insert("A", mute=True)
        assert await stand.screen.refusal() is Refusal.SEVERAL


async def test_a_card_that_moved_is_tried_again_while_it_lies_there() -> None:
    stand, card = Stand(), made_card()
    card.tear = Tear(5, done=False)
    async with stand.running():
        stand.present(card)
        assert await stand.screen.refusal() is Refusal.MOVED
        assert (await stand.screen.taken()).use is Use.TAP_IN


async def test_a_card_that_moves_on_and_on_is_given_up() -> None:
    stand = Stand()

    def gone(_command: bytes) -> bytes:
        raise CardGone("gone")

    async with stand.running():
        stand.service.insert("A", gone)
        for _ in range(TRIES_MAX):
            assert await stand.screen.refusal() is Refusal.MOVED
        await trio.sleep(0.1)
        assert stand.screen.silent


async def test_a_card_that_left_is_not_tried_again_and_the_next_one_once() -> None:
    stand, card, other = Stand(SHOP), made_card(), made_card(uid=bytes.fromhex("04AABBCCDDEE80"))
    stand.street.lane.amount_rp = 1_000
    card.tear = Tear(5, done=False)
    async with stand.running():
        stand.present(card)
        assert await stand.screen.refusal() is Refusal.MOVED
        stand.service.remove("A")
        stand.present(other)
        assert (await stand.screen.taken()).value_rp == 49_000
        await trio.sleep(0.1)
        assert stand.screen.silent
    assert (value_of(card), value_of(other)) == (50_000, 49_000)


async def test_a_torn_card_that_is_put_back_is_told_that_it_has_paid() -> None:
    stand, card = Stand(SHOP), made_card()
    card.tear = Tear(COMMIT_OF_SHOP, done=True)
    async with stand.running():
        assert stand.terminal.key_in(12_500)
        assert stand.screen.shown[-1][1][0] == "  Rp12.500"
        stand.present(card)
        assert await stand.screen.refusal() is Refusal.TORN
        back = await stand.screen.taken()
        assert (back.recovered, back.value_rp) == (True, 37_500)
        assert not stand.terminal.key_in(-5)


async def test_nothing_is_done_where_no_amount_is_keyed_in() -> None:
    stand = Stand(SHOP)
    async with stand.running():
        stand.present(made_card())
        await until(lambda: stand.terminal.arrivals("A") == 2)
        await stand.remove()
        assert stand.screen.silent


async def test_a_card_that_comes_while_another_one_waits_for_the_reader_pays_once() -> None:
    """Two cards whose events come at once: the visit of the first must not take the second."""
    stand, card = Stand(SHOP), made_card()
    stand.street.lane.amount_rp = 1_000
    async with stand.running():
        stand.present(card)
        assert (await stand.screen.taken()).value_rp == 49_000
        await stand.remove()
        stand.present(card)
        assert (await stand.screen.taken()).value_rp == 48_000
        # The one that was there before is late.
        await stand.terminal.serve("A", 1)
        assert stand.screen.silent
        await stand.terminal.serve("A")
        assert (await stand.screen.taken()).value_rp == 47_000


async def test_a_visit_that_gets_the_reader_when_another_card_lies_there_leaves_it_alone() -> None:
    stand, card, other = Stand(SHOP), made_card(), made_card(uid=bytes.fromhex("04AABBCCDDEE80"))
    stand.street.lane.amount_rp = 1_000
    async with stand.running():
        stand.may_speak.clear()
        stand.present(card)
        await until(lambda: stand.terminal.arrivals("A") == 2)
        await stand.remove()
        stand.present(other)
        await until(lambda: stand.terminal.arrivals("A") == 4)
        stand.may_speak.set()
        assert await stand.screen.refusal() is Refusal.MOVED
        assert (await stand.screen.taken()).value_rp == 49_000
        await trio.sleep(0.1)
        assert stand.screen.silent
    assert (value_of(card), value_of(other)) == (50_000, 49_000)


# --- readers and the service ----------------------------------------------------------------------


async def test_a_reader_that_does_not_do_its_part_is_told_and_the_rest_goes_on() -> None:
    stand = Stand(GATE, "A", "B")

    def failing(_command: bytes) -> bytes:
        raise ReaderFailed("A has no power")

    async with stand.running():
        stand.service.insert("A", failing)
        assert await stand.screen.refusal() is Refusal.OUT_OF_ORDER
        assert "A has no power" in stand.notes
        stand.present(made_card(), "B")
        assert (await stand.screen.taken()).use is Use.TAP_IN


async def test_a_card_that_goes_mute_is_taken_for_several() -> None:
    stand = Stand()
    stand.service.insert("A", mute=True)
    await stand.terminal.serve("A")
    assert await stand.screen.refusal() is Refusal.SEVERAL


async def test_readers_and_services_that_come_and_go_are_told() -> None:
    stand = Stand()
    async with stand.running():
        stand.service.plug("B")
        await until(lambda: ("B", stand.screen.shown[0][1]) in stand.screen.shown)
        stand.service.unplug("B")
        await until(lambda: "B is gone" in stand.notes)
        stand.service.stop()
        await until(lambda: any("no card readers" in note for note in stand.notes))
        stand.service.start()
        await until(lambda: "card readers are back" in stand.notes)
        stand.present(made_card())
        await stand.screen.taken()


# --- what a terminal needs, and what officers order -----------------------------------------------


async def test_a_spare_terminal_takes_no_card_until_it_has_its_lists() -> None:
    stand = Stand(GATE, needs=("deny", "fares"))
    stand.versions["fares"] = 1
    async with stand.running():
        stand.present(made_card())
        _, visit = await stand.screen.next()
        assert isinstance(visit, Turned)
        assert (visit.refused.refusal, visit.refused.detail) == (Refusal.NOT_READY, "deny")
        stand.versions["deny"] = 1
        await stand.remove()
        stand.present(made_card())
        await stand.screen.taken()


async def test_an_officer_closes_and_opens_a_lane_and_the_screen_says_so() -> None:
    stand = Stand()
    async with stand.running():
        assert await stand.terminal.handle(SetLane("closed")) == ""
        assert stand.screen.shown[-1] == ("A", ("  Tutup / Closed",))
        stand.present(made_card())
        assert await stand.screen.refusal() is Refusal.CLOSED
        assert await stand.terminal.handle(SetLane("open")) == ""
        # Somebody reads what is shown of their card.
        assert stand.screen.shown[-1] == ("A", ("  Tutup / Closed",))
        await stand.remove()
        assert "Present your card" in stand.screen.shown[-1][1][0]


async def test_orders_about_cards_are_taken_and_others_are_not() -> None:
    stand = Stand()
    assert await stand.terminal.handle(ChangeChip(NUMBER, "block")) == ""
    assert stand.street.world.journal.orders.about(NUMBER) == "block"
    assert "does not do that" in await stand.terminal.handle(RestartTerminal())
    store = stand.street.world.store
    assert isinstance(store, MemoryStore)
    store.fail_next(StorageFull("no room on the disk"))
    assert await stand.terminal.handle(ChangeChip(NUMBER, "unblock")) == "no room on the disk"
    assert stand.street.world.journal.orders.about(NUMBER) == "block"


# --- house keeping and the disk -------------------------------------------------------------------


async def test_a_clock_that_was_set_is_told() -> None:
    stand = Stand()
    async with stand.running():
        # Until it has looked once there is nothing to compare with.
        looked = trio.current_time() + 0.2
        await until(lambda: trio.current_time() > looked)
        stand.street.world.own_ms += 3_600_000
        await until(lambda: "the clock of this terminal was set" in stand.notes)


async def test_money_that_never_came_to_its_card_goes_back_by_itself() -> None:
    stand = Stand(KIOSK)
    journal, timing = stand.street.world.journal, stand.street.world.timing
    tap = journal.owe(("top_up", NUMBER, 5, "dki", 0, "bank"), timing.stamp(), NUMBER, 5)
    journal.settle({tap.counter: "posted"}, 0)
    stand.street.world.wait(3_601)
    store = stand.street.world.store
    assert isinstance(store, MemoryStore)
    store.fail_next(StorageFull("no room on the disk"))
    async with stand.running():
        await until(lambda: any("1 top-ups" in note for note in stand.notes))
    assert "no room on the disk" in stand.notes
    assert journal.owed() == []
    assert journal.backlog == 1


async def test_a_full_disk_turns_cards_away_and_the_terminal_goes_on_when_there_is_room() -> None:
    stand, card = Stand(SHOP), made_card()
    stand.street.lane.amount_rp = 1_000
    is_full = True
    store = stand.street.world.store

    def write(changes: Iterable[Change]) -> None:
        if is_full:
            raise StorageFull("no room")
        MemoryStore.write(cast("MemoryStore", store), changes)

    store.write = write  # type: ignore[method-assign]
    async with stand.running():
        stand.present(card)
        assert await stand.screen.refusal() is Refusal.OUT_OF_ORDER
        assert value_of(card) == 50_000
        is_full = False
        await stand.remove()
        stand.present(card)
        assert (await stand.screen.taken()).value_rp == 49_000


async def test_a_disk_that_fails_ends_the_terminal() -> None:
    stand = Stand()
    store = stand.street.world.store
    assert isinstance(store, MemoryStore)
    store.fail_next(StorageFailed("dying"))
    with pytest.RaisesGroup(pytest.RaisesExc(StorageFailed), flatten_subgroups=True):
        async with stand.running():
            stand.present(made_card())
            await trio.sleep_forever()
