"""Taps that are kept: whatever order they come in, they cost the same."""

from __future__ import annotations

import random
from typing import Final

import pytest

from engine.accounts import OPERATOR_REVENUE, OWED_FARES, PROGRAMME_FUND, PURSE
from engine.calendar import day_of
from engine.card import Granted
from engine.decisions import decide
from engine.errors import Reason
from engine.fares.kept import rate_in_place, taps_of, with_entry
from engine.fares.rating import rate_all
from engine.fares.ride import Charge
from engine.fares.state import NO_TAPS, Direction, Kept, SeenTap
from engine.fares.tariff import Tariffs
from engine.limits import KEPT_TAPS
from engine.rules.kinds import Service
from engine.transaction import Entry, Issue, Tap, Transaction
from tests.engine.fares.test_rating import BRT, capped, tap
from tests.engine.fares.test_ride import TARIFFS, at
from tests.engine.ledger import Ledger
from tests.engine.rules_here import LAW

SERVICES: Final[tuple[Service, ...]] = (
    *(BRT, "transjakarta_non_brt", "mikrotrans", "mrt"),
    *("lrt_jakarta", "lrt_jabodebek", "krl"),
)
ENDS: Final[tuple[Direction, Direction]] = ("in", "out")
SETS: Final = 10_000
DAY: Final = day_of(at("2024-07-03"))
ELDERLY: Final = (Granted("free_ride", "elderly", "P", DAY, DAY + 3),)
CAPPED: Final = capped("day_rp = 5_000\nweek_rp = 9_000")


def random_taps(chance: random.Random, rides: int = 5) -> list[SeenTap]:
    """Return the taps of some hours, some of them missing or doubled."""
    found: list[SeenTap] = []
    at_ms = at("2024-07-03 04:30") + chance.randrange(16 * 3_600_000)
    for _ in range(chance.randint(1, rides)):
        service = chance.choice(SERVICES)
        places = ("Blok M", "Senayan") if service == "mrt" else ("0", "4000", "30000")
        for direction in ENDS:
            at_ms += chance.choice((0, 1_000, 8_000, 300_000, 1_800_000, 5_400_000))
            if chance.random() > 0.1:
                told: Direction = "reset" if chance.random() < 0.05 else direction
                place, operator = chance.choice(places), chance.choice("xy")
                found.append(SeenTap(at_ms, told, service, place, operator))
    return found


def taken(
    kept: Kept, one: SeenTap, tariffs: Tariffs, grants: tuple[Granted, ...] = ELDERLY
) -> tuple[Kept, Charge]:
    """Take a tap as a card does: rate it, and fold what its entry tells."""
    found = rate_in_place(kept, one, tariffs, grants)
    assert found is not None
    rating, middle, charge = found
    intent = Tap("C", 0, one.operator, one.direction, one.place, service=one.service)
    entry = Entry(
        *("T", 1, one.at_ms, intent, 0, Reason.NONE, "", "", 0, (), (), -1),
        *(rating, middle),
    )
    assert sum(line[2] for line in charge.lines) == charge.card_rp
    return with_entry(kept, entry, rating), charge


def summed(taps: list[SeenTap], tariffs: Tariffs) -> tuple[Kept, dict[tuple[int, str], int]]:
    """Take taps one by one; return where the card stands, and what all of them move."""
    kept, total = NO_TAPS, dict[tuple[int, str], int]()
    for one in taps:
        kept, charge = taken(kept, one, tariffs)
        for kind, owner, amount_rp in charge.lines:
            total[kind, owner] = total.get((kind, owner), 0) + amount_rp
    return kept, {account: amount_rp for account, amount_rp in total.items() if amount_rp}


@pytest.mark.slow
@pytest.mark.usefixtures("no_cover")
def test_whatever_order_taps_come_in_they_cost_the_same() -> None:
    chance = random.Random(20_241_004)
    integrated = late = 0
    for number in range(SETS):
        tariffs = CAPPED if number % 4 == 0 else TARIFFS
        taps = sorted(random_taps(chance))
        expected, total = summed(taps, tariffs)
        _, charges = rate_all(taps, tariffs, ELDERLY)
        integrated += any(charge.rule.startswith("fare.integrated") for charge in charges)
        for _ in range(3):
            other = chance.sample(taps, len(taps))
            late += other != taps
            assert summed(other, tariffs) == (expected, total)
    assert integrated > SETS // 20
    assert late > SETS


