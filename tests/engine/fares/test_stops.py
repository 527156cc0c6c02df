"""Distances of stops that are known by where they are."""

from __future__ import annotations

import pytest

from engine.fares import stops
from engine.fares.lines import LineNetwork
from engine.fares.stops import Line, Stop, measured, metres_between

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
    assert metres_between(stop("a", 0), stop("b", 180)) == round(stops.EARTH_M * 3.14159265358979)


def test_a_line_is_as_long_as_the_ways_from_stop_to_stop() -> None:
    network = LineNetwork([measured(STOPS, [Line("1", "", "krl", tuple("ABCDE"))])])
    assert network.metres("krl", "A", "E") == 4 * STEP_M
    assert network.services == {"1": "krl"}


def test_platforms_of_a_station_are_one_place() -> None:
    platforms = [stop("B1", 0.01, station="B"), stop("B2", 0.02, station="B")]
    lines = [Line("1", "", "krl", ("A", "B1")), Line("2", "", "krl", ("B2", "D"))]
    network = LineNetwork([measured([*STOPS, *platforms], lines)])
    there = metres_between(STOPS[0], platforms[0]) + metres_between(platforms[1], STOPS[3])
    assert network.metres("krl", "A", "D") == there
    assert network.metres("krl", "B1", "B2") == 0


def test_a_way_that_several_lines_go_is_told_once() -> None:
    lines = [Line("1", "", "krl", ("A", "B")), Line("2", "", "krl", ("A", "B", "C"))]
    part = measured(STOPS, lines)
    assert [(link.one, link.other) for link in part.links] == [("A", "B"), ("B", "C")]
    assert part.lines == {"1": "krl", "2": "krl"}


def test_transfers_of_stops_are_those_of_all_services_that_come_there() -> None:
    lines = [
        Line("1", "", "transjakarta_brt", ("A", "B")),
        Line("2", "", "transjakarta_non_brt", ("A", "C")),
        Line("3", "", "royaltrans", ("D", "E")),
    ]
    part = measured(STOPS, lines, [("A", "D"), ("F", "D")])
    assert part.transfers == (
        (("transjakarta_brt", "A"), ("royaltrans", "D")),
        (("transjakarta_non_brt", "A"), ("royaltrans", "D")),
    )
    network = LineNetwork([part])
    assert network.may_change("royaltrans", "D", "transjakarta_brt", "A") is True
    # It does not say that one may change nowhere else.
    assert network.may_change("royaltrans", "E", "transjakarta_brt", "B") is None


def test_a_line_comes_to_stops_that_there_are() -> None:
    with pytest.raises(KeyError):
        measured(STOPS, [Line("1", "", "krl", ("A", "Z"))])
    with pytest.raises(KeyError):
        measured(STOPS, [], [("A", "Z")])
