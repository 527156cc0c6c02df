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

from engine.fares.lines import Part
from engine.fares.stops import Line, Stop, measured
from engine.rules.kinds import Service
from engine.rules.reading import Fault, RulesInvalid
from ops import csv_table

SERVICES: Final[Mapping[str, Service]] = {
    "BRT": "transjakarta_brt",
    "Angkutan Umum Integrasi": "transjakarta_non_brt",
    "Rusun": "rusun_bus",
    "Transjabodetabek": "transjakarta_non_brt",
    "Mikrotrans": "mikrotrans",
    "Royaltrans": "royaltrans",
}
"""Services by `route_desc`, as Transjakarta's feed has it; routes of other kinds are left out."""

TRANSFERS: Final = "transfers.txt"
NO_TRANSFERS: Final = ("3", "4", "5")
"""Types of transfers: one cannot change there; one stays, or may not stay, in the vehicle."""

LAT_MAX: Final = 90.0
LON_MAX: Final = 180.0


def is_gtfs(path: Path) -> bool:
    """Tell whether a path is the folder of a feed, or of what shall be one."""
    return any((path / name).exists() for name in _COLUMNS)


def read_gtfs(folder: Path) -> Part:
    """Return what a feed tells of a network.

    Its transfers are places where one may change; a feed does not say that one may not elsewhere.

    Args:
      folder: with stops.txt, routes.txt, trips.txt and stop_times.txt; transfers.txt need not be.

    Raises:
      RulesInvalid: a file is missing, or a line in it cannot be used.
    """
    stops = {stop.id: stop for stop in _stops(folder)}
    routes = {line["route_id"]: line for _, line in _rows(folder, "routes.txt")}
    trips = {line["trip_id"]: line["route_id"] for _, line in _rows(folder, "trips.txt")}
    lines = _lines(folder, stops, routes, trips)
    return measured(stops.values(), lines, _transfers(folder, stops))


def _stops(folder: Path) -> Iterator[Stop]:
    for number, line in _rows(folder, "stops.txt"):
        try:
            lat, lon = float(line["stop_lat"]), float(line["stop_lon"])
        except ValueError as error:
            raise _damaged(folder / "stops.txt", number, str(error)) from None
        if not (abs(lat) <= LAT_MAX and abs(lon) <= LON_MAX):
            raise _damaged(folder / "stops.txt", number, f"{lat}, {lon} is no place on earth")
        name = line["stop_id"]
        yield Stop(name, line["stop_name"], line["parent_station"] or name, lat, lon)


def _lines(
    folder: Path,
    stops: Mapping[str, Stop],
    routes: Mapping[str, Mapping[str, str]],
    trips: Mapping[str, str],
) -> Iterator[Line]:
    times = [(line["trip_id"], number, line) for number, line in _rows(folder, "stop_times.txt")]
    times.sort(key=lambda time: (time[0], _sequence(folder, time[1], time[2])))
    for trip, calls in groupby(times, key=lambda time: time[0]):
        found = list(calls)
        route = routes.get(trips.get(trip, ""))
        if route is None:
            raise _damaged(folder / "stop_times.txt", found[0][1], f"no trip {trip} of a route")
        for _, number, line in found:
            if line["stop_id"] not in stops:
                raise _damaged(folder / "stop_times.txt", number, f"no stop {line['stop_id']}")
        service = SERVICES.get(route["route_desc"])
        if service is not None:
            called = tuple(line["stop_id"] for _, _, line in found)
            yield Line(route["route_id"], route["route_long_name"], service, called)


def _transfers(folder: Path, stops: Mapping[str, Stop]) -> Iterator[tuple[str, str]]:
    if not (folder / TRANSFERS).exists():
        return
    for number, line in _rows(folder, TRANSFERS):
        if line["transfer_type"] in NO_TRANSFERS:
            continue
        for column in ("from_stop_id", "to_stop_id"):
            if line[column] not in stops:
                raise _damaged(folder / TRANSFERS, number, f"no stop {line[column]}")
        yield line["from_stop_id"], line["to_stop_id"]


def _sequence(folder: Path, number: int, line: Mapping[str, str]) -> int:
    try:
        return int(line["stop_sequence"])
    except ValueError as error:
        raise _damaged(folder / "stop_times.txt", number, str(error)) from None


_COLUMNS: Final = {
    "stops.txt": ("stop_id", "stop_name", "stop_lat", "stop_lon"),
    "routes.txt": ("route_id", "route_long_name", "route_desc"),
    "trips.txt": ("route_id", "trip_id"),
    "stop_times.txt": ("trip_id", "stop_id", "stop_sequence"),
    TRANSFERS: ("from_stop_id", "to_stop_id", "transfer_type"),
}
ROWS_MAX: Final = 5_000_000
"""The feeds of whole countries have so many stop times."""


def _rows(folder: Path, name: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of a file and the lines on which they begin."""
    path = folder / name
    try:
        for found in csv_table.read_table(
            path,
            required=_COLUMNS[name],
            optional=("parent_station",) if name == "stops.txt" else (),
            rows_max=ROWS_MAX,
            others=True,
            rows_min=0 if name == TRANSFERS else 1,
        ):
            if isinstance(found, csv_table.Fault):
                what = f"column {found.column}: {found.reason}" if found.column else found.reason
                raise _damaged(path, found.line, what)
            yield found.line, found.values
    except click.ClickException as error:
        raise _damaged(path, 1, error.message.removeprefix(f"{path}: ")) from error


def _damaged(path: Path, line: int, what: str) -> RulesInvalid:
    return RulesInvalid([Fault(str(path), line, "", what)])
