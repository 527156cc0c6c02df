"""A network of lines: stops that follow each other, and how far apart they are.

Distances are along the lines of one service, the shortest way, in either direction. Platforms of a
station are one place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heappop, heappush
from math import asin, cos, radians, sin, sqrt
from typing import Final

from msgspec import Struct

from engine.rules.kinds import Service

EARTH_M: Final = 6_371_009
"""Mean radius (IUGG); the ellipsoid would differ by three metres in a kilometre."""

REMEMBERED_MAX: Final = 1_000
"""Places from which all distances are kept; those of a busy hour are a few hundred."""


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


class LineNetwork:
    """Stops and lines; a `Network` of fares.

    Args:
      stops: all of them.
      lines: all of them, each way of a line that has different stops by itself.

    Raises:
      KeyError: a line comes to a stop that is not there.
    """

    def __init__(self, stops: Iterable[Stop], lines: Iterable[Line]) -> None:
        self.stops: Mapping[str, Stop] = {stop.id: stop for stop in stops}
        self.services: dict[str, Service] = {}
        self._next: dict[Service, dict[str, dict[str, int]]] = {}
        self._from: dict[tuple[Service, str], dict[str, int]] = {}
        for line in lines:
            self.services[line.id] = line.service
            for one, other in zip(line.stops, line.stops[1:], strict=False):
                self._join(line.service, self.stops[one], self.stops[other])

    def _join(self, service: Service, one: Stop, other: Stop) -> None:
        metres = metres_between(one, other)
        beside = self._next.setdefault(service, {})
        for origin, to in ((one.station, other.station), (other.station, one.station)):
            near = beside.setdefault(origin, {})
            near[to] = min(metres, near.get(to, metres))

    def metres(self, service: Service, origin: str, destination: str) -> int | None:
        """Return the distance along the lines of a service, or None where there is no way."""
        end = self.stops.get(destination)
        known = self._known_from(service, origin)
        return None if known is None or end is None else known.get(end.station)

    def farthest(self, service: Service, place: str) -> int | None:
        """Return the longest distance from a place along lines, or None where none comes there."""
        known = self._known_from(service, place)
        return None if known is None else max(known.values())

    def _known_from(self, service: Service, place: str) -> dict[str, int] | None:
        begin = self.stops.get(place)
        if begin is None or begin.station not in self._next.get(service, {}):
            return None
        known = self._from.get((service, begin.station))
        if known is None:
            if len(self._from) >= REMEMBERED_MAX:
                del self._from[next(iter(self._from))]
            known = self._from[service, begin.station] = self._all_from(service, begin.station)
        return known

    def _all_from(self, service: Service, origin: str) -> dict[str, int]:
        beside = self._next[service]
        found: dict[str, int] = {}
        waiting = [(0, origin)]
        while waiting:
            metres, station = heappop(waiting)
            if station in found:
                continue
            found[station] = metres
            for other, step in beside[station].items():
                if other not in found:
                    heappush(waiting, (metres + step, other))
        return found


def metres_between(one: Stop, other: Stop) -> int:
    """Return the distance of two stops as the crow flies (haversine), in whole metres."""
    lat_one, lat_other = radians(one.lat), radians(other.lat)
    half_lat, half_lon = (lat_other - lat_one) / 2, radians(other.lon - one.lon) / 2
    root = sin(half_lat) ** 2 + cos(lat_one) * cos(lat_other) * sin(half_lon) ** 2
    return round(2 * EARTH_M * asin(sqrt(min(1.0, root))))
