"""Parts of a network are read whole, or what is wrong is told with file, line and field."""

from __future__ import annotations

import pytest

from engine.fares.lines import LineNetwork, Link, Part
from engine.fares.network_file import check_networks, networks_by_file, read_network
from engine.rules.kinds import Service
from engine.rules.reading import RulesInvalid

HEAD = """[network]
id = "{id}"
title = "T"
grade = "D"
source = "these tests"
about_id = "i"
about_en = "e"
"""
LINE = """
[[line]]
service = "{service}"
id = "{id}"
name = "A - C"
stations = [
    {stations},
]
"""
TRANSFER = """
[[transfer]]
places = [["krl", "B"], ["{service}", "{place}"]]
"""
ABC = '["A", 0], ["B", 1_500], ["C", 20_000]'


def head(name: str = "a") -> str:
    """Return the head of a file as it stands there; it has seven lines."""
    return HEAD.format(id=name)


def line(stations: str = ABC, *, name: str = "krl-1", service: str = "krl") -> str:
    """Return a line as it stands in a file."""
    return LINE.format(id=name, service=service, stations=stations)


def transfer(service: str = "mrt", place: str = "M") -> str:
    """Return a transfer from B of the commuter line as it stands in a file."""
    return TRANSFER.format(service=service, place=place)


def faults_of(text: str, file: str = "a.toml") -> list[tuple[int, str, str]]:
    with pytest.raises(RulesInvalid) as caught:
        read_network(text, file)
    assert all(fault.file == file for fault in caught.value.faults)
    return [fault[1:] for fault in caught.value.faults]


def checked(*texts: str, beside: tuple[Part, ...] = ()) -> LineNetwork:
    """Return the network of files that are called a, b, and so on."""
    files = networks_by_file({f"{'abc'[number]}.toml": text for number, text in enumerate(texts)})
    network = LineNetwork([*(file.part for file in files), *beside])
    check_networks(files, network)
    return network


def wrong(*texts: str, beside: tuple[Part, ...] = ()) -> str:
    with pytest.raises(RulesInvalid) as caught:
        checked(*texts, beside=beside)
    return str(caught.value)


def test_a_file_is_a_part_of_a_network() -> None:
    read = read_network(head() + line() + transfer(), "stations/a.toml")
    assert (read.head.id, read.head.grade, read.file) == ("a", "D", "stations/a.toml")
    assert [at for _, at in read.lines] == [9]
    assert [at for _, at in read.transfers] == [17]
    assert read.part == Part(
        lines={"krl-1": "krl"},
        links=(Link("krl", "A", "B", 1_500), Link("krl", "B", "C", 20_000)),
        transfers=((("krl", "B"), ("mrt", "M")),),
        only_there=True,
    )


def test_one_may_change_only_where_a_file_says_so() -> None:
    mrt = line('["M", 0], ["N", 900]', name="mrt", service="mrt")
    network = checked(head() + line() + transfer(), head("b") + mrt)
    assert network.metres("krl", "A", "C") == 21_500
    assert network.may_change("mrt", "M", "krl", "B") is True
    assert network.may_change("mrt", "N", "krl", "B") is False
    assert network.may_change("mrt", "M", "lrt_jakarta", "Velodrome") is None


@pytest.mark.parametrize(
    ("text", "at", "what"),
    [
        (line().replace("1_500", "-1"), 13, "stations[1][1]: expected `int` >= 0"),
        (line().replace("1_500", "1.5"), 13, "stations[1][1]: expected `int`, got `float`"),
        (line().replace("1_500", "100_001"), 13, "stations[1][1]: expected `int` <= 100000"),
        (line().replace('"B"', '""'), 13, "stations[1][0]: expected `str` of length >= 1"),
        (line().replace(", 20_000]", "]"), 13, "stations[2]: expected `array` of length 2, got 1"),
        (line('["A", 0]'), 13, "stations: expected `array` of length >= 2"),
        (line().replace('"krl"', '"tram"'), 10, "service: invalid enum value 'tram'"),
        (line().replace("name =", "called ="), 12, "called: there is no such field"),
        (line('["A", 5], ["B", 1]'), 9, "stations: A is the first, and 5 m from none"),
        (line('["A", 0], ["B", 0]'), 9, "stations: B is 0 m from the one before"),
        (line('["A", 0], ["B", 1], ["B", 2]'), 9, "stations: B stands there twice"),
        (line('["A", 0], ["A", 1], ["B", 2]'), 9, "stations: A stands there twice"),
    ],
)
def test_what_is_wrong_with_a_line_is_told(text: str, at: int, what: str) -> None:
    ((found, name, told),) = faults_of(head() + text + line(name="krl-2"))
    assert (found, name) == (at, "krl-1")
    assert told.startswith(what)


