"""Lanes at a real node: rides, goods, top-ups in two legs, orders of officers; and without one."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar, cast

import pytest
import trio

from actors.listener import open_listening_socket
from ops.virtual_card.card import Tear, VirtualCard
from protocol.chip.keys import Role
from protocol.chip.profile import Use
from storage.errors import StorageFull
from storage.memory_store import MemoryStore
from storage.store import Change
from terminals import intents
from terminals.acceptance.certificate import Certificate
from terminals.acceptance.certifier import Certifier
from terminals.acceptance.lane import Lane
from terminals.acceptance.offline import Decision, Held, Offline
from terminals.acceptance.point import Point, Setting
from terminals.acceptance.refusal import Refusal, Refused
from terminals.acceptance.sender import Sender
from terminals.acceptance.uplink import Node, Uplink
from terminals.acceptance.visit import Taken, Talk, Turned, Visit
from terminals.errors import CardGone
from terminals.keeper import MemoryKeeper
from terminals.keys import new_key
from terminals.link import Connect
from terminals.messages import Balance
from terminals.part import Offload
from tests.e2e.city import City, Lines, now_ms, officer_at, on_the_spot, terminal_at, until
from tests.terminals.acceptance.lab import BRT, LAW, PLACES, Talking, World, made_card

T = TypeVar("T")

NUMBER = "9360020000000017"
KIOSK = Point(kind="kiosk", terminal="GATE-KIOSK", place="Blok M", bank="dki")
SHOP = Point(
    kind="shop", terminal="GATE-SHOP", place="Pasar", merchant="pasar-jaya", merchant_kind="food"
)


@pytest.fixture
def city() -> Iterator[City]:
    with open_listening_socket("127.0.0.1", 0) as listening:
        yield City(listening)


@dataclass
class Street:
    """A lane, on a street with a node at its end."""

    url: str
    point: Point = BRT
    world: World = field(init=False)
    settings: dict[str, str] = field(default_factory=dict)
    lines: Lines = field(default_factory=Lines)
    keeper: MemoryKeeper = field(default_factory=MemoryKeeper)
    connect: Connect | None = None
    offload: Offload = on_the_spot

    def __post_init__(self) -> None:
        role = Role.LOAD if self.point.kind == "kiosk" else Role.DEBIT
        self.key = new_key()
        began_ms = now_ms()
        self.world = World(
            point=self.point,
            role=role,
            own_ms=began_ms,
            running_s=lambda: (now_ms() - began_ms) / 1000,
        )
        self.start()

    def start(self) -> None:
        """Start the program again, on what stands on the disk."""
        world = self.world
        world.start()
        self.notes: list[str] = []
        self.certificates: list[Certificate] = []
        self.certifier = Certifier(
            self.point.terminal,
            world.journal,
            world.timing,
            on_certificate=self.certificates.append,
            offload=on_the_spot,
            note=self.notes.append,
        )
        self.sender = Sender(
            world.journal, world.timing, offload=on_the_spot, certifier=self.certifier
        )
        self.lane = Lane(
            self.point,
            world.visits,
            Offline(self.point, LAW.tariffs, PLACES, world.denied.get),
            world.journal,
            self.sender,
            world.timing,
            self.settings.get,
        )
        node = Node(
            url=self.url,
            terminal=self.point.terminal,
            key=self.key,
            random=random.Random(3).random,
            connect=self.connect or self.lines.connect,
        )
        self.uplink = Uplink(
            node,
            keeper=self.keeper,
            journal=world.journal,
            sender=self.sender,
            clock=world.clock,
            offload=self.offload,
            note=self.notes.append,
        )

    @asynccontextmanager
    async def online(self) -> AsyncIterator[None]:
        """Run the uplink, and wait until the node has let it in."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.uplink.run)
            await until(lambda: self.sender.online)
            yield
            nursery.cancel_scope.cancel()

    async def visit(self, card: VirtualCard | None) -> Visit | None:
        async def present(work: Callable[[Talk], T], /) -> T:
            await trio.lowlevel.checkpoint()
            if card is None:
                raise CardGone("it left")
            return work(Talking(card))

        return await self.lane.serve(present)

    async def told(self) -> None:
        """Wait until the node has all there is."""
        self.sender.wake()
        await until(lambda: not self.world.journal.backlog)

    def results(self) -> list[str]:
        return [tap.result for tap in self.world.journal.taps(1, 1_000, 1_000)]


