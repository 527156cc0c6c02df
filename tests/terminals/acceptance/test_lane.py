"""Lanes at a real node: rides, goods, top-ups in two legs, orders of officers; and without one."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

import pytest
import trio

from actors.listener import open_listening_socket
from ops.virtual_card.card import Tear, VirtualCard
from protocol.chip.keys import Role
from protocol.chip.profile import Use
from terminals import intents
from terminals.acceptance.lane import Lane
from terminals.acceptance.offline import Offline
from terminals.acceptance.point import Point, Setting
from terminals.acceptance.refusal import Refusal
from terminals.acceptance.sender import Sender
from terminals.acceptance.uplink import Node, Uplink
from terminals.acceptance.visit import Taken, Talk, Turned, Visit
from terminals.errors import CardGone
from terminals.keeper import MemoryKeeper
from terminals.keys import new_key
from terminals.link import Connect
from terminals.messages import Balance
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
        self.sender = Sender(world.journal, world.timing, offload=on_the_spot)
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
        self.notes: list[str] = []
        self.uplink = Uplink(
            node,
            keeper=self.keeper,
            journal=world.journal,
            sender=self.sender,
            clock=world.clock,
            offload=on_the_spot,
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


# --- top-ups --------------------------------------------------------------------------------------


async def test_a_top_up_is_taken_from_the_bank_and_put_on_the_card(city: City) -> None:
    card = made_card(value_rp=1_000)
    async with city.running():
        await issued(city, value_rp=1_000)
        street = Street(city.url, KIOSK)
        street.lane.amount_rp = 20_000
        async with street.online():
            loaded = taken(await street.visit(card))
            assert (loaded.use, loaded.change_rp, loaded.value_rp) == (Use.TOP_UP, 20_000, 21_000)
            await street.told()
        assert street.results() == ["posted", "posted"]
        assert street.world.journal.owed() == []
        assert await balance_of(city) == value_of(card) == 21_000


async def test_without_the_node_nothing_is_topped_up() -> None:
    card = made_card()
    street = Street("ws://nowhere", KIOSK)
    assert await street.visit(card) is None
    street.lane.amount_rp = 20_000
    assert refusal(await street.visit(card)) is Refusal.NO_NODE
    assert street.world.journal.last_counter == 0
    assert value_of(card) == 50_000


async def test_what_the_bank_refuses_is_not_put_on_the_card(city: City) -> None:
    card = made_card()
    async with city.running():
        street = Street(city.url, KIOSK)
        street.lane.amount_rp = 20_000
        async with street.online():
            assert refusal(await street.visit(card)) is Refusal.NODE_REFUSED
        assert street.world.journal.owed() == []
        assert value_of(card) == 50_000


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("answered", [8, 14, 18, 19])
async def test_a_top_up_that_is_torn_comes_with_the_next_visit_once(
    city: City, answered: int, *, done: bool
) -> None:
    card = made_card(value_rp=1_000)
    async with city.running():
        await issued(city, value_rp=1_000)
        street = Street(city.url, KIOSK)
        street.lane.amount_rp = 20_000
        async with street.online():
            card.tear = Tear(answered, done)
            torn = await street.visit(card)
            assert isinstance(torn, Turned)
            await street.told()
            street.lane.amount_rp = 0
            street.start()
        async with street.online():
            street.world.wait(5)
            loaded = taken(await street.visit(card))
            assert loaded.value_rp == 21_000
            await street.told()
        assert street.results() == ["posted", "posted"]
        assert await balance_of(city) == value_of(card) == 21_000


async def test_money_that_never_came_to_its_card_goes_back_to_the_bank(city: City) -> None:
    card = made_card(value_rp=1_000)
    async with city.running():
        await issued(city, value_rp=1_000)
        street = Street(city.url, KIOSK)
        street.lane.amount_rp = 20_000
        async with street.online():
            card.tear = Tear(14, done=False)
            await street.visit(card)
            assert street.lane.give_back() == 0
            street.world.wait(3_601)
            assert street.lane.give_back() == 1
            await street.told()
            assert street.lane.give_back() == 0
        assert street.results() == ["posted", "posted"]
        assert street.world.journal.owed() == []
        assert await balance_of(city) == value_of(card) == 1_000


async def test_money_that_a_card_may_have_got_is_not_given_back(city: City) -> None:
    card = made_card(value_rp=1_000)
    async with city.running():
        await issued(city, value_rp=1_000)
        street = Street(city.url, KIOSK)
        street.lane.amount_rp = 20_000
        async with street.online():
            card.tear = Tear(19, done=True)
            await street.visit(card)
            street.world.wait(3_601)
            assert street.lane.give_back() == 0


async def test_a_bank_that_does_not_answer_in_time_is_told_of_at_the_next_visit(
    city: City,
) -> None:
    street = Street(city.url, KIOSK)
    fields = ("top_up", NUMBER, 5_000, "dki", 0, "bank")
    journal = street.world.journal
    journal.owe(fields, street.world.timing.stamp(), NUMBER, 5_000)
    assert street.lane.give_back() == 0
    async with city.running():
        await issued(city)
        async with street.online():
            await street.told()
            card = made_card(value_rp=0)
            assert taken(await street.visit(card)).value_rp == 5_000


async def test_what_a_bank_refused_meanwhile_is_owed_no_more(city: City) -> None:
    street = Street(city.url, KIOSK)
    fields = ("top_up", "nobody", 5_000, "dki", 0, "bank")
    street.world.journal.owe(fields, street.world.timing.stamp(), "nobody", 5_000)
    async with city.running(), street.online():
        await street.told()
    assert street.lane.give_back() == 0
    assert street.world.journal.owed() == []


async def test_a_kiosk_turns_foreign_and_denied_cards_away() -> None:
    street = Street("ws://nowhere", KIOSK)
    assert refusal(await street.visit(None)) is Refusal.MOVED
    foreign = VirtualCard(bytes(7), chance=bytes)
    assert refusal(await street.visit(foreign)) is Refusal.FOREIGN
    street.world.denied[NUMBER] = "lost"
    street.lane.amount_rp = 5_000
    assert refusal(await street.visit(made_card())) is Refusal.DENIED


# --- orders ---------------------------------------------------------------------------------------


async def test_an_officer_blocks_a_card_at_a_gate_and_lets_it_go() -> None:
    card = made_card()
    street = Street("ws://nowhere", replace(BRT, side="in"))
    assert street.lane.order(NUMBER, "block") == ""
    street.start()
    assert refusal(await street.visit(card)) is Refusal.DENIED
    assert street.lane.order(NUMBER, "unblock") == ""
    assert isinstance(await street.visit(card), Taken)


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


def test_an_order_that_a_terminal_cannot_carry_out_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    street = Street("ws://nowhere")
    assert "cannot repaint" in street.lane.order(NUMBER, "repaint")
    monkeypatch.setattr("terminals.acceptance.journal.ORDERS_MAX", 1)
    assert street.lane.order("one", "block") == ""
    assert "too many" in street.lane.order("two", "block")
    assert street.lane.order("one", "reset_journey") == ""
