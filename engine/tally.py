"""What a card has had of programmes that give so much and no more, and the levies it has paid."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from engine.limits import CHARGES_PER_CARD_MAX, PERIODS_KEPT_MAX


class Bought(Struct, frozen=True, array_like=True, gc=False):
    """How many pieces of some goods were bought at the price of a programme in a month."""

    programme: str
    item: str
    month: int
    count: int


class Credit(Struct, frozen=True, array_like=True, gc=False):
    """What a programme owes a card for a charge that it paid and did not have to."""

    charge: str
    programme: str
    amount_rp: int


class Charged(Struct, frozen=True, array_like=True, gc=False):
    """A levy of a month.

    Attributes:
      full_rp: what is asked of those to whom nothing is waived.
      paid_rp: what the card has paid of it, by its purses and its credit; without what has become
        credit.
      used: the credit that paid a part of it.
    """

    charge: str
    period: int
    full_rp: int
    paid_rp: int
    used: tuple[Credit, ...] = ()


class Tally(Struct, frozen=True, array_like=True, gc=False):
    """What a card has had of programmes, and paid of levies.

    Attributes:
      bought: goods at the price of a programme, of the newest month in which there were any.
      charged: levies, the last months of each charge.
      credits: what is left of credit.
    """

    bought: tuple[Bought, ...] = ()
    charged: tuple[Charged, ...] = ()
    credits: tuple[Credit, ...] = ()

    def charged_for(self, charge: str, period: int) -> Charged | None:
        """Return a levy of a month, or None."""
        for charged in self.charged:
            if (charged.charge, charged.period) == (charge, period):
                return charged
        return None

    def bought_of(self, programme: str, item: str, month: int) -> int:
        """Return how many pieces of some goods were bought in a month."""
        return sum(
            bought.count
            for bought in self.bought
            if (bought.programme, bought.item, bought.month) == (programme, item, month)
        )


NOTHING: Final = Tally()


def summed(bought: Iterable[Bought]) -> tuple[Bought, ...]:
    """Return one line for all that is said of the same goods, of the newest month alone.

    Goods of which nothing is left are left out.
    """
    lines = tuple(bought)
    newest = max((line.month for line in lines), default=0)
    counts: dict[tuple[str, str], int] = {}
    for line in lines:
        if line.month == newest:
            goods = (line.programme, line.item)
            counts[goods] = counts.get(goods, 0) + line.count
    return tuple(
        Bought(programme, item, newest, count)
        for (programme, item), count in counts.items()
        if count > 0
    )


def credited(parts: Iterable[Credit]) -> tuple[Credit, ...]:
    """Return one line for all credit of a programme for a charge; none where none is left."""
    amounts: dict[tuple[str, str], int] = {}
    for credit in parts:
        key = (credit.charge, credit.programme)
        amounts[key] = amounts.get(key, 0) + credit.amount_rp
    return tuple(Credit(*key, amount_rp) for key, amount_rp in amounts.items() if amount_rp)


def kept(charged: Iterable[Charged]) -> tuple[Charged, ...]:
    """Return the last months of each charge, of as many charges as there is room for.

    Of two levies of the same month the first one stands.
    """
    by_charge: dict[str, dict[int, Charged]] = {}
    for levy in charged:
        by_charge.setdefault(levy.charge, {}).setdefault(levy.period, levy)
    return tuple(
        periods[period]
        for periods in list(by_charge.values())[:CHARGES_PER_CARD_MAX]
        for period in sorted(periods)[-PERIODS_KEPT_MAX:]
    )


def joined_tallies(one: Tally, other: Tally) -> Tally:
    """Return what two cards that become one have had together."""
    return Tally(
        summed((*one.bought, *other.bought)),
        kept((*one.charged, *other.charged)),
        credited((*one.credits, *other.credits)),
    )
