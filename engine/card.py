"""The state of a card. Values, never changed in place: a view may be written while taps go on."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, TypeAlias

from msgspec import Struct

from engine.chips import CardChip
from engine.fares.state import NO_TAPS, Kept
from engine.tally import NOTHING, Tally
from engine.transaction import MediumName


class CardStatus(StrEnum):
    """What a card may still be used for."""

    ACTIVE = "active"
    BLOCKED = "blocked"
    REPLACED = "replaced"
    CLOSED = "closed"
    UNISSUED = "unissued"
    """First heard of through an advice; its `issue` has yet to come."""


# On the path of a tap: a lookup in the enum costs as much as the comparison.
ACTIVE: Final = CardStatus.ACTIVE

ENDED: Final = frozenset({CardStatus.REPLACED, CardStatus.CLOSED})
"""A card that no money should reach any more."""


class Purse(Struct, frozen=True, array_like=True, gc=False):
    """Money of one kind on a card, and what its limits count.

    Days and months are those of engine.calendar; a sum of an earlier one counts as zero.
    """

    balance_rp: int = 0
    day: int = 0
    spent_day_rp: int = 0
    month: int = 0
    spent_month_rp: int = 0
    received_month_rp: int = 0
    cash_month_rp: int = 0
    """What of the spent was taken in cash."""


Programmes: TypeAlias = tuple[tuple[str, Purse], ...]
"""Purses of programmes, with the name of each, in the order in which they were opened."""


class HeldAmount(Struct, frozen=True, array_like=True, gc=False):
    """Money set aside by a `hold`, identified by the transaction that did so."""

    terminal: str
    counter: int
    purse: str
    amount_rp: int
    payee_kind: int
    payee: str
    expires_ms: int


class Granted(Struct, frozen=True, array_like=True, gc=False):
    """What a card is entitled to: a programme, as a member of a group.

    `holder` is the pseudonym of the person. Both days are days on which it holds.
    """

    programme: str
    group: str
    holder: str
    since_day: int
    until_day: int


class Card(Struct, frozen=True, array_like=True, gc=False):
    """A card as it stands after the entry at position `last` (-1: none yet).

    `successor` is the card that replaced it, `replaced` the position of the entry that did so (-1:
    none); what is about it after that is no history of the new card. `before` is its last entry of
    the time before it took over from another card, if advices told of it then (-1: none): the chain
    of its entries leads to that other card. Holds that have expired may still be listed, and so may
    grants that are over; of each programme there is one.
    """

    id: str
    medium: MediumName
    bank: str
    status: CardStatus = CardStatus.ACTIVE
    registered: bool = False
    main: Purse = Purse()
    last: int = -1
    programmes: Programmes = ()
    holds: tuple[HeldAmount, ...] = ()
    successor: str = ""
    replaced: int = -1
    before: int = -1
    grants: tuple[Granted, ...] = ()
    kept: Kept = NO_TAPS
    tally: Tally = NOTHING
    chip: CardChip = CardChip()

    def purse(self, programme: str) -> Purse | None:
        """Return the purse of a programme, or the card's own for the empty name."""
        if not programme:
            return self.main
        for name, purse in self.programmes:
            if name == programme:
                return purse
        return None

    def open_holds(self, now_ms: int) -> tuple[HeldAmount, ...]:
        """Return the holds that have not expired."""
        return tuple(hold for hold in self.holds if hold.expires_ms > now_ms)

    def held_rp(self, programme: str, now_ms: int) -> int:
        """Return what is set aside on a purse by holds that have not expired."""
        if not self.holds:
            return 0
        return sum(hold.amount_rp for hold in self.open_holds(now_ms) if hold.purse == programme)

    def last_grant(self, programme: str) -> Granted | None:
        """Return the last grant of a programme, be it over or yet to begin, or None."""
        for granted in self.grants:
            if granted.programme == programme:
                return granted
        return None

    def grant_of(self, programme: str, day: int) -> Granted | None:
        """Return the grant of a programme that holds on a day of Jakarta, or None."""
        granted = self.last_grant(programme)
        if granted is None or not granted.since_day <= day <= granted.until_day:
            return None
        return granted
