"""Networks from GTFS: a small feed, what is wrong with one, and the real one."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from ops.gtfs import FeedDamaged, read_gtfs
from tests.reference import reference

STOPS = """stop_id,stop_name,stop_lat,stop_lon,parent_station
A,Asem,-6.0,106.00,
B1,Bambu,-6.0,106.01,B
B2,Bambu,-6.0,106.01,B
C,Cemara,-6.0,106.02,
"""
ROUTES = "route_id,route_long_name,route_desc\n1,A - B,BRT\n2,B - C,BRT\n9,C - A,Bus Wisata\n"
TRIPS = "route_id,trip_id\n1,T1\n2,T2\n9,T9\n"
TIMES = "trip_id,stop_id,stop_sequence\nT1,B1,10\nT1,A,9\nT2,B2,0\nT2,C,1\nT9,C,0\nT9,A,1\n"
FILES = {
    "stops.txt": STOPS,
    "routes.txt": ROUTES,
    "trips.txt": TRIPS,
    "stop_times.txt": TIMES,
}


@pytest.fixture
def feed(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text("\ufeff" + text, encoding="utf-8")
    return tmp_path


def test_a_feed_is_a_network(feed: Path) -> None:
    network = read_gtfs(feed)
    assert network.services == {"1": "transjakarta_brt", "2": "transjakarta_brt"}
    assert network.stops["B1"].station == "B"
    assert network.metres("transjakarta_brt", "A", "B2") == 1_106
    assert network.metres("transjakarta_brt", "C", "A") == 2 * 1_106


@pytest.mark.parametrize(
    ("name", "right", "wrong", "said"),
    [
        ("stops.txt", "-6.0,106.00", "south,106.00", "stops.txt, line 2: could not convert"),
        ("stops.txt", "-6.0,106.00", "-96.0,106.00", "stops.txt, line 2: -96.0, 106.0 is no place"),
        ("stops.txt", "-6.0,106.00", "nan,106.00", "stops.txt, line 2: nan, 106.0 is no place"),
        ("stops.txt", "stop_lon", "longitude", "stops.txt, line 1, column stop_lon: is missing"),
        ("stops.txt", "Asem", '"Asem', "stops.txt, line 2: unexpected end of data"),
        ("trips.txt", "2,T2", "2", "trips.txt, line 3: "),
        ("trips.txt", "2,T2", "2,T2,x", "trips.txt, line 3: "),
        ("trips.txt", "2,T2", "2,T3", "stop_times.txt, line 4: no trip T2 of a route"),
        ("stop_times.txt", "T2,C,1", "T2,Z,1", "stop_times.txt, line 5: no stop Z"),
        ("stop_times.txt", "T2,C,1", "T2,C,one", "stop_times.txt, line 5: invalid literal"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    feed: Path, name: str, right: str, wrong: str, said: str
) -> None:
    assert right in FILES[name]
    (feed / name).write_text(FILES[name].replace(right, wrong, 1))
    with pytest.raises(FeedDamaged) as caught:
        read_gtfs(feed)
    assert str(caught.value).startswith(said)


def test_a_file_that_is_not_there_or_no_text_is_said(feed: Path) -> None:
    (feed / "trips.txt").write_bytes(b"route_id,trip_id\n\xff\n")
    with pytest.raises(FeedDamaged, match=r"^trips.txt, line 2: no UTF-8 text"):
        read_gtfs(feed)
    (feed / "trips.txt").unlink()
    with pytest.raises(click.ClickException, match=r"trips.txt: No such file"):
        read_gtfs(feed)


def test_the_real_feed_is_read_whole() -> None:
    network = read_gtfs(reference("gtfs"))
    assert (len(network.stops), len(network.services)) == (8_028, 240)
    # Corridor 1, from end to end, is thirteen kilometres.
    assert network.metres("transjakarta_brt", "P00017", "G00061") == 12_985
