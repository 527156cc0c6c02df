"""What a terminal decides by itself, on the chip, its lists and the law.

It prices a ride as the node does, with the same rules (engine.fares), but knows less: of all taps
of a card only the last one, which the chip tells. Where several rides are paid together, the node
finds the difference and the card is owed it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from engine.calendar import day_of
from engine.card import Granted
from engine.fares.boarding import floor_refusal, is_twice, open_ride_refusal
from engine.fares.rating import rate
from engine.fares.ride import NoFare
from engine.fares.state import NOT_RATED, Alighting, Boarding, Rating, SeenTap
from engine.fares.tariff import Tariff, Tariffs
from protocol.chip.errors import Malformed
from protocol.chip.profile import CardFace, Record, Use
from terminals.acceptance.point import Places, Point, Published
from terminals.acceptance.refusal import Refusal, Refused

_HOLDER: Final = "card"
"""Grants name a holder; a chip has one, and the fare does not depend on the name."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A card is taken.

    Attributes:
      use: as its record says.
      direction: of a ride; empty for all else.
      change_rp: of its value.
      rule: by which; empty where there is none.
      again: the same tap once more: the way is free, and the card is not touched.
    """

    use: Use
    direction: Literal["", "in", "out", "reset"]
    change_rp: int
    rule: str = ""
    again: bool = False


Decision: TypeAlias = Accepted | Refused


@dataclass(frozen=True, slots=True)
class Held:
    """What the chip says of its card, and when.

    Attributes:
      value_rp: on the chip.
      record: the newest one.
      at_ms: now, by the terminal's best knowledge.
    """

    face: CardFace
    value_rp: int
    record: bytes
    at_ms: int


class Offline:
    """Decides for one terminal.

    Args:
      point: where it stands.
      tariffs: of the law that it has.
      places: finds what records mean.
      denied: what the deny list in use says of a card.
    """

    def __init__(self, point: Point, tariffs: Tariffs, places: Places, denied: Published) -> None:
        self._point = point
        self._tariffs = tariffs
        self._places = places
        self._denied = denied

    def may_be_used(self, held: Held) -> Refused | None:
        """Tell why a card is not taken, whatever for; None: it is."""
        why = self._denied(held.face.number)
        if why is not None:
            return Refused(Refusal.DENIED, why)
        if day_of(held.at_ms) > held.face.expires_day:
            return Refused(Refusal.EXPIRED)
        return None

    def ride(self, held: Held) -> Decision:
        """Decide a tap at a gate or in a bus."""
        if (refused := self.may_be_used(held)) is not None:
            return refused
        service = self._point.service
        assert service is not None, "gates and buses are of a service"
        tariff = self._tariffs.at(held.at_ms)
        rating = self._rating(held)
        grants = self._grants(held, tariff)
        direction = self._direction(rating, held.at_ms)
        tap = SeenTap(held.at_ms, direction, service, self._point.place, self._point.operator)
        entry = self._entry(held, rating, tap, tariff, grants) if direction == "in" else None
        if isinstance(entry, Refused):
            return entry
        use = Use.TAP_IN if direction == "in" else Use.TAP_OUT
        try:
            after, charge = rate(rating, tap, self._tariffs, grants)
        except NoFare as lost:
            return Refused(Refusal.FARE_UNKNOWN, lost.rule or lost.field)
        if after == rating:
            return Accepted(use, direction, 0, charge.rule, again=True)
        if charge.card_rp > held.value_rp:
            return Refused(Refusal.BELOW_FLOOR, charge.rule)
        return Accepted(use, direction, -charge.card_rp, charge.rule)

    def reset(self, held: Held) -> Decision:
        """Decide what a ride costs that an officer ends because it was not tapped out."""
        if (refused := self.may_be_used(held)) is not None:
            return refused
        service = self._point.service
        assert service is not None, "gates and buses are of a service"
        grants = self._grants(held, self._tariffs.at(held.at_ms))
        tap = SeenTap(held.at_ms, "reset", service, self._point.place, self._point.operator)
        try:
            _, charge = rate(self._rating(held), tap, self._tariffs, grants)
        except NoFare as lost:
            return Refused(Refusal.FARE_UNKNOWN, lost.rule or lost.field)
        # What the card cannot pay it owes: the officer has let its holder go.
        paid_rp = min(charge.card_rp, max(held.value_rp, 0))
        return Accepted(Use.RESET, "reset", -paid_rp, charge.rule)

    def purchase(self, held: Held, amount_rp: int) -> Decision:
        """Decide the payment of goods."""
        if (refused := self.may_be_used(held)) is not None:
            return refused
        if amount_rp > held.value_rp:
            return Refused(Refusal.BELOW_FLOOR)
        return Accepted(Use.PURCHASE, "", -amount_rp)

    def _rating(self, held: Held) -> Rating:
        """Return where a card stands, as far as its newest record tells."""
        try:
            record = Record.decode(held.record)
        except Malformed:
            # Of a later version than this terminal knows: it was no ride that could be ended here.
            return NOT_RATED
        found = self._places.find(record.place)
        if found is None or record.use not in {Use.TAP_IN, Use.TAP_OUT}:
            return NOT_RATED
        service, place = found
        if service == self._point.service and record.place == self._point.mark:
            place = self._point.place
        at_ms = record.at_s * 1000
        if record.use is Use.TAP_OUT:
            return Rating(None, Alighting(at_ms, service, place))
        return Rating(Boarding(at_ms, service, place, self._point.operator))

    def _grants(self, held: Held, tariff: Tariff) -> tuple[Granted, ...]:
        """Return the group that the card was last known to belong to, as a grant."""
        face, service = held.face, self._point.service
        if not face.group or service is None:
            return ()
        return tuple(
            Granted(free.programme, group.name, _HOLDER, 0, face.group_until_day)
            for free, _, _ in tariff.free_rides(service)
            for group in free.groups
            if group.number == face.group
        )

    def _direction(self, rating: Rating, at_ms: int) -> Literal["in", "out"]:
        point, inside = self._point, rating.inside
        if point.side != "both":
            return point.side
        if inside is None or inside.service != point.service:
            return "in"
        # Held to the reader twice: nobody gets off where they have just got on.
        again = SeenTap(at_ms, "in", inside.service, point.place, point.operator)
        return "in" if is_twice(inside, again, self._tariffs) else "out"

    def _entry(
        self,
        held: Held,
        rating: Rating,
        tap: SeenTap,
        tariff: Tariff,
        grants: tuple[Granted, ...],
    ) -> Refused | None:
        """Tell why somebody is not let in, as the node would (engine.decisions.rides)."""
        inside, refusal = rating.inside, None
        if inside is not None:
            if is_twice(inside, tap, self._tariffs):
                return None
            refusal = open_ride_refusal(inside, tap, self._tariffs)
        refusal = refusal or floor_refusal(tap, tariff, grants, lambda: held.value_rp)
        if refusal is None:
            return None
        reason, version = refusal
        return Refused(Refusal(reason.value), version)
