"""What a row of the file means: a trip, its operator, and the terminals it was tapped at."""

from __future__ import annotations

import re
import unicodedata
from typing import Final, NamedTuple

from engine.accounts import is_name
from engine.limits import NAME_LENGTH_MAX

BANKS: Final = frozenset({"bni", "brizzi", "dki", "emoney", "flazz", "online"})
"""Issuers in the public data set; another one is taken by its name, and noted."""

OPERATORS: Final[tuple[str, ...]] = ("mikrotrans", "royaltrans", "transjakarta")
ROYALTRANS_RP: Final = 20_000
FULL_FARE_RP: Final = 3_500

NO_TAP_OUT: Final = "no_tap_out"
NO_STOP_IN: Final = "no_tap_in_stop_id"
NO_STOP_OUT: Final = "no_tap_out_stop_id"
NO_CORRIDOR: Final = "no_corridor"
BANK_UNKNOWN: Final = "bank_unknown"
EARLY_FARE: Final = "early_fare_not_applied"
BY_AMOUNT: Final = "service_by_amount"

NOTES: Final = {
    NO_TAP_OUT: "no tap-out: only the tap-in is sent",
    NO_STOP_IN: "tap-in stop without an id: its name stands for it",
    NO_STOP_OUT: "tap-out stop without an id: its name stands for it",
    NO_CORRIDOR: "no corridor: the operator is judged by the amount alone",
    BANK_UNKNOWN: "a bank that is not in the public data set: taken by its name",
    EARLY_FARE: "Rp3,500 between 05:00 and 07:00, where Rp2,000 would be due: sent as it stands",
    BY_AMOUNT: "no corridor that the network knows: the service is judged by the amount alone",
}
"""Oddities that do not keep a row from being posted."""

ISSUER: Final = "issuer-"
LOADER: Final = "loader-"
AUDITOR: Final = "auditor-"
BY_NAME: Final = "name-"
OWN_PREFIXES: Final = (ISSUER, LOADER, AUDITOR, BY_NAME)
"""Of terminals that are no stop by its id; no id of a stop may begin so."""


class Touch(NamedTuple):
    """A card at a terminal."""

    at_ms: int
    terminal: str


class Trip(NamedTuple):
    """One row that can be posted. Names, sex and years of birth are not read at all."""

    line: int
    trans_id: str
    card: str
    bank: str
    corridor: str
    amount_rp: int
    tap_in: Touch
    tap_out: Touch | None

    @property
    def operator(self) -> str:
        """Whose service it was, by the kind of service.

        The file does not name operators. Corridors JAK* are the small buses of Mikrotrans; only
        Royaltrans costs Rp20,000; all the rest is Transjakarta's own.
        """
        if self.corridor.startswith("JAK"):
            return "mikrotrans"
        return "royaltrans" if self.amount_rp == ROYALTRANS_RP else "transjakarta"


def terminal_of(stop_id: str, stop_name: str) -> str:
    """Return the terminal of a stop: its id, or a form of its name where the id is empty.

    Returns:
      The empty text where neither can name a terminal.
    """
    if stop_id:
        return stop_id if is_terminal(stop_id) else ""
    plain = unicodedata.normalize("NFKD", stop_name).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
    name = BY_NAME + slug
    return name if slug and len(name) <= NAME_LENGTH_MAX else ""


def is_terminal(stop_id: str) -> bool:
    """Tell whether a stop's id may name its terminal."""
    return is_short_name(stop_id) and not stop_id.startswith(OWN_PREFIXES)


def is_short_name(text: str) -> bool:
    """Tell whether a text may name a card, a bank or a terminal."""
    return is_name(text) and len(text) <= NAME_LENGTH_MAX
