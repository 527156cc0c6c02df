"""Rating: what each tap adds, what belongs together, and what is missing or too much."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

import pytest

from engine.accounts import OPERATOR_REVENUE, PROGRAMME_FUND
from engine.calendar import day_of
from engine.card import Granted
from engine.fares import tariff
from engine.fares.network import Network
from engine.fares.rating import rate_all
from engine.fares.ride import NoFare
from engine.fares.state import SeenTap
from engine.fares.tariff import Tariffs
from engine.limits import PACKAGE_RIDES_MAX
from engine.rules.kinds import Service
from engine.rules.reading import RulesInvalid
from engine.rules.rulebook import Rulebook
from tests.engine.fares.test_ride import TARIFFS, Along, at
from tests.engine.rules.written import rule, written
from tests.engine.rules_here import RULEBOOK

NETWORK: Final[Network] = Along()
BRT: Final[Service] = "transjakarta_brt"
NON_BRT: Final[Service] = "transjakarta_non_brt"
DAY: Final = "2024-07-03 "
OPERATORS: Final = {BRT: "transjakarta", NON_BRT: "transjakarta"}


def tap(
    when: str, direction: Literal["in", "out", "reset"], service: Service, place: str
) -> SeenTap:
    at_ms = at(when if "-" in when else DAY + when)
    operator = OPERATORS.get(service, service)
    return SeenTap(at_ms, direction, service, place, operator)


def ride(
    service: Service, since: str, origin: str, until: str, destination: str
) -> tuple[SeenTap, SeenTap]:
    return tap(since, "in", service, origin), tap(until, "out", service, destination)


def charges(*taps: SeenTap, tariffs: Tariffs = TARIFFS) -> list[tuple[int, str]]:
    """Return what each tap adds, and by which rule."""
    _, found = rate_all(sorted(taps), tariffs)
    return [(charge.card_rp, charge.rule.partition("@")[0]) for charge in found]


def paid(*taps: SeenTap, tariffs: Tariffs = TARIFFS) -> list[tuple[int, str]]:
    """Return what the taps add that add something."""
    return [told for told in charges(*taps, tariffs=tariffs) if told[0]]


def shares(
    taps: Iterable[SeenTap], grants: Iterable[Granted] = (), tariffs: Tariffs = TARIFFS
) -> dict[str, int]:
    """Return what the card and the others come to, all taps together."""
    found: dict[str, int] = {}
    for charge in rate_all(sorted(taps), tariffs, tuple(grants))[1]:
        lines = (("card", -charge.card_rp), *((line[1], line[2]) for line in charge.lines))
        assert sum(amount_rp for _, amount_rp in lines) == 0
        assert {line[0] for line in charge.lines} <= {OPERATOR_REVENUE, PROGRAMME_FUND}
        for owner, amount_rp in lines:
            found[owner] = found.get(owner, 0) + amount_rp
    return {owner: amount_rp for owner, amount_rp in found.items() if amount_rp}


MRT_RIDE: Final = ride("mrt", "08:40", "Blok M", "08:55", "Bundaran HI")
BRT_RIDE: Final = ride(BRT, "08:00", "0", "08:30", "4000")


def by_distance(since: str, until: str, metres: int) -> tuple[SeenTap, SeenTap]:
    return ride("lrt_jakarta", since, "0", until, str(metres))


def test_a_ride_of_one_mode_costs_its_own_fare_when_it_ends() -> None:
    first = ride(BRT, "08:00", "0", "08:30", "9000")
    assert charges(*first) == [(0, "fare.transjakarta"), (3_500, "fare.transjakarta")]
    assert charges(*MRT_RIDE) == [(0, "fare.mrt"), (8_000, "fare.mrt")]
    assert shares(MRT_RIDE) == {"card": -8_000, "mrt": 8_000}


def test_a_free_ride_moves_nothing() -> None:
    taps = ride("mikrotrans", "08:00", "0", "08:30", "9000")
    assert charges(*taps) == [(0, "fare.mikrotrans"), (0, "fare.mikrotrans")]
    assert shares(taps) == {}


def test_two_modes_are_one_package_by_distance_and_share_it_as_their_own_fares_would_be() -> None:
    # 2,500 once, 250 for each of 4 + 5 kilometres; alone 3,500 and 5,000.
    taps = (*BRT_RIDE, *by_distance("08:40", "08:55", 5_000))
    assert paid(*taps) == [(3_500, "fare.transjakarta"), (1_250, "fare.integrated")]
    transjakarta_rp = 4_750 * 3_500 // 8_500
    assert shares(taps) == {
        "card": -4_750,
        "transjakarta": transjakarta_rp,
        "lrt_jakarta": 4_750 - transjakarta_rp,
    }


def test_a_kilometre_that_was_begun_counts_and_no_package_costs_more_than_its_cap() -> None:
    for metres, total_rp in ((5_001, 5_000), (26_000, 10_000), (90_000, 10_000)):
        taps = (*BRT_RIDE, *by_distance("08:40", "08:55", metres))
        assert paid(*taps)[1] == (total_rp - 3_500, "fare.integrated")


def test_a_package_may_cost_less_than_what_was_paid_already() -> None:
    # The dearest pair of stations: the cap of the package is below it.
    taps = (
        *ride("mrt", "08:00", "Lebak Bulus", "08:30", "Bundaran HI"),
        *ride(BRT, "08:40", "0", "08:45", "1000"),
    )
    assert paid(*taps) == [(14_000, "fare.mrt"), (-4_000, "fare.integrated")]


def test_where_a_way_is_not_known_rides_cost_what_they_cost_alone_up_to_the_cap() -> None:
    assert paid(*BRT_RIDE, *MRT_RIDE) == [
        (3_500, "fare.transjakarta"),
        (6_500, "fare.integrated"),
    ]
    near = ride("mrt", "08:40", "Blok M", "08:55", "Senayan")
    assert paid(*BRT_RIDE, *near) == [(3_500, "fare.transjakarta"), (4_000, "fare.integrated")]


def test_a_ride_to_where_no_line_goes_costs_the_farthest_fare() -> None:
    taps = ride("mrt", "08:00", "Blok M", "08:20", "Monas")
    assert paid(*taps) == [(8_000, "fare.mrt")]
    with pytest.raises(NoFare, match="place_unknown: origin"):
        charges(tap("08:00", "out", "krl", "Bogor"))


def test_tariffs_are_kept_for_so_many_days_and_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tariff, "_DAYS_REMEMBERED_MAX", 2)
    tariffs = Tariffs(RULEBOOK, NETWORK)
    first = tariffs.on(TODAY)
    assert tariffs.on(TODAY) is first
    for day in range(TODAY + 1, TODAY + 4):
        assert tariffs.on(day).prices.keys() == first.prices.keys()
    assert tariffs.on(TODAY) is not first


def test_where_one_may_not_change_there_is_no_package() -> None:
    taps = (
        *ride(BRT, "08:00", "0", "08:30", "far"),
        *ride("lrt_jakarta", "08:40", "away", "08:55", "1"),
    )
    assert paid(*taps) == [(3_500, "fare.transjakarta"), (5_000, "fare.lrt_jakarta")]


def test_two_services_of_a_mode_are_no_package() -> None:
    taps = (*BRT_RIDE, *ride(NON_BRT, "08:40", "4000", "09:10", "9000"))
    assert paid(*taps) == [(3_500, "fare.transjakarta"), (3_500, "fare.transjakarta")]


def test_a_package_takes_a_ride_of_a_mode_that_it_has_already() -> None:
    # 4 + 5 + 5 kilometres.
    taps = (
        *BRT_RIDE,
        *ride(NON_BRT, "08:40", "4000", "09:10", "9000"),
        *by_distance("09:20", "09:40", 5_000),
    )
    assert sum(amount_rp for amount_rp, _ in paid(*taps)) == 2_500 + 14 * 250


def test_what_is_not_of_the_integrated_fare_stands_alone_and_a_package_goes_on_after_it() -> None:
    taps = (
        *BRT_RIDE,
        *ride("krl", "08:40", "0", "09:10", "9000"),
        *by_distance("09:20", "09:40", 3_000),
    )
    # 4 + 3 kilometres for the two that belong together.
    assert paid(*taps) == [
        (3_500, "fare.transjakarta"),
        (3_000, "fare.krl"),
        (2_500 + 7 * 250 - 3_500, "fare.integrated"),
    ]


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        ("10:40", "11:00", (1_250, "fare.integrated")),
        # Beyond 180 minutes: the cap, and the base of a new package.
        ("10:40", "11:00:01", (9_000, "fare.integrated")),
        ("11:00", "11:20", (9_000, "fare.integrated")),
        ("11:00:01", "11:20", (5_000, "fare.lrt_jakarta")),
    ],
)
def test_a_package_lasts_three_hours(since: str, until: str, expected: tuple[int, str]) -> None:
    taps = (*BRT_RIDE, *by_distance(since, until, 5_000))
    assert paid(*taps) == [(3_500, "fare.transjakarta"), expected]


def test_what_ends_beyond_the_window_is_the_last_of_its_package() -> None:
    taps = (
        *BRT_RIDE,
        *by_distance("10:50", "11:10", 5_000),
        *ride(BRT, "11:15", "0", "11:20", "1000"),
    )
    assert [amount_rp for amount_rp, _ in paid(*taps)] == [3_500, 9_000, 3_500]


def test_a_package_has_no_more_rides_than_can_be() -> None:
    taps = [
        each
        for minute in range(PACKAGE_RIDES_MAX + 1)
        for each in ride(BRT, f"08:{minute:02}:00", "0", f"08:{minute:02}:30", "1")
    ]
    rating, _ = rate_all(taps, TARIFFS)
    assert rating.package is not None
    assert len(rating.package.legs) == 1


def test_before_the_integrated_fare_each_ride_cost_its_own() -> None:
    taps = (
        *ride(BRT, "2022-10-03 08:00", "0", "2022-10-03 08:30", "1"),
        *ride("lrt_jakarta", "2022-10-03 08:40", "0", "2022-10-03 08:55", "1"),
    )
    assert paid(*taps) == [(3_500, "fare.transjakarta"), (5_000, "fare.lrt_jakarta")]


def test_a_journey_that_was_open_when_the_rule_changed_keeps_the_rule_of_its_beginning() -> None:
    """4 October 2022: who was on their way at midnight was neither refused nor charged twice."""
    taps = (
        *ride(BRT, "2022-10-03 23:50", "0", "2022-10-04 00:10", "4000"),
        *ride("lrt_jakarta", "2022-10-04 00:20", "0", "2022-10-04 00:40", "5000"),
    )
    assert charges(*taps) == [
        (0, "fare.transjakarta"),
        (3_500, "fare.transjakarta"),
        (0, "fare.lrt_jakarta"),
        (5_000, "fare.lrt_jakarta"),
    ]


# --- taps that are missing, or too many -----------------------------------------------------------


def test_a_ride_is_open_until_it_ends_or_another_one_begins() -> None:
    first = tap("08:00", "in", "mrt", "Blok M")
    assert charges(first) == [(0, "fare.mrt")]
    assert paid(first, tap("08:20", "out", "mrt", "Senayan")) == [(4_000, "fare.mrt")]
    # The farthest from Blok M is Lebak Bulus, or Bundaran HI: Rp8,000 either way.
    assert charges(first, tap("18:00", "in", "mrt", "Senayan")) == [
        (0, "fare.mrt"),
        (8_000, "fare.mrt"),
    ]


def test_a_reset_ends_a_ride_that_was_not_tapped_out() -> None:
    first, reset = tap("08:00", "in", "mrt", "Blok M"), tap("18:00", "reset", "mrt", "Senayan")
    assert charges(first, reset) == [(0, "fare.mrt"), (8_000, "fare.mrt")]
    rating, _ = rate_all([first, reset], TARIFFS)
    assert rating.inside is None
    assert charges(reset) == [(0, "")]
    again = tap("18:05", "in", "mrt", "Senayan")
    assert charges(first, reset, again)[2] == (0, "fare.mrt")


def test_a_tap_out_without_a_tap_in_costs_the_farthest_fare() -> None:
    assert paid(tap("08:20", "out", "mrt", "Bundaran HI")) == [(14_000, "fare.mrt")]
    assert paid(tap("08:00", "out", "krl", "0")) == [(11_000, "fare.krl")]
    assert paid(tap("05:30", "out", BRT, "anywhere")) == [(2_000, "fare.transjakarta")]


def test_a_tap_out_at_another_service_ends_no_ride() -> None:
    taps = (tap("08:00", "in", "mrt", "Blok M"), tap("08:30", "out", "krl", "0"))
    assert paid(*taps) == [(8_000 + 11_000, "fare.krl")]
    assert shares(taps) == {"card": -19_000, "mrt": 8_000, "krl": 11_000}


def test_a_ride_that_is_not_whole_ends_a_package() -> None:
    taps = (
        *BRT_RIDE,
        tap("08:40", "in", "lrt_jakarta", "0"),
        *ride(BRT, "09:00", "0", "09:30", "4000"),
    )
    assert [amount_rp for amount_rp, _ in paid(*taps)] == [3_500, 5_000, 3_500]


def test_a_second_tap_within_seconds_is_the_same_tap() -> None:
    first, again = tap("08:00:00", "in", BRT, "0"), tap("08:00:09", "in", BRT, "0")
    assert charges(first, again) == [(0, "fare.transjakarta"), (0, "")]
    assert charges(first, tap("08:00:10", "in", BRT, "0"))[1] == (3_500, "fare.transjakarta")
    assert charges(first, tap("08:00:09", "in", BRT, "1"))[1] == (3_500, "fare.transjakarta")
    out = tap("08:00:09", "out", BRT, "0"), tap("08:00:12", "out", BRT, "0")
    assert charges(first, *out)[1:] == [(3_500, "fare.transjakarta"), (0, "")]
    # No instrument says so of the commuter line.
    krl = tap("08:00:00", "in", "krl", "0"), tap("08:00:09", "in", "krl", "0")
    assert paid(*krl) == [(11_000, "fare.krl")]


JOURNEYS: Final = """services = ["mrt"]
balance_min_rp = 0
missing_out = "complete"
double_tap_s = 10
"""


def test_where_rides_are_completed_one_ends_where_the_next_one_begins() -> None:
    completing = rule("journey.tap_out", "journey", JOURNEYS, since="2024-01-01")
    tariffs = Tariffs(Rulebook([*RULEBOOK.instruments, written("c", completing)]), Along())
    first = tap("08:00", "in", "mrt", "Blok M")
    assert charges(first, tap("18:00", "in", "mrt", "Senayan"), tariffs=tariffs) == [
        (0, "fare.mrt"),
        (4_000, "fare.mrt"),
    ]
    # Where it goes on with another service the end is not known; so it is after a tap-out alone.
    assert paid(first, tap("18:00", "in", BRT, "0"), tariffs=tariffs) == [(8_000, "fare.mrt")]
    assert paid(first, tap("18:00", "reset", "mrt", "Senayan"), tariffs=tariffs) == [
        (8_000, "fare.mrt")
    ]


# --- concessions and caps -------------------------------------------------------------------------

TODAY: Final = day_of(at("2024-07-03"))
ELDERLY: Final = Granted("free_ride", "elderly", "P1", TODAY, TODAY + 30)


def test_a_free_group_rides_at_the_expense_of_its_programme() -> None:
    assert shares(BRT_RIDE, [ELDERLY]) == {"free_ride": -3_500, "transjakarta": 3_500}
    _, told = rate_all(BRT_RIDE, TARIFFS, (ELDERLY,))
    assert told[1].rule == "free_ride@2018-12-28"


@pytest.mark.parametrize(
    "grant",
    [
        Granted("free_ride", "elderly", "P1", ELDERLY.since_day + 1, ELDERLY.until_day),
        Granted("free_ride", "elderly", "P1", ELDERLY.since_day - 9, ELDERLY.since_day - 1),
        Granted("free_ride", "princes", "P1", ELDERLY.since_day, ELDERLY.until_day),
        Granted("kjp", "elderly", "P1", ELDERLY.since_day, ELDERLY.until_day),
    ],
)
def test_a_grant_of_another_day_group_or_programme_pays_nothing(grant: Granted) -> None:
    assert shares(BRT_RIDE, [grant]) == {"card": -3_500, "transjakarta": 3_500}


def test_in_2024_a_free_group_paid_for_the_train_and_later_no_more() -> None:
    assert shares(MRT_RIDE, [ELDERLY]) == {"card": -8_000, "mrt": 8_000}
    later = ride("mrt", "2025-12-01 08:40", "Blok M", "2025-12-01 08:55", "Bundaran HI")
    grant = Granted("free_ride", "elderly", "P1", day_of(at("2025-12-01")), 99_999)
    assert shares(later, [grant]) == {"free_ride": -8_000, "mrt": 8_000}
    half = tap("2025-12-01 08:40", "out", "mrt", "Blok M")
    assert shares([half], [grant]) == {"free_ride": -8_000, "mrt": 8_000}


def test_of_a_package_the_programme_pays_the_share_of_its_services() -> None:
    taps = (*BRT_RIDE, *by_distance("08:40", "08:55", 5_000))
    transjakarta_rp = 4_750 * 3_500 // 8_500
    assert shares(taps, [ELDERLY]) == {
        "free_ride": -transjakarta_rp,
        "card": transjakarta_rp - 4_750,
        "transjakarta": transjakarta_rp,
        "lrt_jakarta": 4_750 - transjakarta_rp,
    }


def test_a_package_that_costs_nothing_alone_is_paid_to_its_first_operator() -> None:
    free = [
        rule("fare.a", "flat_fare", 'services = ["mikrotrans", "mrt"]\namount_rp = 0\n'),
        rule(
            "fare.both",
            "integrated_fare",
            'modes = [["mrt"], ["mikrotrans"]]\nmodes_min = 2\nbase_rp = 100\n'
            "step_m = 1_000\nstep_rp = 0\ncap_rp = 100\nwindow_min = 180\n",
        ),
    ]
    tariffs = Tariffs(Rulebook([written("a", *free)]), Along())
    taps = (
        *ride("mikrotrans", "08:00", "0", "08:30", "1"),
        *ride("mrt", "08:40", "0", "08:55", "1"),
    )
    assert shares(taps, tariffs=tariffs) == {"card": -100, "mikrotrans": 100}


def capped(figures: str) -> Tariffs:
    cap = rule("cap", "fare_cap", f'services = ["{BRT}"]\nprogramme = "cap"\n{figures}')
    return Tariffs(Rulebook([*RULEBOOK.instruments, written("cap", cap)]), Along())


def rides_on(day: str, count: int) -> list[SeenTap]:
    return [
        each
        for hour in range(8, 8 + count)
        for each in ride(BRT, f"{day} {hour:02}:00", "0", f"{day} {hour:02}:30", "1")
    ]


def test_a_cap_of_the_day_is_paid_by_its_programme_and_begins_anew_each_day() -> None:
    tariffs = capped("day_rp = 5_000")
    taps = [*rides_on("2024-07-03", 3), *rides_on("2024-07-04", 1)]
    assert paid(*taps, tariffs=tariffs) == [
        (3_500, "fare.transjakarta"),
        (1_500, "cap"),
        (3_500, "fare.transjakarta"),
    ]
    assert shares(taps, tariffs=tariffs) == {"card": -8_500, "cap": -5_500, "transjakarta": 14_000}


def test_a_cap_of_the_week_begins_anew_on_monday() -> None:
    tariffs = capped("week_rp = 10_000")
    sunday, monday = "2024-07-07", "2024-07-08"
    taps = [*rides_on("2024-07-05", 2), *rides_on(sunday, 2), *rides_on(monday, 1)]
    assert [amount_rp for amount_rp, _ in paid(*taps, tariffs=tariffs)] == [
        *(3_500, 3_500, 3_000),
        3_500,
    ]
    both = capped("day_rp = 5_000\nweek_rp = 8_000")
    assert [amount_rp for amount_rp, _ in paid(*taps, tariffs=both)] == [
        *(3_500, 1_500, 3_000),
        3_500,
    ]


def test_a_cap_has_a_day_or_a_week() -> None:
    with pytest.raises(RulesInvalid, match="day_rp and week_rp: neither is there"):
        capped("")


def test_what_is_of_no_cap_is_not_counted() -> None:
    tariffs = capped("day_rp = 5_000")
    taps = [*rides_on("2024-07-03", 1), *ride("krl", "18:00", "0", "18:30", "9000")]
    half = tap("19:00", "out", BRT, "0")
    assert [amount_rp for amount_rp, _ in paid(*taps, half, tariffs=tariffs)] == [
        *(3_500, 3_000, 1_500)
    ]