def test_delays_within_what_is_kept_change_nothing_in_a_long_history() -> None:
    chance = random.Random(33)
    for _ in range(200):
        taps = sorted({one.at_ms: one for one in random_taps(chance, rides=40)}.values())
        expected, total = summed(taps, TARIFFS)
        # Each tap is held back behind fewer than KEPT_TAPS later ones.
        arrival = [(number + chance.randrange(KEPT_TAPS), number) for number in range(len(taps))]
        delayed = [taps[number] for _, number in sorted(arrival)]
        kept, moved = summed(delayed, TARIFFS)
        assert moved == total
        assert kept.rating == expected.rating
        assert taps_of(kept)[-KEPT_TAPS:] == taps[-KEPT_TAPS:]


def test_no_more_than_twice_as_many_taps_are_kept_as_have_to_be() -> None:
    kept = NO_TAPS
    taps = [tap(f"{hour:02}:00", "in", BRT, "0") for hour in range(2 * KEPT_TAPS)]
    counts = []
    for one in taps:
        kept, _ = taken(kept, one, TARIFFS)
        counts.append(kept.count)
    assert counts == [*range(1, 2 * KEPT_TAPS), KEPT_TAPS]
    assert taps_of(kept) == taps[-KEPT_TAPS:]
    assert kept.settled


def test_a_tap_behind_those_that_are_kept_is_too_late() -> None:
    kept = NO_TAPS
    for hour in range(24):
        kept, _ = taken(kept, tap(f"{hour:02}:00", "in", BRT, "0"), TARIFFS)
    oldest = taps_of(kept)[0]
    assert rate_in_place(kept, tap("15:59", "in", BRT, "0"), TARIFFS, ()) is None
    later = SeenTap(oldest.at_ms, "in", BRT, "0", "zz")
    assert rate_in_place(kept, later, TARIFFS, ()) is not None


def test_a_late_tap_lets_the_older_half_go_as_any_other_does() -> None:
    taps = [tap(f"{hour:02}:00", "in", BRT, "0") for hour in range(24)]
    *first, last = taps
    for late in (first[-2 * KEPT_TAPS + 3], first[-3]):
        others = [one for one in first if one is not late]
        kept, _ = summed([*others, last, late], TARIFFS)
        assert kept == summed(taps, TARIFFS)[0]


# --- through decisions ----------------------------------------------------------------------------


def posted(taps: list[tuple[SeenTap, int]]) -> Ledger:
    """Send advices of a chip in some order, with what it paid; return the ledger."""
    ledger = Ledger(LAW.purses_on(DAY), at("2024-07-04 23:00"), TARIFFS)
    ledger.done(Issue("S", "stored", "dki"))
    for number, (one, amount_rp) in enumerate(taps, 2):
        intent = Tap(
            *("S", amount_rp, one.operator, one.direction, one.place, "", "", b"chip", one.service),
        )
        transaction = Transaction(number, one.at_ms, intent)
        ledger.post(decide(ledger.book, ledger.now, "T", transaction))
    return ledger


def test_what_a_chip_paid_less_what_is_owed_is_the_price_whatever_the_order() -> None:
    chance = random.Random(7)
    for _ in range(300):
        taps = sorted(random_taps(chance))
        paid = [(one, chance.choice((0, 2_000, 3_500))) for one in taps]
        _, charges = rate_all(taps, TARIFFS)
        price_rp = sum(charge.card_rp for charge in charges)
        expected = posted(paid)
        accounts = expected.accounts()
        assert -accounts.get((PURSE, "*"), 0) - accounts.get((OWED_FARES, "*"), 0) == price_rp
        assert not any(kind == PROGRAMME_FUND for kind, _ in accounts)
        revenue_rp = sum(rp for (kind, _), rp in accounts.items() if kind == OPERATOR_REVENUE)
        assert revenue_rp == price_rp
        other = posted(chance.sample(paid, len(paid)))
        assert other.accounts() == accounts
        assert other.cards["S"].kept == expected.cards["S"].kept