def taken(visit: Visit | None) -> Taken:
    assert isinstance(visit, Taken)
    return visit


def refusal(visit: Visit | None) -> Refusal:
    assert isinstance(visit, Turned)
    return visit.refused.refusal


def value_of(card: VirtualCard) -> int:
    return World().visits.look(Talking(card))[0].value_rp


async def issued(city: City, number: str = NUMBER, value_rp: int = 0) -> None:
    """Have the node know a card, with what stands on its chip."""
    async with officer_at(city.url, "bureau") as officer:
        outcomes = await officer.client.send([intents.issue(number, "stored", "dki")])
        assert [outcome.result for outcome in outcomes] == ["posted"]
    if value_rp:
        async with terminal_at(city.url, "GATE-BUREAU") as bureau:
            first = intents.top_up(number, value_rp, "dki", proof=b"first")
            assert [outcome.result for outcome in await bureau.send([first])] == ["posted"]


async def balance_of(city: City, number: str = NUMBER) -> int:
    async with officer_at(city.url, "auditor") as officer:
        answer = await officer.ask("balance", 1, number)
        assert isinstance(answer, Balance)
        return answer.balance_rp


async def test_a_ride_is_taken_and_the_node_hears_of_it(city: City) -> None:
    card = made_card()
    async with city.running():
        await issued(city, value_rp=50_000)
        street = Street(city.url, replace(BRT, side="both"))
        async with street.online():
            entered = taken(await street.visit(card))
            assert entered.use is Use.TAP_IN
            street.world.wait(1_800)
            left = taken(await street.visit(card))
            assert (left.use, left.change_rp) == (Use.TAP_OUT, -3_500)
            await street.told()
        assert street.results() == ["posted", "posted"]
        assert await balance_of(city) == value_of(card) == 46_500


async def test_without_a_node_a_lane_goes_on_and_tells_it_later(city: City) -> None:
    card = made_card()
    street = Street(city.url)
    for _ in range(4):
        taken(await street.visit(card))
        street.world.wait(1_800)
    assert street.world.journal.backlog == 4
    async with city.running():
        await issued(city, value_rp=50_000)
        async with street.online():
            await street.told()
        assert street.results() == ["posted"] * 4
        assert await balance_of(city) == value_of(card)


async def test_a_clock_that_was_wrong_is_put_right_before_the_node_is_told(city: City) -> None:
    card = made_card()
    street = Street(city.url)
    wrong_ms = 3 * 3600 * 1000
    street.world.own_ms -= wrong_ms
    taken(await street.visit(card))
    async with city.running(), street.online():
        await street.told()
    (tap,) = street.world.journal.taps(1, 9, 9)
    assert abs(tap.at_ms - (tap.stamp.own_ms + wrong_ms)) < 60_000
    assert tap.stamp.node_ms == -1


async def test_goods_are_paid_and_an_amount_is_needed(city: City) -> None:
    card = made_card()
    street = Street(city.url, SHOP)
    assert await street.visit(card) is None
    street.lane.amount_rp = 25_000
    assert taken(await street.visit(card)).value_rp == 25_000
    async with city.running():
        await issued(city, value_rp=50_000)
        async with street.online():
            await street.told()
        assert street.results() == ["posted"]
        assert await balance_of(city) == value_of(card) == 25_000


async def test_an_amount_that_was_keyed_in_is_paid_by_one_card() -> None:
    card, street = made_card(), Street("ws://nowhere", SHOP)
    assert street.lane.key_in(25_000)
    assert street.lane.idle_lines()[0] == "  Rp25.000"
    assert taken(await street.visit(card)).value_rp == 25_000
    assert await street.visit(card) is None
    assert not street.lane.key_in(10_000_001)
    assert not street.lane.key_in(-1)


async def test_an_amount_that_was_not_paid_stays_keyed_in() -> None:
    card, street = made_card(), Street("ws://nowhere", SHOP)
    street.lane.key_in(25_000)
    with pytest.raises(CardGone):
        await street.visit(None)
    card.tear = Tear(11, done=True)
    assert refusal(await street.visit(card)) is Refusal.TORN
    back = taken(await street.visit(card))
    assert (back.recovered, back.value_rp) == (True, 25_000)
    assert await street.visit(card) is None


