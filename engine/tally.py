"""What a card has had of programmes that give so much and no more."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec import Struct


class Bought(Struct, frozen=True, array_like=True, gc=False):
    """How many pieces of some goods were bought at the price of a programme in a month."""

    programme: str
    item: str
    month: int
    count: int


class Tally(Struct, frozen=True, array_like=True, gc=False):
    """What a card has had of programmes.

    Attributes:
      bought: goods at the price of a programme, of the newest month in which there were any.
    """

    bought: tuple[Bought, ...] = ()

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


def joined_tallies(one: Tally, other: Tally) -> Tally:
    """Return what two cards that become one have had together."""
    return Tally(summed((*one.bought, *other.bought)))
