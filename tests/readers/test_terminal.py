"""Terminals of the real program at real readers and a real node, from the card to the ledger."""

from __future__ import annotations

from dataclasses import replace

import pytest
import trio

from ops.terminal.build import Parts
from ops.virtual_card.card import Tear, VirtualCard
from protocol.chip.profile import Use
from terminals.acceptance.point import Point
from terminals.acceptance.refusal import Refusal
from terminals.acceptance.visit import Taken
from tests.e2e.city import until
from tests.readers.hall import UID, Hall, told
from tests.terminals.acceptance.kept_screen import KeptScreen
from tests.terminals.acceptance.lab import BRT, Talking, World, drawing, made_card

NUMBER = "9360020000000017"
OTHER = "9360020000000025"
OTHER_UID = bytes.fromhex("04AABBCCDDEE80")
GATE = replace(BRT, terminal="terminal-gate", side="both")
SHOP = Point(kind="shop", terminal="terminal-shop", place="Pasar", merchant="pasar-jaya")
KIOSK = Point(kind="kiosk", terminal="terminal-kiosk", place="Blok M", bank="dki")
COMMIT = 11


def value_of(card: VirtualCard) -> int:
    return World().visits.look(Talking(card))[0].value_rp


async def test_a_ride_is_begun_at_a_gate_and_in_the_ledger(hall: Hall) -> None:
    card, screen = made_card(), KeptScreen()
    await hall.issue(NUMBER, 50_000)
    async with hall.terminal(GATE, 0, screen=screen) as parts:
        with hall.card_at(0, card):
            entered = await screen.taken()
        assert (entered.use, entered.value_rp) == (Use.TAP_IN, 50_000)
        assert await told(parts) == {"posted"}
    assert await hall.balance_rp(NUMBER) == value_of(card) == 50_000


async def test_goods_are_paid_at_a_shop_and_money_is_loaded_at_a_kiosk(hall: Hall) -> None:
    card, screen = made_card(), KeptScreen()
    await hall.issue(NUMBER, 50_000)
    async with hall.terminal(SHOP, 0, screen=screen) as parts:
        parts.lane.amount_rp = 12_500
        with hall.card_at(0, card):
            assert (await screen.taken()).value_rp == 37_500
    async with hall.terminal(KIOSK, 1, screen=screen) as parts:
        await until(lambda: parts.sender.online)
        parts.lane.amount_rp = 20_000
        with hall.card_at(1, card):
            assert (await screen.taken()).value_rp == 57_500
    assert await hall.balance_rp(NUMBER) == value_of(card) == 57_500


@pytest.mark.parametrize("done", [False, True])
async def test_a_card_torn_at_the_commit_pays_once(hall: Hall, *, done: bool) -> None:
    card, screen = made_card(), KeptScreen()
    await hall.issue(NUMBER, 50_000)
    async with hall.terminal(SHOP, 0, screen=screen) as parts:
        parts.lane.amount_rp = 12_500
        card.tear = Tear(COMMIT, done)
        with hall.card_at(0, card):
            assert (await screen.turned()).refused.refusal is Refusal.TORN
        assert len(parts.journal.attempts()) == 1
        with hall.card_at(0, card):
            back = await screen.taken()
        assert back.recovered is done
        assert parts.journal.attempts() == []
    assert await hall.balance_rp(NUMBER) == value_of(card) == 37_500


async def test_a_foreign_card_is_turned_away_and_the_next_one_taken(hall: Hall) -> None:
    foreign, card, screen = VirtualCard(bytes(7), chance=drawing()), made_card(), KeptScreen()
    await hall.issue(NUMBER, 50_000)
    async with hall.terminal(GATE, 0, screen=screen):
        with hall.card_at(0, foreign):
            assert (await screen.turned()).refused.refusal is Refusal.FOREIGN
        with hall.card_at(0, card):
            assert (await screen.taken()).use is Use.TAP_IN


async def test_what_does_not_answer_is_taken_for_several_cards(hall: Hall) -> None:
    screen = KeptScreen()
    async with hall.terminal(GATE, 0, screen=screen):
        mute = hall.stack.insert(0, lambda _: b"\x90\x00", atr=b"\x00")
        assert (await screen.turned()).refused.refusal is Refusal.SEVERAL
        mute.take_out()


async def test_two_readers_of_a_gate_take_two_cards_at_once(hall: Hall) -> None:
    card, screen = made_card(), KeptScreen()
    other = made_card(OTHER, uid=OTHER_UID)
    await hall.issue(NUMBER, 50_000)
    await hall.issue(OTHER, 50_000, OTHER_UID)
    async with hall.terminal(GATE, 0, 1, screen=screen) as parts:
        with hall.card_at(0, card), hall.card_at(1, other):
            readers = {(await screen.next())[0], (await screen.next())[0]}
        assert readers == set(hall.stack.readers[:2])
        assert parts.journal.last_counter == 2


async def test_readers_that_are_gone_and_back_go_on(hall: Hall) -> None:
    card, screen = made_card(), KeptScreen()
    await hall.issue(NUMBER, 50_000)
    async with hall.terminal(GATE, 0, screen=screen):
        with hall.card_at(0, card):
            await screen.taken()
        hall.stack.halt()
        await until(lambda: any("no card readers" in note for note in hall.notes))
        hall.stack.restart()
        await until(lambda: "card readers are back" in hall.notes)
        with hall.card_at(0, card):
            assert isinstance((await screen.next())[1], Taken)


async def tap_again(parts: Parts, reader: str, times: int) -> None:
    for _ in range(times):
        await parts.terminal.serve(reader)


@pytest.mark.slow
@pytest.mark.usefixtures("no_cover")
async def test_a_thousand_taps_agree_to_the_rupiah(hall: Hall) -> None:
    """Two readers, two cards, five hundred taps each: at the end chips and ledger are the same."""
    cards = [made_card(value_rp=2_000_000)]
    cards.append(made_card(OTHER, uid=OTHER_UID, value_rp=2_000_000))
    for number, uid in ((NUMBER, UID), (OTHER, OTHER_UID)):
        await hall.issue(number, 2_000_000, uid)
    screen = KeptScreen()
    async with hall.terminal(SHOP, 0, 1, screen=screen) as parts:
        parts.lane.amount_rp = 1_500
        with hall.card_at(0, cards[0]), hall.card_at(1, cards[1]):
            one, other = hall.stack.readers[:2]
            assert [await screen.taken() for _ in cards]
            async with trio.open_nursery() as nursery:
                nursery.start_soon(tap_again, parts, one, 499)
                nursery.start_soon(tap_again, parts, other, 499)
            assert all([await screen.taken() for _ in range(998)])
        assert parts.journal.last_counter == 1_000
        assert await told(parts) == {"posted"}
    for number, card in zip((NUMBER, OTHER), cards, strict=True):
        assert await hall.balance_rp(number) == value_of(card) == 2_000_000 - 500 * 1_500
