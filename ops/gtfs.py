"""Reading a network from GTFS (gtfs.org, Schedule reference): stops, routes, trips, stop times.

Two stops that follow each other are as far apart as the crow flies: a bus drives some more, so a
fare by distance is rather too low than too high.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Final

import click

from engine.fares.lines import Line, LineNetwork, Stop
from engine.rules.kinds import Service
from ops.csv_table import Fault, read_table

SERVICES: Final[Mapping[str, Service]] = {
    "BRT": "transjakarta_brt",
    "Angkutan Umum Integrasi": "transjakarta_non_brt",
    "Rusun": "rusun_bus",
    "Transjabodetabek": "transjakarta_non_brt",
    "Mikrotrans": "mikrotrans",
    "Royaltrans": "royaltrans",
}
"""Services by `route_desc`, as Transjakarta's feed has it; routes of other kinds are left out."""

LAT_MAX: Final = 90.0
LON_MAX: Final = 180.0


class FeedDamaged(click.ClickException):
    """A feed cannot be read; the message names the file and the line."""


def read_gtfs(folder: Path) -> LineNetwork:
    """Return the network of a feed.

    Args:
      folder: with stops.txt, routes.txt, trips.txt and stop_times.txt.

    Raises:
      click.ClickException: a file is missing, or a line in it cannot be used.
    """
    stops = {stop.id: stop for stop in _stops(folder)}
    routes = {line["route_id"]: line for _, line in _rows(folder, "routes.txt")}
    trips = {line["trip_id"]: line["route_id"] for _, line in _rows(folder, "trips.txt")}
    return LineNetwork(stops.values(), _lines(folder, stops, routes, trips))


def _stops(folder: Path) -> Iterator[Stop]:
    for number, line in _rows(folder, "stops.txt"):
        try:
            lat, lon = float(line["stop_lat"]), float(line["stop_lon"])
        except ValueError as error:
            raise FeedDamaged(f"stops.txt, line {number}: {error}") from None
        if not (abs(lat) <= LAT_MAX and abs(lon) <= LON_MAX):
            raise FeedDamaged(f"stops.txt, line {number}: {lat}, {lon} is no place on earth")
        name = line["stop_id"]
        yield Stop(name, line["stop_name"], line["parent_station"] or name, lat, lon)


def _lines(
    folder: Path,
    stops: Mapping[str, Stop],
    routes: Mapping[str, Mapping[str, str]],
    trips: Mapping[str, str],
) -> Iterator[Line]:
    times = [(line["trip_id"], number, line) for number, line in _rows(folder, "stop_times.txt")]
    times.sort(key=lambda time: (time[0], _sequence(time[1], time[2])))
    for trip, calls in groupby(times, key=lambda time: time[0]):
        found = list(calls)
        route = routes.get(trips.get(trip, ""))
        if route is None:
            raise FeedDamaged(f"stop_times.txt, line {found[0][1]}: no trip {trip} of a route")
        for _, number, line in found:
            if line["stop_id"] not in stops:
                raise FeedDamaged(f"stop_times.txt, line {number}: no stop {line['stop_id']}")
        service = SERVICES.get(route["route_desc"])
        if service is not None:
            called = tuple(line["stop_id"] for _, _, line in found)
            yield Line(route["route_id"], route["route_long_name"], service, called)


def _sequence(number: int, line: Mapping[str, str]) -> int:
    try:
        return int(line["stop_sequence"])
    except ValueError as error:
        raise FeedDamaged(f"stop_times.txt, line {number}: {error}") from None


_COLUMNS: Final = {
    "stops.txt": ("stop_id", "stop_name", "stop_lat", "stop_lon"),
    "routes.txt": ("route_id", "route_long_name", "route_desc"),
    "trips.txt": ("route_id", "trip_id"),
    "stop_times.txt": ("trip_id", "stop_id", "stop_sequence"),
}
ROWS_MAX: Final = 5_000_000
"""The feeds of whole countries have so many stop times."""


def _rows(folder: Path, name: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of a file and the lines on which they begin."""
    optional = ("parent_station",) if name == "stops.txt" else ()
    for found in read_table(
        folder / name, required=_COLUMNS[name], optional=optional, rows_max=ROWS_MAX, others=True
    ):
        if isinstance(found, Fault):
            raise FeedDamaged(f"{name}, {found}")
        yield found.line, found.values