async def test_two_cards_at_two_readers_do_not_pay_one_amount_twice() -> None:
    street, paid = Street("ws://nowhere", SHOP), list[Visit | None]()

    async def slow(work: Callable[[Talk], T], /) -> T:
        await trio.sleep(0.01)
        return work(Talking(made_card()))

    async def pay() -> None:
        paid.append(await street.lane.serve(slow))

    street.lane.key_in(25_000)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pay)
        nursery.start_soon(pay)
    assert sum(isinstance(visit, Taken) for visit in paid) == 1
    assert street.world.journal.last_counter == 1


async def test_goods_of_another_price_are_not_paid_with_what_was_torn() -> None:
    card, street = made_card(), Street("ws://nowhere", SHOP)
    street.lane.key_in(1_000)
    card.tear = Tear(11, done=True)
    await street.visit(card)
    street.lane.key_in(30_000)
    paid = taken(await street.visit(card))
    assert (paid.recovered, paid.change_rp, paid.value_rp) == (False, -30_000, 19_000)
    assert [tap.change_rp for tap in street.world.journal.unsettled(9)] == [-1_000, -30_000]


async def test_a_shop_takes_only_so_much_at_once_without_the_node() -> None:
    street = Street("ws://nowhere", SHOP)
    street.settings[Setting.PURCHASE_RP_MAX] = "1000"
    street.lane.amount_rp = 1_001
    assert refusal(await street.visit(made_card())) is Refusal.OFFLINE_TOO_MUCH


async def test_a_terminal_takes_only_so_much_that_the_node_does_not_know() -> None:
    card = made_card()
    street = Street("ws://nowhere", SHOP)
    street.settings[Setting.OFFLINE_RP_MAX] = "30000"
    street.lane.amount_rp = 20_000
    taken(await street.visit(card))
    assert refusal(await street.visit(card)) is Refusal.OFFLINE_TOO_MUCH


async def test_a_terminal_that_has_not_heard_of_its_node_for_too_long_takes_nothing() -> None:
    street = Street("ws://nowhere")
    street.settings[Setting.OFFLINE_S_MAX] = "3600"
    street.world.wait(3_601)
    assert refusal(await street.visit(made_card())) is Refusal.OFFLINE_TOO_LONG


