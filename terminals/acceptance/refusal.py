"""Why a card is not taken: a code for machines, and what the screen says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Refusal(StrEnum):
    """Why a card is not taken."""

    FOREIGN = "foreign"
    """Not one of our cards, or a chip that does not know its keys."""
    NEWER_KEYS = "newer_keys"
    """Of a version of keys that this terminal does not have."""
    SEVERAL = "several"
    """More than one card at the reader, or one that does not answer."""
    MOVED = "moved"
    """It left too early; nothing was taken."""
    TORN = "torn"
    """It left while it was told to pay: shown again, it tells whether it did."""
    DENIED = "denied"
    """It is on the deny list."""
    EXPIRED = "expired"
    """Its last day is gone."""
    BELOW_FLOOR = "below_floor"
    """There is not enough money on it."""
    PASSBACK = "passback"
    """It was handed back to somebody else."""
    JOURNEY_OPEN = "journey_open"
    """The last ride was not tapped out."""
    FARE_UNKNOWN = "fare_unknown"
    """No rule says what the ride costs."""
    ABOVE_CEILING = "above_ceiling"
    """It would hold more than it may."""
    OFFLINE_TOO_LONG = "offline_too_long"
    """The terminal has been without the node for too long."""
    OFFLINE_TOO_MUCH = "offline_too_much"
    """More than may be taken without the node."""
    NODE_REFUSED = "node_refused"
    """The node said no."""
    LOAD_UNCLEAR = "load_unclear"
    """The card has been used too often since to tell whether a top-up before came to it."""
    NO_NODE = "no_node"
    """What is wanted needs the node, and there is no connection."""
    OUT_OF_ORDER = "out_of_order"
    """The terminal cannot write down what it does."""
    CLOSED = "closed"
    """The lane is closed."""
    NOT_READY = "not_ready"
    """The terminal has not been given the lists that it needs."""


_SAYS: Final[dict[Refusal, tuple[str, str]]] = {
    Refusal.FOREIGN: ("Kartu tidak dikenal", "Not a Jakarta One card"),
    Refusal.NEWER_KEYS: ("Kartu belum didukung", "Card not supported here yet"),
    Refusal.SEVERAL: ("Tempelkan satu kartu saja", "Present one card only"),
    Refusal.MOVED: ("Tempelkan lagi, tahan kartu", "Present again and hold still"),
    Refusal.TORN: ("Tempelkan kartu yang sama lagi", "Present the same card again"),
    Refusal.DENIED: ("Kartu diblokir", "Card is blocked"),
    Refusal.EXPIRED: ("Kartu kedaluwarsa", "Card has expired"),
    Refusal.BELOW_FLOOR: ("Saldo tidak cukup", "Not enough money on the card"),
    Refusal.PASSBACK: ("Kartu baru saja dipakai di sini", "Card was just used here"),
    Refusal.JOURNEY_OPEN: ("Belum tap keluar, hubungi petugas", "No tap-out yet, ask the staff"),
    Refusal.FARE_UNKNOWN: ("Tarif tidak diketahui", "Fare is not known"),
    Refusal.ABOVE_CEILING: ("Saldo akan melebihi batas", "Balance would be above its limit"),
    Refusal.OFFLINE_TOO_LONG: ("Mesin terlalu lama luring", "Terminal has been offline too long"),
    Refusal.OFFLINE_TOO_MUCH: ("Jumlah terlalu besar saat luring", "Too much while offline"),
    Refusal.NODE_REFUSED: ("Ditolak", "Declined"),
    Refusal.LOAD_UNCLEAR: ("Hubungi petugas: isi ulang", "Ask the staff about your last top-up"),
    Refusal.NO_NODE: ("Tidak ada sambungan", "No connection"),
    Refusal.OUT_OF_ORDER: ("Mesin rusak", "Out of order"),
    Refusal.CLOSED: ("Tutup", "Closed"),
    Refusal.NOT_READY: ("Mesin sedang disiapkan", "Terminal is being set up"),
}


@dataclass(frozen=True, slots=True)
class Refused:
    """A card is not taken.

    Attributes:
      detail: what is behind it: a rule, a value of a list, the words of a reader.
    """

    refusal: Refusal
    detail: str = ""

    @property
    def says_id(self) -> str:
        """What the screen says, in Indonesian."""
        return _SAYS[self.refusal][0]

    @property
    def says_en(self) -> str:
        """The same in English."""
        return _SAYS[self.refusal][1]
