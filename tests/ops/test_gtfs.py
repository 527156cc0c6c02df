"""Networks from GTFS: a small feed, what is wrong with one, and the real one."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from engine.fares.lines import LineNetwork
from engine.rules.kinds import Service
from engine.rules.reading import RulesInvalid
from ops.gtfs import is_gtfs, read_gtfs
from tests.reference import reference

BRT: Final[Service] = "transjakarta_brt"
STOPS = """stop_id,stop_name,stop_lat,stop_lon,parent_station
A,Asem,-6.0,106.00,
B1,Bambu,-6.0,106.01,B
B2,Bambu,-6.0,106.01,B
C,Cemara,-6.0,106.02,
"""
ROUTES = "route_id,route_long_name,route_desc\n1,A - B,BRT\n2,B - C,BRT\n9,C - A,Bus Wisata\n"
TRIPS = "route_id,trip_id\n1,T1\n2,T2\n9,T9\n"
TRANSFERS = "from_stop_id,to_stop_id,transfer_type,min_transfer_time\nA,C,0,\nB1,C,3,\n,,5,\n"
TIMES = "trip_id,stop_id,stop_sequence\nT1,B1,10\nT1,A,9\nT2,B2,0\nT2,C,1\nT9,C,0\nT9,A,1\n"
FILES = {
    "stops.txt": STOPS,
    "routes.txt": ROUTES,
    "trips.txt": TRIPS,
    "stop_times.txt": TIMES,
    "transfers.txt": TRANSFERS,
}


@pytest.fixture
def feed(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text("\ufeff" + text, encoding="utf-8")
    return tmp_path


def test_a_feed_is_a_network(feed: Path) -> None:
    assert is_gtfs(feed)
    network = LineNetwork([read_gtfs(feed)])
    assert network.services == {"1": "transjakarta_brt", "2": "transjakarta_brt"}
    assert network.may_change("transjakarta_brt", "B1", "transjakarta_brt", "B2") is True
    assert network.metres("transjakarta_brt", "A", "B2") == 1_106
    assert network.metres("transjakarta_brt", "C", "A") == 2 * 1_106


@pytest.mark.parametrize(
    ("name", "right", "wrong", "said"),
    [
        ("stops.txt", "-6.0,106.00", "south,106.00", "stops.txt:2: could not convert"),
        ("stops.txt", "-6.0,106.00", "-96.0,106.00", "stops.txt:2: -96.0, 106.0 is no place"),
        ("stops.txt", "-6.0,106.00", "nan,106.00", "stops.txt:2: nan, 106.0 is no place"),
        ("stops.txt", "stop_lon", "longitude", "stops.txt:1: column stop_lon: is missing"),
        ("stops.txt", "Asem", '"Asem', "stops.txt:2: unexpected end of data"),
        ("trips.txt", "2,T2", "2", "trips.txt:3: "),
        ("trips.txt", "2,T2", "2,T2,x", "trips.txt:3: "),
        ("trips.txt", "2,T2", "2,T3", "stop_times.txt:4: no trip T2 of a route"),
        ("stop_times.txt", "T2,C,1", "T2,Z,1", "stop_times.txt:5: no stop Z"),
        ("stop_times.txt", "T2,C,1", "T2,C,one", "stop_times.txt:5: invalid literal"),
        ("transfers.txt", "A,C,0", "A,Z,2", "transfers.txt:2: no stop Z"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    feed: Path, name: str, right: str, wrong: str, said: str
) -> None:
    assert right in FILES[name]
    (feed / name).write_text(FILES[name].replace(right, wrong, 1))
    with pytest.raises(RulesInvalid) as caught:
        read_gtfs(feed)
    assert str(caught.value).startswith(f"{feed}/{said}")


def test_a_file_that_is_not_there_or_no_text_is_said(feed: Path) -> None:
    (feed / "trips.txt").write_bytes(b"route_id,trip_id\n\xff\n")
    with pytest.raises(RulesInvalid, match=r"/trips.txt:2: no UTF-8 text"):
        read_gtfs(feed)
    (feed / "trips.txt").unlink()
    with pytest.raises(RulesInvalid, match=r"/trips.txt:1: No such file"):
        read_gtfs(feed)


def test_transfers_of_a_feed_allow_and_do_not_forbid(feed: Path) -> None:
    network = LineNetwork([read_gtfs(feed)])
    assert network.may_change(BRT, "C", BRT, "A") is True
    assert network.may_change(BRT, "B1", BRT, "C") is None


@pytest.mark.parametrize("text", ["from_stop_id,to_stop_id,transfer_type\n", None])
def test_a_feed_needs_no_transfers(feed: Path, text: str | None) -> None:
    (feed / "transfers.txt").unlink()
    if text is not None:
        (feed / "transfers.txt").write_text(text)
    assert read_gtfs(feed).transfers == ()


def test_the_real_feed_is_read_whole() -> None:
    part = read_gtfs(reference("gtfs"))
    assert (len(part.stations), len(part.lines)) == (8_028, 240)
    network = LineNetwork([part])
    # Corridor 1, from end to end, is thirteen kilometres.
    assert network.metres("transjakarta_brt", "P00017", "G00061") == 12_985
    # Platforms of Matraman and Flyover Pramuka.
    assert network.may_change(BRT, "G00216", BRT, "G00197") is True
