"""A rehearsal: what the same taps cost by two sets of rules.

    taps of a card, in the order of time ──> rate by the one and by the other ──> figures

What a tap adds to the price is counted for its own line, its own service, and the group that its
card was of on its day; so is what it changes of the price of a package. The figures of all groups,
of all services and of all lines sum up to the same totals.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from heapq import heappush, heappushpop
from typing import Final, NamedTuple

from engine.accounts import PROGRAMME_FUND
from engine.calendar import day_of
from engine.card import Granted
from engine.fares.rating import rate
from engine.fares.ride import Charge
from engine.fares.state import NOT_RATED, SeenTap
from engine.fares.tariff import Tariff, Tariffs

NO_GROUP: Final = "none"
"""The group of cards that are granted nothing."""

LARGEST_MAX: Final = 10
"""Cards that are remembered for what they pay more."""


class TakenTap(NamedTuple):
    """A tap of the past.

    Attributes:
      line: on which it was.
      grants: what its card was entitled to when it was decided.
    """

    tap: SeenTap
    line: str
    grants: tuple[Granted, ...]


class Amounts:
    """What some taps come to: holders and funds together pay what operators get.

    Attributes:
      holders_rp: paid by cards.
      funds_rp: paid by programmes.
    """

    __slots__ = ("funds_rp", "holders_rp")

    def __init__(self, holders_rp: int = 0, funds_rp: int = 0) -> None:
        self.holders_rp = holders_rp
        self.funds_rp = funds_rp

    @property
    def operators_rp(self) -> int:
        """What operators get."""
        return self.holders_rp + self.funds_rp

    def add(self, other: Amounts) -> None:
        """Count what others come to as well."""
        self.holders_rp += other.holders_rp
        self.funds_rp += other.funds_rp


class Change:
    """What some taps come to before and after.

    Attributes:
      taps: how many they are.
      before: by the rules in force.
      after: by the others.
    """

    __slots__ = ("after", "before", "taps")

    def __init__(self) -> None:
        self.taps = 0
        self.before = Amounts()
        self.after = Amounts()

    def count(self, old: Charge, new: Charge) -> None:
        """Count a tap."""
        self.taps += 1
        # Most taps move nothing: those that let somebody in.
        for amounts, charge in ((self.before, old), (self.after, new)):
            if charge.lines:
                amounts.holders_rp += charge.card_rp
                amounts.funds_rp += _funds_rp(charge)

    def add(self, other: Change) -> None:
        """Count the taps of another one as well."""
        self.taps += other.taps
        self.before.add(other.before)
        self.after.add(other.after)

    @property
    def largest_rp(self) -> int:
        """How much it changes for holders or for funds, whichever is more."""
        holders_rp = self.after.holders_rp - self.before.holders_rp
        return max(abs(holders_rp), abs(self.after.funds_rp - self.before.funds_rp))


class Increase(NamedTuple):
    """How much more a card pays."""

    more_rp: int
    card: str
    before_rp: int
    after_rp: int


class Sides:
    """What somebody gets or pays before and after."""

    __slots__ = ("after_rp", "before_rp")

    def __init__(self) -> None:
        self.before_rp = 0
        self.after_rp = 0


class Rehearsal:
    """The figures of a rehearsal: cards are added, one after the other.

    Args:
      before: the rules in force.
      after: those that are rehearsed.
      since_ms: earlier taps are rated, for rides and caps go on, but not counted.

    Attributes:
      cards: how many have taps that count.
      cards_more, cards_less: how many of them pay more, and less.
      not_rated: how many taps one of the two does not know, by the reason: neither counts them.
      operators: what each of them gets.
      programmes: what the fund of each pays.
    """

    def __init__(self, before: Tariffs, after: Tariffs, since_ms: int = 0) -> None:
        self.cards = self.cards_more = self.cards_less = 0
        self.not_rated: Counter[str] = Counter()
        self.operators: dict[str, Sides] = {}
        self.programmes: dict[str, Sides] = {}
        self._before = before
        self._after = after
        self._since_ms = since_ms
        self._changes: dict[tuple[str, str, str], Change] = {}
        self._largest: list[Increase] = []

    def add(self, card: str, taps: Iterable[TakenTap]) -> None:
        """Rate all taps of a card, in whatever order they are given."""
        before = after = NOT_RATED
        total = Change()
        for taken in sorted(taps, key=lambda each: each.tap):
            tap, line, grants = taken
            counts = tap.at_ms >= self._since_ms
            reason = self._doubt(tap)
            if reason is not None:
                self.not_rated[reason] += counts
                continue
            before, old = rate(before, tap, self._before, grants)
            after, new = rate(after, tap, self._after, grants)
            if counts:
                change = self._changed(group_of(grants, day_of(tap.at_ms)), tap.service, line)
                change.count(old, new)
                total.count(old, new)
                self._share(old, new)
        if total.taps:
            self._judge(card, total.before.holders_rp, total.after.holders_rp)

    @property
    def total(self) -> Change:
        """All taps together."""
        return self._sums(lambda _: "").get("", Change())

    @property
    def groups(self) -> dict[str, Change]:
        """What the taps of each group come to."""
        return self._sums(lambda key: key[0])

    @property
    def services(self) -> dict[str, Change]:
        """What the taps of each service come to."""
        return self._sums(lambda key: key[1])

    @property
    def lines(self) -> dict[str, Change]:
        """What the taps of each line come to; the empty name is that of taps that name none."""
        return self._sums(lambda key: key[2])

    @property
    def largest(self) -> list[Increase]:
        """The cards that pay most above what they pay now, up to `LARGEST_MAX`."""
        return sorted(self._largest, key=lambda each: (-each.more_rp, each.card))

    def _sums(self, name: Callable[[tuple[str, str, str]], str]) -> dict[str, Change]:
        found: dict[str, Change] = {}
        for key, change in sorted(self._changes.items()):
            found.setdefault(name(key), Change()).add(change)
        return found

    def _doubt(self, tap: SeenTap) -> str | None:
        tariffs = (self._before.at(tap.at_ms), self._after.at(tap.at_ms))
        return next(filter(None, (_unknown(tap, tariff) for tariff in tariffs)), None)

    def _changed(self, group: str, service: str, line: str) -> Change:
        key = (group, service, line)
        change = self._changes.get(key)
        if change is None:
            change = self._changes[key] = Change()
        return change

    def _share(self, old: Charge, new: Charge) -> None:
        for kind, owner, amount_rp in old.lines:
            self._sides(kind, owner).before_rp += _toward(kind, amount_rp)
        for kind, owner, amount_rp in new.lines:
            self._sides(kind, owner).after_rp += _toward(kind, amount_rp)

    def _sides(self, kind: int, owner: str) -> Sides:
        owners = self.programmes if kind == PROGRAMME_FUND else self.operators
        return owners.setdefault(owner, Sides())

    def _judge(self, card: str, before_rp: int, after_rp: int) -> None:
        self.cards += 1
        more_rp = after_rp - before_rp
        self.cards_more += more_rp > 0
        self.cards_less += more_rp < 0
        if more_rp > 0:
            increase = Increase(more_rp, card, before_rp, after_rp)
            keep = heappush if len(self._largest) < LARGEST_MAX else heappushpop
            keep(self._largest, increase)


def group_of(grants: Sequence[Granted], day: int) -> str:
    """Return the groups that a card is of on a day, each as `programme/group`, or `NO_GROUP`."""
    if not grants:
        return NO_GROUP
    holding = [grant for grant in grants if grant.since_day <= day <= grant.until_day]
    return " + ".join(sorted(f"{each.programme}/{each.group}" for each in holding)) or NO_GROUP


def _unknown(tap: SeenTap, tariff: Tariff) -> str | None:
    price = tariff.prices.get(tap.service)
    if price is None:
        return "fare_unknown"
    return None if price.knows(tap.service, tap.place) else "place_unknown"


def _funds_rp(charge: Charge) -> int:
    return -sum(amount_rp for kind, _, amount_rp in charge.lines if kind == PROGRAMME_FUND)


def _toward(kind: int, amount_rp: int) -> int:
    """Return an amount with the sign it is told with: what operators get, what funds pay."""
    return -amount_rp if kind == PROGRAMME_FUND else amount_rp
