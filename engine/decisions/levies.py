"""Levies: charges of a month, such as a rent, of which programmes may waive a part.

What is asked of those to whom nothing is waived is paid to the merchant in any case: the waived
part by the fund of the programme, the rest by the card. So the books tell what a waiver has cost.

A waiver is good for a month if

- it is in force on the first day of that month, or else begins within it; of several the one that
  waives most of those in force on the first day, or else of those that begin first;
- it has begun by the day of the decision: nobody knows a rule before, so until then all is paid;
- on that day the card has a grant of its programme, which began by the end of that month.

It waives the percentage of the full charge, or of the most that it speaks of, rounded down to a
rupiah.

Where a waiver carries forward, what the card has paid for its months above what is due for them by
now (because it paid in advance, or the rule came later) is credit. It is worked out at the next
levy of the same charge, and pays for that and later ones, before any purse does. Credit is owed by
the programme whose waiver made it, so its fund pays the merchant. Remembered are the last months of
each charge, of which twelve at most; what a rule says of earlier ones makes no credit.

An advice tells what a chip has paid: all of it is taken from the purse, and what was waived is
credit at the next levy. One that is filed because its month was paid, or cannot be, is not
remembered: it is for an officer to take back, and neither it nor what is beside it in a group is
forgotten by that.

A reversal takes the levy of its month back, with the credit that it has used. It is refused when
the levy is not remembered any more as it was, so that what has become credit is not given back a
second time. A part of a levy is not given back at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from engine.calendar import days_of_month
from engine.card import Card
from engine.errors import Reason
from engine.limits import (
    CHARGES_PER_CARD_MAX,
    PERIODS_AHEAD_MAX,
    PERIODS_BEHIND_MAX,
    PERIODS_KEPT_MAX,
)
from engine.moment import Moment
from engine.rules.kinds import Waiver
from engine.tally import NOTHING, Charged, Credit, Tally, credited, kept
from engine.transaction import Entry, Group, Purchase
from engine.verdict import LEVY_RULE, Doubt

UNREMEMBERED: Final = frozenset(
    {Reason.PERIOD_PAID, Reason.PERIOD_UNKNOWN, Reason.TOO_MANY_CHARGES}
)
"""What is filed of an advice whose levy is not remembered."""


class Bill(NamedTuple):
    """Who pays how much of a levy.

    Attributes:
      card_rp: what the purses of the card pay.
      shares: programmes and what their funds pay, what is waived before what is credit.
      rule: by which something is waived; empty: nothing is.
      tally: of the card afterwards.
    """

    card_rp: int
    shares: tuple[tuple[str, int], ...]
    rule: str
    tally: Tally


def levy_doubts(card: Card | None, now: Moment, intent: Purchase) -> list[Doubt]:
    """Return what is to be said against the month of a levy."""
    charge, period = intent.charge, intent.period
    from_month, to_month = now.month - PERIODS_BEHIND_MAX, now.month + PERIODS_AHEAD_MAX
    if not charge or not from_month <= period <= to_month:
        return [(Reason.PERIOD_UNKNOWN, LEVY_RULE, "period")]
    tally = NOTHING if card is None else card.tally
    if tally.charged_for(charge, period) is not None:
        return [(Reason.PERIOD_PAID, LEVY_RULE, "period")]
    periods = [charged.period for charged in tally.charged if charged.charge == charge]
    if len(periods) >= PERIODS_KEPT_MAX and period < min(periods):
        return [(Reason.PERIOD_UNKNOWN, LEVY_RULE, "period")]
    charges = {charged.charge for charged in tally.charged}
    if charge not in charges and len(charges) >= CHARGES_PER_CARD_MAX:
        return [(Reason.TOO_MANY_CHARGES, LEVY_RULE, "charge")]
    return []


def levy_bill(card: Card | None, now: Moment, intent: Purchase, *, advice: bool) -> Bill:
    """Return who pays how much of a levy, and what is remembered of it."""
    tally = NOTHING if card is None else card.tally
    full_rp = intent.amount_rp
    if advice or card is None:
        levy = Charged(intent.charge, intent.period, full_rp, full_rp)
        return Bill(full_rp, (), "", replace(tally, charged=kept((*tally.charged, levy))))
    tally = _settled(card, now, intent.charge)
    waiver = _waiver_of(card, now, intent.charge, intent.period)
    due_rp = _due_rp(full_rp, waiver)
    used = tuple(_used(tally.credits, intent.charge, due_rp))
    card_rp = due_rp - sum(credit.amount_rp for credit in used)
    shares = [(credit.programme, credit.amount_rp) for credit in used]
    if waiver is not None and due_rp < full_rp:
        shares.insert(0, (waiver.programme, full_rp - due_rp))
    levy = Charged(intent.charge, intent.period, full_rp, due_rp, used)
    spent = (replace(credit, amount_rp=-credit.amount_rp) for credit in used)
    after = replace(
        tally,
        charged=kept((*tally.charged, levy)),
        credits=credited((*tally.credits, *spent)),
    )
    return Bill(card_rp, tuple(shares), "" if waiver is None else waiver.version, after)


def without_levies(tally: Tally, original: Entry) -> Tally | None:
    """Return what is remembered after the reversal of an entry; None: it cannot be reversed."""
    intent = original.intent
    parts = intent.parts if isinstance(intent, Group) else (intent,)
    levies = {(part.charge, part.period) for part in parts if isinstance(part, Purchase)}
    if original.tally is None or UNREMEMBERED & set(original.exceptions):
        return tally
    for charge, period in levies:
        levy = original.tally.charged_for(charge, period)
        if levy is None:
            continue
        if tally.charged_for(charge, period) != levy:
            return None
        others = tuple(charged for charged in tally.charged if charged != levy)
        tally = replace(tally, charged=others, credits=credited((*tally.credits, *levy.used)))
    return tally


def _settled(card: Card, now: Moment, charge: str) -> Tally:
    """Return the tally of a card with what it paid too much of a charge as credit."""
    charged: list[Charged] = []
    known = list(card.tally.credits)
    for levy in card.tally.charged:
        waiver = _waiver_of(card, now, charge, levy.period) if levy.charge == charge else None
        over_rp = levy.paid_rp - _due_rp(levy.full_rp, waiver)
        if waiver is not None and waiver.carries_forward and over_rp > 0:
            known.append(Credit(charge, waiver.programme, over_rp))
            charged.append(replace(levy, paid_rp=levy.paid_rp - over_rp))
        else:
            charged.append(levy)
    return replace(card.tally, charged=tuple(charged), credits=credited(known))


def _due_rp(full_rp: int, waiver: Waiver | None) -> int:
    if waiver is None:
        return full_rp
    most_rp = full_rp if waiver.full_rp_max is None else min(full_rp, waiver.full_rp_max)
    return full_rp - most_rp * waiver.percent // 100


def _used(known: Sequence[Credit], charge: str, due_rp: int) -> Iterator[Credit]:
    for credit in known:
        used_rp = min(credit.amount_rp, due_rp)
        if credit.charge == charge and used_rp:
            due_rp -= used_rp
            yield replace(credit, amount_rp=used_rp)


def _waiver_of(card: Card, now: Moment, charge: str, period: int) -> Waiver | None:
    first_day, last_day = days_of_month(period)
    found: list[tuple[int, int, str, Waiver]] = []
    for waiver, since_day, until_day in now.rules.of_programmes.waivers_ever.get(charge, ()):
        grant = card.grant_of(waiver.programme, now.day)
        granted = grant is not None and grant.since_day <= last_day
        begins_in_time = since_day <= min(now.day, last_day)
        if granted and begins_in_time and (until_day is None or until_day >= first_day):
            found.append((max(since_day, first_day), -waiver.percent, waiver.version, waiver))
    return min(found, key=lambda each: each[:3])[3] if found else None
