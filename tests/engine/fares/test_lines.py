"""Distances along lines, and where one may change."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.fares import lines
from engine.fares.lines import LineNetwork, Link, Part, Transfer
from engine.rules.kinds import Service

BRT: Service = "transjakarta_brt"
BUS: Service = "transjakarta_non_brt"
STEP_M = 1_000


def line(
    service: Service,
    stations: str,
    metres: int = STEP_M,
    *,
    platforms: dict[str, str] | None = None,
    transfers: tuple[Transfer, ...] = (),
    only_there: bool = False,
) -> Part:
    """Return a part of one line, whose places have names of one letter."""
    return Part(
        lines={f"{service}-{stations}": service},
        links=tuple(Link(service, one, other, metres) for one, other in pairwise(stations)),
        stations=platforms or {},
        transfers=transfers,
        only_there=only_there,
    )


def test_the_shortest_way_along_lines_counts_in_either_direction() -> None:
    long, short = line("krl", "ABCDE"), line("krl", "AE", 3_500)
    network = LineNetwork([long])
    assert network.metres("krl", "A", "E") == 4_000
    assert network.metres("krl", "E", "B") == 3_000
    assert network.metres("krl", "C", "C") == 0
    both = LineNetwork([long, short])
    assert both.metres("krl", "A", "E") == both.metres("krl", "E", "A") == 3_500
    assert both.services == {"krl-ABCDE": "krl", "krl-AE": "krl"}


def test_a_service_has_its_own_lines_and_its_own_names() -> None:
    network = LineNetwork([line("krl", "AB"), line("mrt", "BC")])
    assert network.metres("krl", "A", "C") is None
    assert network.metres("mrt", "A", "B") is None
    assert network.metres("krl", "A", "nowhere") is None
    assert network.metres("royaltrans", "A", "B") is None
    assert network.may_change("krl", "B", "mrt", "B") is None


def test_all_places_can_be_walked_stations_by_their_platforms() -> None:
    network = LineNetwork([line("krl", "ABC", platforms={"A": "S", "A1": "S"}), line("mrt", "XY")])
    found = sorted(network.places())
    assert found == [("krl", place) for place in ("A", "A1", "B", "C")] + [
        ("mrt", "X"),
        ("mrt", "Y"),
    ]
    assert all(network.knows(service, place) for service, place in found)


def test_a_place_is_known_to_which_a_line_of_the_service_comes() -> None:
    network = LineNetwork([line("krl", "AB", platforms={"A": "S", "A1": "S", "F": "F"})])
    known = [place for place in ("A", "A1", "B", "F", "S", "C") if network.knows("krl", place)]
    assert known == ["A", "A1", "B"]
    assert not network.knows("mrt", "A")
    assert (network.serves("krl"), network.serves("mrt")) == (True, False)


def test_the_farthest_place_is_that_along_the_lines() -> None:
    network = LineNetwork([line("krl", "ABCDE")])
    assert network.farthest("krl", "B") == 3_000
    assert network.farthest("krl", "F") is None
    assert network.farthest("mrt", "A") is None


def test_parts_of_a_service_are_one_network_whatever_their_order() -> None:
    platforms = {"B1": "B", "B": "B", "C": "C"}
    feed = Part(lines={}, links=(Link(BRT, "B1", "C", 700),), stations=platforms)
    for parts in ([feed, line(BRT, "AB")], [line(BRT, "AB"), feed]):
        network = LineNetwork(parts)
        assert network.metres(BRT, "A", "C") == 1_700
        assert network.metres(BRT, "B", "B1") == 0


def test_services_meet_in_a_station_that_both_come_to() -> None:
    platforms = {"B": "S", "X": "S"}
    network = LineNetwork(
        [line(BRT, "AB", platforms=platforms), line(BUS, "XY", platforms=platforms)]
    )
    assert network.may_change(BRT, "B", BUS, "X") is True
    assert network.may_change(BUS, "X", BRT, "B") is True
    assert network.may_change(BRT, "B", BRT, "B") is True
    assert network.may_change(BRT, "A", BUS, "X") is None


def test_one_may_change_where_a_transfer_says_so_and_nowhere_else() -> None:
    there: Transfer = (("mrt", "M"), (BRT, "B"))
    network = LineNetwork(
        [
            line("mrt", "MN", transfers=(there,), only_there=True),
            line(BRT, "AB", platforms={"B": "S", "B2": "S"}),
            line("krl", "KL"),
        ]
    )
    assert network.may_change("mrt", "M", BRT, "B") is True
    assert network.may_change(BRT, "B2", "mrt", "M") is True
    assert network.may_change("mrt", "N", BRT, "B") is False
    assert network.may_change(BRT, "A", "mrt", "M") is False
    # Nobody told where one changes to trains.
    assert network.may_change("mrt", "M", "krl", "K") is None
    assert network.may_change("krl", "K", BRT, "B") is None


def test_a_part_may_allow_a_change_without_forbidding_others() -> None:
    there: Transfer = (("mrt", "M"), (BRT, "B"))
    network = LineNetwork([line("mrt", "MN", transfers=(there,)), line(BRT, "AB")])
    assert network.may_change("mrt", "M", BRT, "B") is True
    assert network.may_change("mrt", "N", BRT, "B") is None


def test_only_so_much_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "WAYS_REMEMBERED_MAX", 2)
    monkeypatch.setattr(lines, "PLACES_REMEMBERED_MAX", 2)
    network = LineNetwork([line("krl", "ABCDEF")])
    for _ in range(2):
        found = [network.metres("krl", origin, "F") for origin in "ABCDE"]
        assert found == [n * STEP_M for n in (5, 4, 3, 2, 1)]
        farthest = [network.farthest("krl", place) for place in "ABCC"]
        assert farthest == [n * STEP_M for n in (5, 4, 3, 3)]


WAYS = st.lists(
    st.tuples(st.text("ABCDEF", min_size=2, max_size=5), st.integers(1, 5_000)),
    min_size=1,
    max_size=5,
)


@given(WAYS)
def test_no_way_is_shorter_than_the_one_that_is_told(ways: list[tuple[str, int]]) -> None:
    network = LineNetwork([line("krl", way, metres) for way, metres in ways])
    far = {
        (one, other): network.metres("krl", one, other) for one in "ABCDEF" for other in "ABCDEF"
    }
    for (one, other), found in far.items():
        assert found == far[other, one]
    steps = {(*step, metres) for way, metres in ways for step in pairwise(way)}
    for one, other, step_m in steps:
        for origin in "ABCDEF":
            before, after = far[origin, one], far[origin, other]
            if before is not None:
                assert after is not None
                assert after <= before + step_m
