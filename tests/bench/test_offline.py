"""A day offline: two terminals, thirty taps each; and what fails the run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from bench import days, offline
from bench.days import DayMade, DayPlan, make_day
from bench.errors import BenchError, NotVerified
from bench.lanes import new_masters
from bench.rough import Roughness
from bench.setting import Bench
from ops.node import now_ms

TAPS = 30


def plan_of(place: Path, number: int = 0, taps: int = TAPS) -> DayPlan:
    return DayPlan(
        number=number,
        folder=str(place / f"day-{number}"),
        taps=taps,
        masters=new_masters(os.urandom),
        now_ms=now_ms(),
    )


def test_two_terminals_tell_all_of_their_day_on_bad_lines(
    tiny: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    rough = Roughness(frame_taps=5, doubled=0.5, held=0.5, cut=0.5, cut_after_max=4)
    monkeypatch.setattr(offline, "ROUGH", rough)
    figures = {each.name: each.values for each in offline.offline(tiny)}
    assert figures["offline_taps_per_s"][0] > 0
    assert figures["offline_frames"][0] >= 2 * TAPS / 5
    assert figures["offline_repeated"][0] > 0
    assert figures["offline_overtaken"][0] > 0
    assert tiny.verify() == dict.fromkeys(
        ("offline-rough-0", "offline-smooth-0", "offline-believed-0"), 2 * TAPS + 2 * 2
    )


@pytest.mark.parametrize("number", [0, 1])
def test_a_day_is_a_journal_of_all_taps_and_what_is_left_on_cards(
    tmp_path: Path, number: int
) -> None:
    day = make_day(plan_of(tmp_path, number))
    shift, loaded = day.gate.shift, day.kiosk.shift
    assert (shift.first, shift.last, shift.count) == (1, TAPS, TAPS)
    assert loaded.added_rp - shift.taken_rp == sum(card.value_rp for card in day.cards)
    assert shift.taken_rp > 0


def test_a_card_that_is_turned_away_ends_the_making(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(days, "LOADED_RP", 1_000)
    with pytest.raises(BenchError, match="was not taken"):
        make_day(plan_of(tmp_path, number=1))


class Spoilt:
    """Days of which something is told that is not so."""

    def __init__(self, spoil: Callable[[DayMade], DayMade]) -> None:
        self._spoil = spoil
        self._make = days.make_days

    def __call__(self, *arguments: object, **named: object) -> list[DayMade]:
        make: Callable[..., list[DayMade]] = self._make
        return [self._spoil(day) for day in make(*arguments, **named)]


@pytest.fixture
def spoilt(monkeypatch: pytest.MonkeyPatch) -> Callable[[Spoilt], None]:
    def use(days: Spoilt) -> None:
        monkeypatch.setattr(offline, "make_days", days)

    return use


def richer(day: DayMade) -> DayMade:
    return replace(day, cards=[replace(card, value_rp=card.value_rp + 1) for card in day.cards])


def counted_wrongly(day: DayMade) -> DayMade:
    shift = replace(day.gate.shift, taken_rp=day.gate.shift.taken_rp + 1)
    return replace(day, gate=replace(day.gate, shift=shift))


def twice_the_cards(day: DayMade) -> DayMade:
    return replace(day, cards=day.cards * 2)


def other_chips(day: DayMade) -> DayMade:
    return replace(day, cards=[replace(card, uid=bytes(6) + card.uid[-1:]) for card in day.cards])


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (richer, "stand on the chip of"),
        (counted_wrongly, "has counted"),
        (twice_the_cards, "were not issued"),
        (other_chips, "has counted"),
    ],
)
def test_what_does_not_agree_fails_the_run(
    tiny: Bench,
    spoilt: Callable[[Spoilt], None],
    spoil: Callable[[DayMade], DayMade],
    told: str,
) -> None:
    tiny.plan = replace(tiny.plan, offline_terminals=1, offline_taps=4)
    spoilt(Spoilt(spoil))
    with pytest.raises(NotVerified, match=told):
        offline.offline(tiny)
