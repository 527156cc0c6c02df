"""Whether a card may begin a ride: the same at a gate, which sees its chip, and at a node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from engine.calendar import day_of
from engine.card import Granted
from engine.errors import Reason
from engine.fares.state import Alighting, Boarding, SeenTap
from engine.fares.tariff import Tariff, Tariffs

Cited: TypeAlias = tuple[Reason, str]
"""A reason, and the version of the rule behind it."""


def is_twice(last: Boarding | Alighting, tap: SeenTap, tariffs: Tariffs) -> bool:
    """Tell whether a tap is the one before it, held to the reader once more."""
    if last.service != tap.service or last.place != tap.place:
        return False
    rule = tariffs.at(last.at_ms).journeys.get(tap.service)
    return rule is not None and 0 <= tap.at_ms - last.at_ms < rule.double_tap_s * 1000


def open_ride_refusal(inside: Boarding, tap: SeenTap, tariffs: Tariffs) -> Cited | None:
    """Tell why a ride that is open keeps a card from beginning another one, or None.

    A tap that is older than the ride, or the same once more, begins none.
    """
    rule = tariffs.at(inside.at_ms).journeys.get(inside.service)
    since_s = (tap.at_ms - inside.at_ms) / 1000
    if rule is None or since_s < 0 or is_twice(inside, tap, tariffs):
        return None
    same = (inside.service, inside.place) == (tap.service, tap.place)
    if same and since_s < rule.passback_s:
        return Reason.PASSBACK, rule.version
    if rule.missing_out == "refuse":
        return Reason.JOURNEY_OPEN, rule.version
    return None


def floor_refusal(
    tap: SeenTap, tariff: Tariff, grants: Sequence[Granted], balance_rp: Callable[[], int]
) -> Cited | None:
    """Tell why there is not enough on a card to begin a ride, or None.

    Args:
      tap: that begins it.
      tariff: of its day.
      grants: those who ride free need nothing.
      balance_rp: tells what is on the card, and free; asked only where it matters.
    """
    rule = tariff.journeys.get(tap.service)
    if rule is None:
        return None
    if grants and tariff.is_free(tap.service, grants, day_of(tap.at_ms)):
        return None
    return (Reason.BELOW_FLOOR, rule.version) if balance_rp() < rule.balance_min_rp else None
