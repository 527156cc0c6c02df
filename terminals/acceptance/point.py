"""Where a terminal stands, and what it is set to: given once, or changed by its lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, TypeAlias, get_args

from engine.accounts import is_name
from engine.rules.kinds import Service
from protocol.chip.profile import place_mark
from protocol.limits import SHORT_TEXT_LENGTH_MAX

Kind: TypeAlias = Literal["gate", "bus", "shop", "kiosk"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

SERVICE_NUMBERS: Final[dict[str, int]] = {
    "transjakarta_brt": 1,
    "transjakarta_non_brt": 2,
    "mikrotrans": 3,
    "rusun_bus": 4,
    "royaltrans": 5,
    "mrt": 6,
    "lrt_jakarta": 7,
    "lrt_jabodebek": 8,
    "krl": 9,
}
"""How records of chips call services. A number is never given to another one: cards last long."""

Side: TypeAlias = Literal["in", "out", "both"]
"""What a gate lets pass: those who enter, those who leave; a bus decides by the card."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Where a terminal stands, and whose money it takes.

    Attributes:
      kind: what it is.
      terminal: its name at the node.
      operator: who gives the service; of gates and buses.
      service: that it is of.
      place: station, stop or branch.
      line: of the service.
      side: which way people go through it.
      merchant, merchant_kind: of a shop.
      bank: whose money a kiosk puts on cards.

    Raises:
      ValueError: something that no node takes; all that the terminal does would wait for ever.
    """

    kind: Kind
    terminal: str
    operator: str = ""
    service: Service | None = None
    place: str = ""
    line: str = ""
    side: Side = "both"
    merchant: str = ""
    merchant_kind: str = ""
    bank: str = ""

    def __post_init__(self) -> None:
        for name in ("operator", "merchant", "bank"):
            value: str = getattr(self, name)
            if value and not is_name(value):
                raise ValueError(f"{name}: {value!r} is no name of an account")
        for name in ("place", "line", "merchant_kind"):
            if len(getattr(self, name)) > SHORT_TEXT_LENGTH_MAX:
                raise ValueError(f"{name}: longer than {SHORT_TEXT_LENGTH_MAX} characters")

    @property
    def mark(self) -> bytes:
        """Its place, as records of chips have it."""
        return mark_of(self.service, self.place)


def mark_of(service: str | None, place: str) -> bytes:
    """Return a place of a service as records of chips have it."""
    return place_mark(SERVICE_NUMBERS.get(service or "", 0), place)


class Places:
    """Finds the place that a record of a chip means.

    Args:
      places: services and places that are told apart: those whose fares depend on the place.
    """

    def __init__(self, places: Iterable[tuple[Service, str]]) -> None:
        self._by_mark: dict[bytes, tuple[Service, str]] = {
            mark_of(service, place): (service, place) for service, place in places
        }

    def find(self, mark: bytes) -> tuple[Service, str] | None:
        """Return service and place, an empty place where it is not known; None: no service."""
        found = self._by_mark.get(mark)
        if found is not None:
            return found
        service = _BY_NUMBER.get(mark[0])
        return None if service is None else (service, "")


_BY_NUMBER: Final[dict[int, Service]] = {
    SERVICE_NUMBERS[service]: service for service in get_args(Service)
}


class Setting(StrEnum):
    """What the list `settings` may change, all whole numbers; of a list they are the keys."""

    OFFLINE_S_MAX = "offline_s_max"
    """Seconds without the node after which no money is taken any more."""
    OFFLINE_RP_MAX = "offline_rp_max"
    """Rupiah taken that the node does not know of."""
    PURCHASE_RP_MAX = "purchase_rp_max"
    """Rupiah of one purchase without the node."""
    TOP_UP_OWED_S_MAX = "top_up_owed_s_max"
    """Seconds after which money that never came to its card goes back to the bank."""


USUAL: Final[dict[Setting, int]] = {
    Setting.OFFLINE_S_MAX: 90 * 24 * 3600,
    Setting.OFFLINE_RP_MAX: 1_000_000_000,
    Setting.PURCHASE_RP_MAX: 1_000_000,
    Setting.TOP_UP_OWED_S_MAX: 3600,
}
"""Where nothing is published. No instrument says any of these."""

Published: TypeAlias = Callable[[str], str | None]
"""What a list in use says of a key."""


def setting(name: Setting, published: Published) -> int:
    """Return what a setting is now; what is published and no number from 0 on is passed over."""
    value = published(name.value)
    if value is None or not (value.isascii() and value.isdigit()):
        return USUAL[name]
    return int(value)