async def test_a_terminal_that_is_at_its_node_goes_on_though_it_has_nothing_to_tell(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would take nothing, and so tell nothing, and never come out of that."""
    monkeypatch.setattr("terminals.acceptance.uplink.CONTACT_S", 0.05)
    street = Street(city.url)
    street.settings[Setting.OFFLINE_S_MAX] = "3600"
    journal = street.world.journal
    async with city.running(), street.online():
        before_ms = journal.contact_ms
        street.world.wait(3_601)
        assert refusal(await street.visit(made_card())) is Refusal.OFFLINE_TOO_LONG
        await until(lambda: journal.contact_ms > before_ms + 3_600_000)
        assert isinstance(await street.visit(made_card()), Taken)


async def test_a_setting_that_is_no_number_is_passed_over() -> None:
    street = Street("ws://nowhere")
    street.settings[Setting.OFFLINE_S_MAX] = "soon"
    assert isinstance(await street.visit(made_card()), Taken)


async def test_a_closed_lane_takes_nothing_and_says_so() -> None:
    street = Street("ws://nowhere")
    street.lane.closed = True
    assert refusal(await street.visit(made_card())) is Refusal.CLOSED
    assert street.lane.idle_lines() == ["  Tutup / Closed"]


def test_a_lane_says_what_it_waits_for() -> None:
    assert "Present your card" in Street("ws://nowhere").lane.idle_lines()[0]
    shop = Street("ws://nowhere", SHOP)
    assert "Key in an amount" in shop.lane.idle_lines()[0]
    shop.lane.amount_rp = 12_500
    assert shop.lane.idle_lines()[0] == "  Rp12.500"


# --- orders ---------------------------------------------------------------------------------------


async def test_an_officer_blocks_a_card_at_a_gate_and_lets_it_go() -> None:
    card = made_card()
    street = Street("ws://nowhere", replace(BRT, side="in"))
    assert street.lane.order(NUMBER, "block") == ""
    street.start()
    assert refusal(await street.visit(card)) is Refusal.DENIED
    assert street.lane.order(NUMBER, "unblock") == ""
    assert isinstance(await street.visit(card), Taken)


@pytest.mark.parametrize("point", [SHOP, KIOSK], ids=["shop", "kiosk"])
async def test_an_order_to_block_a_card_holds_whatever_it_is_presented_for(point: Point) -> None:
    street = Street("ws://nowhere", point)
    street.lane.amount_rp = 5_000
    assert street.lane.order(NUMBER, "block") == ""
    assert refusal(await street.visit(made_card())) is Refusal.DENIED
    assert "cannot reset_journey" in street.lane.order(NUMBER, "reset_journey")


async def test_a_ride_that_was_ended_is_ended_though_the_order_cannot_be_crossed_out() -> None:
    card = made_card()
    street = Street("ws://nowhere", replace(BRT, side="in"))
    taken(await street.visit(card))
    street.world.wait(3_600)
    street.lane.order(NUMBER, "reset_journey")
    store, writes = street.world.store, 0

    def write(changes: Iterable[Change]) -> None:
        nonlocal writes
        writes += 1
        if writes == 3:
            raise StorageFull("no room")
        MemoryStore.write(cast("MemoryStore", store), changes)

    store.write = write  # type: ignore[method-assign]
    assert taken(await street.visit(card)).use is Use.RESET
    assert street.world.journal.orders.about(NUMBER) == "reset_journey"
    assert taken(await street.visit(card)).change_rp == 0
    assert street.world.journal.orders.about(NUMBER) == ""


async def test_an_officer_ends_a_ride_that_was_not_tapped_out() -> None:
    card = made_card()
    street = Street("ws://nowhere", replace(BRT, side="in"))
    taken(await street.visit(card))
    street.world.wait(3_600)
    assert refusal(await street.visit(card)) is Refusal.JOURNEY_OPEN
    street.lane.order(NUMBER, "reset_journey")
    ended = taken(await street.visit(card))
    assert (ended.use, ended.change_rp) == (Use.RESET, -3_500)
    assert taken(await street.visit(card)).use is Use.TAP_IN


async def test_a_denied_card_is_not_let_go_by_an_order() -> None:
    street = Street("ws://nowhere")
    street.lane.order(NUMBER, "reset_journey")
    street.world.denied[NUMBER] = "lost"
    assert refusal(await street.visit(made_card())) is Refusal.DENIED


def test_an_order_that_a_terminal_cannot_carry_out_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    street = Street("ws://nowhere")
    assert "cannot repaint" in street.lane.order(NUMBER, "repaint")
    monkeypatch.setattr("terminals.acceptance.orders.ORDERS_MAX", 1)
    assert street.lane.order("one", "block") == ""
    assert "too many" in street.lane.order("two", "block")
    assert street.lane.order("one", "reset_journey") == ""


# --- a terminal whose disk was replaced -----------------------------------------------------------


async def test_a_spare_terminal_loses_nothing_that_it_took_before_it_reached_its_node(
    city: City,
) -> None:
    """Its folder is empty, and its node has seen counters of the terminal before it."""
    card = made_card()
    async with city.running():
        await issued(city, value_rp=50_000)
        gate = replace(BRT, side="both")
        before = Street(city.url, gate)
        async with before.online():
            for _ in range(4):
                taken(await before.visit(card))
                before.world.wait(1_800)
            await before.told()
        spare = Street(city.url, gate)
        spare.key = before.key
        spare.start()
        spare.world.wait(7_200)
        for _ in range(2):
            taken(await spare.visit(card))
            spare.world.wait(1_800)
        async with spare.online():
            await spare.told()
        assert spare.world.journal.last_counter == 6
        assert await balance_of(city) == value_of(card)


async def test_other_rules_hold_from_the_next_card_on() -> None:
    card = made_card()
    street = Street("ws://nowhere", replace(BRT, side="in"))
    taken(await street.visit(card))

    class Closed(Offline):
        def ride(self, held: Held) -> Decision:
            return Refused(Refusal.FARE_UNKNOWN)

    street.lane.decide_with(Closed(street.point, LAW.tariffs, PLACES, street.world.denied.get))
    assert refusal(await street.visit(card)) is Refusal.FARE_UNKNOWN
