"""Top-ups at a real node: money of a bank comes to its card once, or goes back, and never both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest
import trio

from actors.listener import open_listening_socket
from ops.virtual_card.card import Tear, VirtualCard
from protocol.chip.keys import KeyStoreFailed
from protocol.chip.profile import Use
from storage.errors import StorageFull
from storage.memory_store import MemoryStore
from terminals.acceptance.refusal import Refusal
from terminals.acceptance.rows import Tap
from terminals.acceptance.sender import Sender
from terminals.acceptance.visit import Talk, Turned
from tests.e2e.city import City, now_ms, until
from tests.terminals.acceptance.lab import Talking, made_card
from tests.terminals.acceptance.test_lane import (
    KIOSK,
    NUMBER,
    SHOP,
    Street,
    balance_of,
    issued,
    refusal,
    taken,
    value_of,
)

T = TypeVar("T")


@pytest.fixture
def city() -> Iterator[City]:
    with open_listening_socket("127.0.0.1", 0) as listening:
        yield City(listening)


@asynccontextmanager
async def kiosk(city: City, *, amount_rp: int = 0) -> AsyncIterator[Street]:
    """A kiosk that is online, in a city that has issued the card of `made_card`."""
    async with city.running():
        await issued(city, value_rp=1_000)
        street = Street(city.url, KIOSK)
        street.lane.amount_rp = amount_rp
        async with street.online():
            yield street


async def test_a_top_up_is_taken_from_the_bank_and_put_on_the_card(city: City) -> None:
    card = made_card(value_rp=1_000)
    async with kiosk(city, amount_rp=20_000) as street:
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
    async with kiosk(city, amount_rp=20_000) as street:
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
    async with kiosk(city, amount_rp=20_000) as street:
        card.tear = Tear(19, done=True)
        await street.visit(card)
        street.world.wait(3_601)
        assert street.lane.give_back() == 0


async def test_money_that_a_card_has_got_already_is_not_put_on_it_again_however_late_it_comes(
    city: City,
) -> None:
    card = made_card(value_rp=1_000)
    async with kiosk(city, amount_rp=20_000) as street:
        card.tear = Tear(19, done=True)
        await street.visit(card)
        street.world.wait(3_600)
        loaded = taken(await street.visit(card))
        assert (loaded.recovered, loaded.value_rp) == (True, 21_000)
        await street.told()
        assert street.results() == ["posted", "posted"]
        assert await balance_of(city) == value_of(card) == 21_000


async def test_a_card_that_hides_what_it_got_by_many_uses_gets_it_once(city: City) -> None:
    card = made_card(value_rp=1_000)
    shop = Street("ws://nowhere", SHOP)
    shop.lane.amount_rp = 1
    async with kiosk(city, amount_rp=20_000) as street:
        card.tear = Tear(19, done=True)
        await street.visit(card)
        for _ in range(9):
            taken(await shop.visit(card))
        assert refusal(await street.visit(card)) is Refusal.LOAD_UNCLEAR
        street.lane.amount_rp = 0
        assert await street.visit(card) is None
        street.world.wait(3_601)
        assert street.lane.give_back() == 0
        assert value_of(card) == 21_000 - 9


async def test_a_bank_that_has_not_answered_is_not_asked_again(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("terminals.acceptance.top_ups.BANK_S_MAX", 0.05)
    card = made_card(value_rp=1_000)
    street = Street(city.url, KIOSK)
    street.lane.amount_rp = 20_000
    with monkeypatch.context() as at_its_node:
        at_its_node.setattr(Sender, "online", True)
        for _ in range(3):
            assert refusal(await street.visit(card)) is Refusal.NO_NODE
    assert refusal(await street.visit(card)) is Refusal.NO_NODE
    assert len(street.world.journal.owed()) == street.world.journal.last_counter == 1
    monkeypatch.undo()
    async with city.running():
        await issued(city, value_rp=1_000)
        async with street.online():
            assert taken(await street.visit(card)).value_rp == 21_000
            await street.told()
        assert await balance_of(city) == value_of(card) == 21_000


async def owed_for_long(street: Street) -> None:
    """Let a bank give what never comes to its card."""
    street.lane.amount_rp = 20_000
    card = made_card(value_rp=1_000)
    card.tear = Tear(14, done=False)
    assert refusal(await street.visit(card)) is Refusal.MOVED
    street.world.wait(3_601)


async def test_money_goes_to_its_card_or_back_and_never_both_ways(city: City) -> None:
    async with kiosk(city) as street:
        await owed_for_long(street)
        card, gone_back = made_card(value_rp=1_000), list[int]()

        async def present(work: Callable[[Talk], T], /) -> T:
            await trio.lowlevel.checkpoint()
            if gone_back:
                # Between the look and the load.
                gone_back.append(street.lane.give_back())
            gone_back.append(0)
            return work(Talking(card))

        assert refusal(await street.lane.serve(present)) is Refusal.MOVED
        assert gone_back == [0, 1, 0]
        assert value_of(card) == 1_000


async def test_money_that_is_being_put_on_its_card_does_not_go_back(city: City) -> None:
    async with kiosk(city) as street:
        await owed_for_long(street)
        card, works, gone_back = made_card(value_rp=1_000), 0, list[int]()

        class GivingBack(Talking):
            def transmit(self, command: bytes) -> bytes:
                gone_back.append(street.lane.give_back())
                return super().transmit(command)

        async def present(work: Callable[[Talk], T], /) -> T:
            nonlocal works
            await trio.lowlevel.checkpoint()
            works += 1
            return work(Talking(card) if works == 1 else GivingBack(card))

        assert taken(await street.lane.serve(present)).value_rp == 21_000
        assert len(gone_back) > 9
        assert not any(gone_back)
        await street.told()
        assert await balance_of(city) == value_of(card) == 21_000


async def test_a_card_that_was_stolen_meanwhile_does_not_get_what_it_is_owed(city: City) -> None:
    card = made_card(value_rp=1_000)
    async with kiosk(city) as street:
        await owed_for_long(street)
        street.world.denied[NUMBER] = "lost"
        assert refusal(await street.visit(card)) is Refusal.DENIED
        assert street.lane.give_back() == 1


async def test_a_card_that_is_denied_between_its_look_and_its_load_gets_nothing(
    city: City,
) -> None:
    card, works = made_card(value_rp=1_000), 0
    async with kiosk(city, amount_rp=20_000) as street:

        async def present(work: Callable[[Talk], T], /) -> T:
            nonlocal works
            await trio.lowlevel.checkpoint()
            works += 1
            if works > 1:
                street.world.denied[NUMBER] = "lost"
            return work(Talking(card))

        assert refusal(await street.lane.serve(present)) is Refusal.DENIED
        await street.told()
        assert len(street.world.journal.owed()) == 1
        assert value_of(card) == 1_000


async def test_another_card_does_not_get_what_one_is_owed(city: City) -> None:
    other = made_card("9360020000000025", uid=bytes.fromhex("04AABBCCDDEE80"))
    async with kiosk(city) as street:
        await owed_for_long(street)
        cards = iter([made_card(value_rp=1_000), other])

        async def present(work: Callable[[Talk], T], /) -> T:
            await trio.lowlevel.checkpoint()
            return work(Talking(next(cards)))

        assert refusal(await street.lane.serve(present)) is Refusal.MOVED
        assert value_of(other) == 50_000


async def test_keys_that_a_kiosk_cannot_use_are_its_own_fault(city: City) -> None:
    street = Street(city.url, KIOSK)

    async def present(_work: Callable[[Talk], T], /) -> T:
        await trio.lowlevel.checkpoint()
        raise KeyStoreFailed("the token does not answer")

    street.lane.amount_rp = 5_000
    assert refusal(await street.lane.serve(present)) is Refusal.OUT_OF_ORDER


async def test_a_full_disk_asks_no_bank_for_money(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    street = Street(city.url, KIOSK)
    assert isinstance(street.world.store, MemoryStore)
    street.lane.amount_rp = 5_000
    monkeypatch.setattr(Sender, "online", True)
    street.world.store.fail_next(StorageFull("no room"))
    assert refusal(await street.visit(made_card())) is Refusal.OUT_OF_ORDER
    assert street.world.journal.last_counter == 0


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


async def test_a_card_gets_what_its_bank_gave_and_not_what_it_refused(city: City) -> None:
    street = Street(city.url, KIOSK)
    journal, stamp = street.world.journal, street.world.timing.stamp()
    results = ["refused: ceiling", "posted"]
    for result in results:
        tap = journal.owe(("top_up", NUMBER, 5_000, "dki", 0, "bank"), stamp, NUMBER, 5_000)
        journal.settle({tap.counter: result}, now_ms())
    assert taken(await street.visit(made_card())).value_rp == 55_000
    assert await street.visit(made_card()) is None


async def test_what_a_bank_refuses_is_forgotten_once(city: City) -> None:
    """By the visit that waits for it, or by what looks after what is owed: they may meet."""
    street = Street(city.url, KIOSK)
    street.lane.amount_rp = 20_000
    async with city.running(), street.online():
        on_settled = street.sender.wait_settled

        async def met(counter: int) -> Tap | None:
            settled = await on_settled(counter)
            assert street.lane.give_back() == 0
            return settled

        street.sender.wait_settled = met  # type: ignore[method-assign]
        assert refusal(await street.visit(made_card())) is Refusal.NODE_REFUSED
    assert street.world.journal.owed() == []


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


async def test_a_line_that_is_cut_is_no_node_until_it_is_back(city: City) -> None:
    card = made_card(value_rp=1_000)
    street = Street(city.url, KIOSK)
    street.lane.amount_rp = 20_000
    async with city.running():
        await issued(city, value_rp=1_000)
        async with street.online():
            street.lines.cut()
            await until(lambda: not street.sender.online)
            assert refusal(await street.visit(card)) is Refusal.NO_NODE
            assert street.world.journal.last_counter == 0
            await until(lambda: street.sender.online)
            assert taken(await street.visit(card)).value_rp == 21_000
