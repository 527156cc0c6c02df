"""Lines of stops that are known by where they are, not by how far apart they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise, product
from math import asin, cos, radians, sin, sqrt
from typing import Final

from msgspec import Struct

from engine.fares.lines import Link, Part, Transfer
from engine.rules.kinds import Service

EARTH_M: Final = 6_371_009
"""Mean radius (IUGG); the ellipsoid would differ by three metres in a kilometre."""


class Stop(Struct, frozen=True):
    """A place where people get on and off.

    Attributes:
      station: of which it is a platform; its own id where it is none.
      lat, lon: degrees (WGS 84).
    """

    id: str
    name: str
    station: str
    lat: float
    lon: float


class Line(Struct, frozen=True):
    """A line of a service, and the stops that a vehicle on it comes to, in order."""

    id: str
    name: str
    service: Service
    stops: tuple[str, ...]


def measured(
    stops: Iterable[Stop], lines: Iterable[Line], transfers: Iterable[tuple[str, str]] = ()
) -> Part:
    """Return the part of a network that lines make, as the crow flies from stop to stop.

    Args:
      stops: all of them.
      lines: all of them, each way of a line that has different stops by itself.
      transfers: stops between which one may change, from any service to any; one may change
        elsewhere too.

    Raises:
      KeyError: a line comes to a stop that is not there, or a transfer does.
    """
    known = {stop.id: stop for stop in stops}
    links: dict[tuple[Service, str, str], Link] = {}
    services: dict[str, Service] = {}
    for line in lines:
        services[line.id] = line.service
        for one, other in pairwise(line.stops):
            if (line.service, one, other) not in links:
                metres = metres_between(known[one], known[other])
                links[line.service, one, other] = Link(line.service, one, other, metres)
    stations = {stop.id: stop.station for stop in known.values()}
    return Part(
        lines=services,
        links=tuple(links.values()),
        stations=stations,
        transfers=tuple(_of_services(transfers, links.values(), stations)),
    )


def _of_services(
    transfers: Iterable[tuple[str, str]], links: Iterable[Link], stations: Mapping[str, str]
) -> Iterator[Transfer]:
    coming: dict[str, dict[Service, None]] = {}
    for link in links:
        for stop in (link.one, link.other):
            coming.setdefault(stations[stop], {})[link.service] = None
    for one, other in transfers:
        ends = coming.get(stations[one], {}), coming.get(stations[other], {})
        for service, other_service in product(*ends):
            yield (service, one), (other_service, other)


def metres_between(one: Stop, other: Stop) -> int:
    """Return the distance of two stops as the crow flies (haversine), in whole metres."""
    lat_one, lat_other = radians(one.lat), radians(other.lat)
    half_lat, half_lon = (lat_other - lat_one) / 2, radians(other.lon - one.lon) / 2
    root = sin(half_lat) ** 2 + cos(lat_one) * cos(lat_other) * sin(half_lon) ** 2
    return round(2 * EARTH_M * asin(sqrt(min(1.0, root))))
