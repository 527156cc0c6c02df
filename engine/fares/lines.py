"""A network of lines: places that follow each other, how far apart they are, where one may change.

Distances are along the lines of one service, the shortest way, in either direction. A network is
joined from parts: what several sources tell, each of some services.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from heapq import heappop, heappush
from typing import Final, TypeAlias, TypeVar

from msgspec import Struct, field

from engine.rules.kinds import Service

WAYS_REMEMBERED_MAX: Final = 100_000
"""Pairs of stations whose distance is kept; most people go the same way each day."""

PLACES_REMEMBERED_MAX: Final = 10_000
"""Places whose longest distance is kept: more than a city has."""

K = TypeVar("K")
V = TypeVar("V")

Place: TypeAlias = tuple[Service, str]
"""A place of a service, as taps name it: the name may be that of another place elsewhere."""

Transfer: TypeAlias = tuple[Place, Place]
"""Two places between which one may change, in either direction."""


class Link(Struct, frozen=True):
    """Two places of a service that follow each other on a line."""

    service: Service
    one: str
    other: str
    metres: int


class Part(Struct, frozen=True, kw_only=True):
    """What one source tells of a network.

    Attributes:
      lines: the services of lines, by the ids of the lines.
      links: of all lines.
      stations: the station that a place is a platform of, by the ids of the place and the station,
        for all services that come to it. Ids of stations are the same station in all parts. A place
        that is not here is a station by itself, of its service alone.
      transfers: between which places one may change; a station is one place already.
      only_there: whether one may change nowhere else between the services of `transfers`.
    """

    lines: Mapping[str, Service]
    links: tuple[Link, ...]
    stations: Mapping[str, str] = field(default_factory=dict)
    transfers: tuple[Transfer, ...] = ()
    only_there: bool = False


_Station: TypeAlias = tuple[str, str]
"""A service and the place that is a station of it alone; or the empty text and an id."""


class LineNetwork:
    """Stations and lines; a `Network` of fares.

    Args:
      parts: of which it is made, in any order.

    Attributes:
      services: of lines, by the ids of the lines.
    """

    def __init__(self, parts: Iterable[Part]) -> None:
        self.services: dict[str, Service] = {}
        self._stations: dict[Place, _Station] = {}
        self._next: dict[Service, dict[_Station, dict[_Station, int]]] = {}
        self._ways: dict[tuple[Service, _Station, _Station], int | None] = {}
        self._farthest: dict[tuple[Service, _Station], int] = {}
        self._transfers: set[tuple[Service, _Station, Service, _Station]] = set()
        self._told: set[Service] = set()
        joined = list(parts)
        # First all stations: what is one place must not depend on the order of the parts.
        for part in joined:
            self.services |= part.lines
            self._name_stations(part)
        for part in joined:
            for link in part.links:
                self._join(link)
            for transfer in part.transfers:
                self._allow(transfer, only_there=part.only_there)

    def _name_stations(self, part: Part) -> None:
        platforms: dict[str, list[str]] = {}
        for place, station in part.stations.items():
            platforms.setdefault(station, []).append(place)
        ends: set[Place] = {
            (link.service, end) for link in part.links for end in (link.one, link.other)
        }
        for service, end in ends:
            station = part.stations.get(end, "")
            for place in platforms.get(station, ()):
                self._stations[service, place] = ("", station)

    def _join(self, link: Link) -> None:
        one, other = self._station(link.service, link.one), self._station(link.service, link.other)
        beside = self._next.setdefault(link.service, {})
        for origin, to in ((one, other), (other, one)):
            near = beside.setdefault(origin, {})
            near[to] = min(link.metres, near.get(to, link.metres))

    def _allow(self, transfer: Transfer, *, only_there: bool) -> None:
        (service, place), (other_service, other_place) = transfer
        one, other = self._station(service, place), self._station(other_service, other_place)
        self._transfers |= {
            (service, one, other_service, other),
            (other_service, other, service, one),
        }
        if only_there:
            self._told |= {service, other_service}

    def _station(self, service: Service, place: str) -> _Station:
        return self._stations.get((service, place), (service, place))

    def serves(self, service: Service) -> bool:
        """Tell whether any line of a service is known."""
        return service in self._next

    def knows(self, service: Service, place: str) -> bool:
        """Tell whether a line of the service comes to a place."""
        return self._station(service, place) in self._next.get(service, {})

    def places(self) -> Iterator[Place]:
        """Walk all places that it knows, each with its service; a station by its platforms."""
        yield from self._stations
        for service, beside in self._next.items():
            for owner, name in beside:
                if owner == service:
                    yield service, name

    def metres(self, service: Service, origin: str, destination: str) -> int | None:
        """Return the distance along the lines of a service, or None where there is no way."""
        if not (self.knows(service, origin) and self.knows(service, destination)):
            return None
        ends = self._station(service, origin), self._station(service, destination)
        way = (service, *ends)
        if way not in self._ways:
            _make_room(self._ways, WAYS_REMEMBERED_MAX)
            self._ways[way] = self._all_from(service, *ends).get(ends[1])
        return self._ways[way]

    def farthest(self, service: Service, place: str) -> int | None:
        """Return the longest distance from a place along lines, or None where none comes there."""
        if not self.knows(service, place):
            return None
        begin = service, self._station(service, place)
        if begin not in self._farthest:
            _make_room(self._farthest, PLACES_REMEMBERED_MAX)
            self._farthest[begin] = max(self._all_from(*begin).values())
        return self._farthest[begin]

    def may_change(
        self, service: Service, place: str, other_service: Service, other_place: str
    ) -> bool | None:
        """Tell whether one may change from one service to another between two places.

        It is so if they are the same station, or a transfer names both. It is not known where no
        part tells all transfers of one of the services.
        """
        one, other = self._station(service, place), self._station(other_service, other_place)
        if one == other or (service, one, other_service, other) in self._transfers:
            return True
        return False if {service, other_service} <= self._told else None

    def _all_from(
        self, service: Service, origin: _Station, until: _Station | None = None
    ) -> dict[_Station, int]:
        """Return the distances from a station, up to that of another one (Dijkstra)."""
        beside = self._next[service]
        found: dict[_Station, int] = {}
        waiting = [(0, origin)]
        while waiting and until not in found:
            metres, station = heappop(waiting)
            if station in found:
                continue
            found[station] = metres
            for other, step in beside[station].items():
                if other not in found:
                    heappush(waiting, (metres + step, other))
        return found


def _make_room(remembered: dict[K, V], count_max: int) -> None:
    if len(remembered) >= count_max:
        del remembered[next(iter(remembered))]
