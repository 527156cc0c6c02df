"""What the money of a programme may be spent on, and where: its spending list.

The list of the day of the decision counts. Lists are of goods, so no ride is paid from a purse with
one. Money is set aside before it is known what for, so nothing is held there either; what was held
before there was a list is posted all the same.
"""

from __future__ import annotations

from engine.errors import Reason
from engine.moment import Moment
from engine.transaction import Purchase
from engine.verdict import ITEMS_RULE, Doubt


def bill_doubts(intent: Purchase) -> list[Doubt]:
    """Return what is to be said against the lines of a bill; without any there is nothing."""
    if intent.items and sum(item.amount_rp for item in intent.items) != intent.amount_rp:
        return [(Reason.ITEMS_SUM, ITEMS_RULE, "items")]
    return []


def list_doubts(now: Moment, intent: Purchase) -> list[Doubt]:
    """Return what the list of a programme says against a purchase from its purse."""
    allowed = now.rules.of_programmes.spending_lists.get(intent.purse)
    if allowed is None:
        return []
    doubts: list[Doubt] = []
    if intent.merchant_kind not in allowed.merchant_kinds:
        doubts.append((Reason.MERCHANT_NOT_ALLOWED, allowed.version, "merchant_kind"))
    if not intent.items:
        doubts.append((Reason.GOODS_NOT_ALLOWED, allowed.version, "items"))
    for number, item in enumerate(intent.items):
        if item.name not in allowed.goods:
            doubts.append((Reason.GOODS_NOT_ALLOWED, allowed.version, f"items[{number}]"))
    return doubts


def unlisted_doubts(now: Moment, programme: str) -> list[Doubt]:
    """Return what is to be said against spending money of a programme on no goods at all.

    A ride is none, and of what is only set aside nobody knows yet what it is for.
    """
    allowed = now.rules.of_programmes.spending_lists.get(programme)
    return [] if allowed is None else [(Reason.GOODS_NOT_ALLOWED, allowed.version, "purse")]
