"""Distances along lines."""

from __future__ import annotations

from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.fares import lines
from engine.fares.lines import Line, LineNetwork, Stop, metres_between

DEGREE_M = 111_195
"""Of a sphere with the mean radius, rounded."""


def stop(name: str, lon: float, *, station: str = "", lat: float = 0.0) -> Stop:
    return Stop(name, name, station or name, lat, lon)


STOPS = [stop(name, number / 100) for number, name in enumerate("ABCDEF")]
STEP_M = metres_between(STOPS[0], STOPS[1])


def test_a_degree_is_as_long_as_it_is() -> None:
    assert metres_between(stop("a", 0), stop("b", 1)) == DEGREE_M
    assert metres_between(stop("a", 0), stop("b", 0, lat=1)) == DEGREE_M
    assert metres_between(stop("a", 179.5), stop("b", -179.5)) == DEGREE_M
    assert metres_between(stop("a", 0), stop("b", 180)) == round(lines.EARTH_M * 3.14159265358979)


def test_the_shortest_way_along_lines_counts_in_either_direction() -> None:
    long, short = Line("1", "", "krl", tuple("ABCDE")), Line("2", "", "krl", ("A", "E"))
    network = LineNetwork(STOPS, [long])
    assert network.metres("krl", "A", "E") == 4 * STEP_M
    assert network.metres("krl", "E", "B") == 3 * STEP_M
    assert network.metres("krl", "C", "C") == 0
    both = LineNetwork(STOPS, [long, short])
    assert both.metres("krl", "A", "E") == metres_between(STOPS[0], STOPS[4])
    assert both.services == {"1": "krl", "2": "krl"}


def test_a_service_has_its_own_lines() -> None:
    two = [Line("1", "", "krl", ("A", "B")), Line("2", "", "mrt", ("C", "D"))]
    network = LineNetwork(STOPS, two)
    assert network.metres("krl", "A", "C") is None
    assert network.metres("mrt", "A", "B") is None
    assert network.metres("krl", "A", "F") is None
    assert network.metres("krl", "A", "nowhere") is None
    assert network.metres("royaltrans", "A", "B") is None


def test_platforms_of_a_station_are_one_place() -> None:
    platforms = [stop("B1", 0.01, station="B"), stop("B2", 0.02, station="B")]
    network = LineNetwork(
        [*STOPS, *platforms], [Line("1", "", "krl", ("A", "B1")), Line("2", "", "krl", ("B2", "D"))]
    )
    there = metres_between(STOPS[0], platforms[0]) + metres_between(platforms[1], STOPS[3])
    assert network.metres("krl", "A", "D") == there
    assert network.metres("krl", "B1", "B2") == 0


def test_the_farthest_place_is_that_along_the_lines() -> None:
    network = LineNetwork(STOPS, [Line("1", "", "krl", tuple("ABCDE"))])
    assert network.farthest("krl", "B") == 3 * STEP_M
    assert network.farthest("krl", "F") is None
    assert network.farthest("mrt", "A") is None
    assert network.farthest("krl", "nowhere") is None


def test_only_so_much_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "REMEMBERED_MAX", 2)
    network = LineNetwork(STOPS, [Line("1", "", "krl", tuple("ABCDEF"))])
    for _ in range(2):
        found = [network.metres("krl", origin, "F") for origin in "ABCDE"]
        assert found == [n * STEP_M for n in (5, 4, 3, 2, 1)]


def test_a_line_comes_to_stops_that_there_are() -> None:
    with pytest.raises(KeyError):
        LineNetwork(STOPS, [Line("1", "", "krl", ("A", "Z"))])


WAYS = st.lists(st.lists(st.sampled_from("ABCDEF"), min_size=2, max_size=5), min_size=1, max_size=5)


@given(WAYS)
def test_no_way_is_shorter_than_the_one_that_is_told(ways: list[list[str]]) -> None:
    network = LineNetwork(
        STOPS, [Line(str(n), "", "krl", tuple(way)) for n, way in enumerate(ways)]
    )
    places = {stop.id: stop for stop in STOPS}
    far = {(one, other): network.metres("krl", one, other) for one in places for other in places}
    for (one, other), metres in far.items():
        assert metres == far[other, one] or metres is None
    steps = {step for way in ways for step in pairwise(way)}
    for (one, other), origin in product(steps, places):
        before, after = far[origin, one], far[origin, other]
        if before is not None:
            assert after is not None
            assert after <= before + metres_between(places[one], places[other])
