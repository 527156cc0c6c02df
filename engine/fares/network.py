"""What fares have to know of the network: how far it is, and where one may change."""

from __future__ import annotations

from typing import Protocol

from engine.rules.kinds import Service


class Network(Protocol):
    """The stations of a city."""

    def knows(self, service: Service, place: str, /) -> bool:
        """Tell whether a line of the service comes to a place."""
        ...

    def metres(self, service: Service, origin: str, destination: str, /) -> int | None:
        """Return the distance along the lines of a service, or None where a place is unknown.

        A station is no metre away from itself.
        """
        ...

    def farthest(self, service: Service, place: str, /) -> int | None:
        """Return the longest distance from a place, or None where it is unknown."""
        ...

    def may_change(
        self, service: Service, place: str, other_service: Service, other_place: str, /
    ) -> bool | None:
        """Tell whether one may change from one service to another there; None: it is not known."""
        ...
