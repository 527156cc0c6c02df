"""What a terminal can ask for, in the form in which it is sent: lists that begin with a name.

docs/protocol.md has them all; here stand those that the tools of this project send. Amounts are
in rupiah. A `proof` makes an advice of what would otherwise be an authorisation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

Intent: TypeAlias = Sequence[object]
"""The name of what is wanted, and its fields in the protocol's order."""


def tap(
    card: str,
    amount_rp: int,
    operator: str,
    direction: Literal["in", "out", "reset"],
    *,
    place: str = "",
    line: str = "",
    proof: bytes | None = None,
    service: str = "",
) -> Intent:
    """Return a tap: a ride begins or ends; the amount, which may be zero, is the operator's.

    One with a service is rated by the node: it carries an amount only where a chip has paid it.
    """
    return ["tap", card, amount_rp, operator, direction, place, line, "", proof, service]


def top_up(card: str, amount_rp: int, bank: str, *, proof: bytes | None = None) -> Intent:
    """Return a top-up of a card's own purse: the bank took the money, the card has it."""
    return ["top_up", card, amount_rp, bank, 0, "both", "", proof]


def withdrawal(card: str, amount_rp: int, bank: str, *, purse: str = "", place: str = "") -> Intent:
    """Return the paying out of cash by a bank, from a card's own purse or a programme's."""
    return ["withdrawal", card, amount_rp, bank, purse, place]


def issue(
    card: str, medium: Literal["stored", "account"], bank: str, *, chip: bytes | None = None
) -> Intent:
    """Return the issue of a card; with the UID of a chip its advices may come from no other one."""
    return ["issue", card, medium, bank, False, *([] if chip is None else [chip])]


def replace(card: str, new_card: str, *, chip: bytes | None = None) -> Intent:
    """Return the taking over of all money of a card by a new one, with the UID of its chip."""
    return ["replace", card, new_card, *([] if chip is None else [chip])]
