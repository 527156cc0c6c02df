"""The reception: who has to go for whom."""

from __future__ import annotations

import pytest
import trio

from actors import limits
from actors.reception import Reception
from protocol.limits import SESSIONS_PER_TERMINAL_MAX


class Guest:
    """A connection that notes what it was told."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.told: list[str] = []

    def make_room(self) -> None:
        self.told.append("make room")

    def give_way(self) -> None:
        self.told.append("give way")


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HANDSHAKES_MAX", 3)


def test_the_oldest_newcomer_goes_where_there_are_too_many() -> None:
    reception = Reception()
    guests = [Guest(f"G{number}") for number in range(5)]
    for guest in guests:
        reception.arrive(guest)
    assert [guest.name for guest in guests if guest.told] == ["G0", "G1"]
    assert reception.counts() == (3, 0)


def test_who_is_greeted_or_gone_takes_no_place_on_the_doorstep() -> None:
    reception = Reception()
    greeted, gone, *others = guests = [Guest(f"G{number}") for number in range(5)]
    for guest in guests[:3]:
        reception.arrive(guest)
    reception.greet(greeted, "GATE-1")
    reception.depart(gone, "")
    for guest in others[1:]:
        reception.arrive(guest)
    assert [guest.told for guest in guests] == [[]] * 5
    assert reception.counts() == (3, 1)


def test_a_name_is_only_claimed_until_it_is_proven() -> None:
    reception = Reception()
    real, false = Guest("real"), Guest("false")
    reception.greet(real, "GATE-1")
    for _ in range(10 * SESSIONS_PER_TERMINAL_MAX):
        reception.arrive(false)
        reception.depart(false, "GATE-1")
    assert real.told == []
    assert reception.counts() == (0, 1)


def test_of_one_terminal_the_oldest_session_gives_way() -> None:
    reception = Reception()
    guests = [Guest(f"G{number}") for number in range(SESSIONS_PER_TERMINAL_MAX + 2)]
    for guest in guests:
        reception.greet(guest, "GATE-1")
        reception.greet(Guest("other"), f"GATE-{guest.name}")
    assert [guest.name for guest in guests if guest.told] == ["G0", "G1"]
    for guest in guests:
        reception.depart(guest, "GATE-1")
    assert reception.counts() == (0, len(guests))


async def test_who_leaves_with_many_others_lets_the_rest_have_turns_in_between() -> None:
    reception, gone, in_a_turn = Reception(), list[int](), list[int]()

    async def leave(number: int) -> None:
        await reception.wait_to_leave()
        gone.append(number)

    async def work() -> None:
        while len(gone) < 200:
            before = len(gone)
            await trio.lowlevel.checkpoint()
            in_a_turn.append(len(gone) - before)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
        for number in range(200):
            nursery.start_soon(leave, number)
    assert len(gone) == 200
    # A turn of ours may come first in one round and last in the next.
    assert 0 < max(in_a_turn) <= 2 * limits.LEAVING_AT_ONCE
