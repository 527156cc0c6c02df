"""Goods at the price of a programme: to whom, where, for how much, and how often in a month.

The quota of the day of the decision counts, and the month of the decision. An advice is counted as
well, whatever is to be said against it, so that what is sold too much is not sold again. A reversal
gives the goods back within their month; a refund gives back money alone. A quota is a person's: it
goes with them from card to card (engine.decisions.grants).
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from engine.calendar import day_and_month
from engine.card import Card
from engine.errors import Reason
from engine.moment import Moment
from engine.rules.kinds import ItemQuota
from engine.tally import NOTHING, Bought, Tally, summed
from engine.transaction import Entry, Group, Purchase
from engine.verdict import PRICE_RULE, Doubt


def quota_doubts(card: Card | None, now: Moment, intent: Purchase) -> list[Doubt]:
    """Return what is to be said against a purchase at the price of a programme."""
    quota = now.rules.of_programmes.item_quotas.get(intent.programme)
    if quota is None:
        return [(Reason.NOT_ENTITLED, PRICE_RULE, "programme")]
    doubts: list[Doubt] = []
    if card is None or card.grant_of(intent.programme, now.day) is None:
        doubts.append((Reason.NOT_ENTITLED, quota.version, "programme"))
    if quota.sellers and intent.merchant not in quota.sellers:
        doubts.append((Reason.MERCHANT_NOT_ALLOWED, quota.version, "merchant"))
    if not intent.items:
        doubts.append((Reason.GOODS_NOT_ALLOWED, quota.version, "items"))
    tally = NOTHING if card is None else card.tally
    return doubts + list(_of_items(tally, now, intent, quota))


def _of_items(tally: Tally, now: Moment, intent: Purchase, quota: ItemQuota) -> Iterator[Doubt]:
    prices = {item.name: item.price_rp for item in quota.items}
    for number, item in enumerate(intent.items):
        field, price_rp = f"items[{number}]", prices.get(item.name)
        if price_rp is None:
            yield Reason.GOODS_NOT_ALLOWED, quota.version, field
        elif item.amount_rp != price_rp * item.count:
            yield Reason.PRICE_DIFFERS, quota.version, field
        # A bill may name the same goods twice.
        above = intent.items[: number + 1]
        wanted = sum(each.count for each in above if each.name == item.name)
        had = tally.bought_of(intent.programme, item.name, now.month)
        if price_rp is not None and had + wanted > quota.per_month:
            yield Reason.QUOTA_USED, quota.version, field


def with_goods(tally: Tally, now: Moment, intent: Purchase) -> Tally:
    """Return what a card has had after a purchase; what no quota lists is not counted."""
    quota = now.rules.of_programmes.item_quotas.get(intent.programme)
    if quota is None:
        return tally
    listed = {item.name for item in quota.items}
    bought = (line for line in _lines(intent, now.month) if line.item in listed)
    return replace(tally, bought=summed((*tally.bought, *bought)))


def without_goods(tally: Tally, now: Moment, original: Entry) -> Tally:
    """Return what a card has had after the reversal of a purchase, or of a group with some."""
    month = day_and_month(original.decided_ms)[1]
    if month != now.month:
        return tally
    intent = original.intent
    parts = intent.parts if isinstance(intent, Group) else (intent,)
    counted = NOTHING if original.tally is None else original.tally
    returned = (
        Bought(line.programme, line.item, month, -line.count)
        for part in parts
        if isinstance(part, Purchase) and part.programme
        for line in _lines(part, month)
        if counted.bought_of(line.programme, line.item, month)
    )
    return replace(tally, bought=summed((*tally.bought, *returned)))


def _lines(intent: Purchase, month: int) -> Iterator[Bought]:
    for item in intent.items:
        yield Bought(intent.programme, item.name, month, item.count)