def test_a_line_may_end_where_it_begins() -> None:
    network = checked(head() + line('["A", 0], ["B", 1], ["C", 1], ["A", 5]'))
    assert network.metres("krl", "A", "C") == 2


@pytest.mark.parametrize(
    ("text", "at", "what"),
    [
        (transfer("tram"), 10, "places[1][0]: invalid enum value 'tram'"),
        (transfer("krl", "B"), 9, "places: both are B of krl"),
        ('\n[[transfer]]\nplaces = [["krl", "B"]]\n', 10, "places: expected `array` of length 2"),
        ("\n[[transfer]]\n", 9, "object missing required field `places`"),
    ],
)
def test_what_is_wrong_with_a_transfer_is_told(text: str, at: int, what: str) -> None:
    ((found, name, told),) = faults_of(head() + text + line())
    assert (found, name) == (at, "transfer 1")
    assert told.startswith(what)


@pytest.mark.parametrize(
    ("text", "line_of_it", "what"),
    [
        ("x", 1, "no TOML: expected '='"),
        ("", 1, "object missing required field `id`"),
        (head(), 1, "there is no table [[line]], nor [[transfer]]"),
        (head() + "[line]\nid = 1\n", 8, "there is no table [[line]]"),
        (head() + "[[lines]]\n" + line(), 8, "no table [lines] is known"),
        (head("b") + line(), 2, "id: b is to be in b.toml"),
        (head().replace('"D"', '"E"') + line(), 4, "grade: invalid enum value 'E'"),
        (head().replace("source", "from") + line(), 5, "from: there is no such field"),
    ],
)
def test_what_is_no_network_is_said(text: str, line_of_it: int, what: str) -> None:
    told = faults_of(text)
    assert any(at == line_of_it and found.startswith(what) for at, _, found in told), told


def test_faults_of_all_files_are_told_in_their_order() -> None:
    with pytest.raises(RulesInvalid) as caught:
        networks_by_file({"b.toml": "x", "a.toml": "y", "c.toml": head("c") + line()})
    assert [fault.file for fault in caught.value.faults] == ["a.toml", "b.toml"]


# --- together -----------------------------------------------------------------------------------


def test_lines_of_several_files_are_one_network() -> None:
    branch = line('["C", 0], ["B", 20_000], ["Z", 300]', name="krl-2")
    network = checked(head() + line(), head("b") + branch)
    assert network.metres("krl", "A", "Z") == 1_800
    assert network.services == {"krl-1": "krl", "krl-2": "krl"}


def test_what_is_in_two_files_is_told() -> None:
    files = networks_by_file({"a.toml": head() + line(), "b/a.toml": head() + line(name="krl-2")})
    with pytest.raises(RulesInvalid, match=r"^b/a.toml:1: the network a is in a.toml as well$"):
        check_networks(files, LineNetwork([]))
    same = wrong(head() + line(), head("b") + line())
    assert same == "b.toml:9: krl-1: id: there is such a line at a.toml:9"


def test_two_distances_of_the_same_stations_are_told() -> None:
    other = line('["C", 0], ["B", 19_999]', name="krl-2")
    assert wrong(head() + line(), head("b") + other) == (
        "b.toml:9: krl-2: stations: C - B is 19999 m, 20000 m at a.toml:9"
    )
    mrt = line(ABC.replace("1_500", "9"), name="mrt", service="mrt")
    checked(head() + line(), head("b") + mrt)


def test_a_transfer_to_no_station_of_a_known_service_is_told() -> None:
    mrt = line('["M", 0], ["N", 900]', name="mrt", service="mrt")
    assert wrong(head() + line() + transfer(), head("b") + mrt + transfer(place="O")) == (
        "b.toml:17: transfer 1: places: no line of mrt comes to O"
    )
    # Of buses nothing is known here; what is joined with it may know them.
    bus: Service = "transjakarta_brt"
    text = head() + line() + transfer(bus, "B1")
    checked(text)
    stops = Part(lines={"1": bus}, links=(Link(bus, "B1", "B2", 500),))
    assert checked(text, beside=(stops,)).may_change(bus, "B1", "krl", "B") is True
    elsewhere = Part(lines={"1": bus}, links=(Link(bus, "B2", "B3", 500),))
    assert wrong(text, beside=(elsewhere,)) == (
        "a.toml:17: transfer 1: places: no line of transjakarta_brt comes to B1"
    )
