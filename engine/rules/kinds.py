"""The kinds of rules that an instrument may hold, and what each of them says.

A rule is a table of a TOML file. Its `kind` chooses one of the types here, whose fields it has.
Money is whole rupiah, distances are metres, times are those of Jakarta.
"""

from __future__ import annotations

from datetime import date, time
from itertools import pairwise
from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta, Struct

Grade: TypeAlias = Literal["A", "B", "C", "D"]
"""How sure it is: A official text, B several reports agree, C one report, D general knowledge."""

Service: TypeAlias = Literal[
    "transjakarta_brt",
    "transjakarta_non_brt",
    "mikrotrans",
    "rusun_bus",
    "royaltrans",
    "mrt",
    "lrt_jakarta",
    "lrt_jabodebek",
    "krl",
]
Services: TypeAlias = Annotated[tuple[Service, ...], Meta(min_length=1)]
Days: TypeAlias = Literal["all", "workdays", "off_days"]
"""Workdays are Monday to Friday but for holidays; off days are the others."""

RuleId: TypeAlias = Annotated[str, Meta(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)*$", max_length=48)]
Name: TypeAlias = Annotated[str, Meta(pattern=r"^[a-z0-9_]+$", max_length=48)]
Sentence: TypeAlias = Annotated[str, Meta(min_length=1, max_length=400)]
Rupiah: TypeAlias = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Percent: TypeAlias = Annotated[int, Meta(ge=0, le=100)]
Positive: TypeAlias = Annotated[int, Meta(ge=1)]


class _Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all tables of a file have in common: a field that is not known is an error."""


class RuleHead(_Table, frozen=True, kw_only=True, tag_field="kind"):
    """What all rules have.

    Attributes:
      id: its name, the same in all versions.
      article: where it stands in the instrument.
      valid_from: the first day on which it holds.
      valid_to: the last, where it ends without a newer version; None: until there is one.
      grade, source: how sure its figures are, and where they are from.
      says_id, says_en: it in a sentence, in Indonesian and in English.
      enabled: whether it is applied; one that is not is there to be rehearsed.
    """

    id: RuleId
    article: Sentence
    valid_from: date
    valid_to: date | None = None
    grade: Grade
    source: Sentence
    says_id: Sentence
    says_en: Sentence
    enabled: bool = True

    def __post_init__(self) -> None:
        """Refuse a period that ends before it begins."""
        if self.valid_to is not None and self.valid_to < self.valid_from:
            raise ValueError(f"valid_to {self.valid_to} is before valid_from {self.valid_from}")

    @property
    def version(self) -> str:
        """The name under which a decision cites it: id and first day."""
        return f"{self.id}@{self.valid_from.isoformat()}"


class Window(_Table, frozen=True, kw_only=True):
    """A part of the day at which something costs another amount; `until` is no part of it."""

    since: time
    until: time
    days: Days = "all"
    amount_rp: Rupiah

    def __post_init__(self) -> None:
        """Refuse a window that ends before it begins."""
        if self.until <= self.since:
            raise ValueError(f"until {self.until} is not after since {self.since}")


# --- fares --------------------------------------------------------------------------------------


class FlatFare(RuleHead, frozen=True, kw_only=True, tag="flat_fare"):
    """One amount for a ride, another one in some hours."""

    services: Services
    amount_rp: Rupiah
    windows: tuple[Window, ...] = ()


class TableFare(RuleHead, frozen=True, kw_only=True, tag="table_fare"):
    """An amount for each pair of stations: a row for each that a ride begins at."""

    services: Services
    stations: Annotated[tuple[Sentence, ...], Meta(min_length=2)]
    amounts_rp: tuple[tuple[Rupiah, ...], ...]

    def __post_init__(self) -> None:
        """Refuse a table that is not square, or names a station twice."""
        super().__post_init__()
        count = len(self.stations)
        if len(set(self.stations)) != count:
            raise ValueError("stations: one stands there twice")
        if len(self.amounts_rp) != count:
            raise ValueError(f"amounts_rp has {len(self.amounts_rp)} rows for {count} stations")
        for number, row in enumerate(self.amounts_rp):
            if len(row) != count:
                at = self.stations[number]
                raise ValueError(f"amounts_rp from {at} has {len(row)} amounts for {count}")


class DistanceFare(RuleHead, frozen=True, kw_only=True, tag="distance_fare"):
    """An amount for the first metres, and one for each step begun beyond them.

    Attributes:
      cap_rp: the most of a ride; None: there is none.
      caps: other caps in some hours, of the moment at which the ride begins.
      same_station_min: a ride that ends where it began costs the least within so many minutes, and
        the cap after; None: it costs what the distance says.
    """

    services: Services
    first_m: Positive
    first_rp: Rupiah
    step_m: Positive
    step_rp: Rupiah
    cap_rp: Rupiah | None = None
    caps: tuple[Window, ...] = ()
    same_station_min: Positive | None = None

    def __post_init__(self) -> None:
        """Refuse hours with a cap, and no cap for the others."""
        super().__post_init__()
        if self.cap_rp is None and (self.caps or self.same_station_min):
            raise ValueError("caps and same_station_min need a cap_rp")


class IntegratedFare(RuleHead, frozen=True, kw_only=True, tag="integrated_fare"):
    """One fare for a journey over several modes.

    Attributes:
      modes: the services of each; two of the same mode are one.
      modes_min: a journey over fewer of them keeps the fares of its rides.
      base_rp: paid once.
      step_m, step_rp: what is paid for each step of the distance that was begun.
      cap_rp: the most of a package.
      window_min: of a package, from the first tap-in to the last tap-out; what is beyond costs the
        cap, and the base of a new package.
    """

    modes: Annotated[tuple[Services, ...], Meta(min_length=1)]
    modes_min: Positive
    base_rp: Rupiah
    step_m: Positive
    step_rp: Rupiah
    cap_rp: Rupiah
    window_min: Positive


class JourneyRule(RuleHead, frozen=True, kw_only=True, tag="journey"):
    """What a ride needs, and what becomes of one that is not tapped out.

    Attributes:
      balance_min_rp: on the card at a tap-in; cards that ride free need none.
      missing_out: at the next tap-in the card is refused until it is reset, or the ride is taken
        to have ended there.
      double_tap_s: a second tap within it, at the same place, is the same tap.
      passback_s: a second tap-in within it, at the same place, is of somebody to whom the card was
        handed back.
    """

    services: Services
    balance_min_rp: Rupiah
    missing_out: Literal["refuse", "complete"]
    double_tap_s: Annotated[int, Meta(ge=0, le=3600)]
    passback_s: Annotated[int, Meta(ge=0, le=24 * 3600)] = 0


class FareCap(RuleHead, frozen=True, kw_only=True, tag="fare_cap"):
    """The most that a card pays for rides; what is above it is paid by a programme.

    Attributes:
      programme: whose fund pays what is above.
      day_rp, week_rp: the most of a day, and of a week from Monday on.
    """

    services: Services
    programme: Name
    day_rp: Rupiah | None = None
    week_rp: Rupiah | None = None

    def __post_init__(self) -> None:
        """Refuse one that caps nothing."""
        super().__post_init__()
        if self.day_rp is None and self.week_rp is None:
            raise ValueError("day_rp and week_rp: neither is there")


class Group(_Table, frozen=True, kw_only=True):
    """A group of people, and its number in the instrument."""

    number: Positive
    name: Name
    who_id: Sentence
    who_en: Sentence


class FreeRide(RuleHead, frozen=True, kw_only=True, tag="free_ride"):
    """Groups of people for whom a programme pays the fare, or a part of it.

    Attributes:
      percent: of the fare that the programme pays.
      card_months: how long a card of a group is good for.
    """

    programme: Name
    services: Services
    percent: Percent
    card_months: Positive
    groups: Annotated[tuple[Group, ...], Meta(min_length=1)]

    def __post_init__(self) -> None:
        """Refuse groups that stand there twice."""
        super().__post_init__()
        if len({group.name for group in self.groups}) != len(self.groups):
            raise ValueError("groups: one stands there twice")


class Holidays(RuleHead, frozen=True, kw_only=True, tag="holidays"):
    """Days that are no workdays though they are from Monday to Friday."""

    days: Annotated[tuple[date, ...], Meta(min_length=1)]


# --- money --------------------------------------------------------------------------------------


class PurseLimit(RuleHead, frozen=True, kw_only=True, tag="purse_limit"):
    """What a purse may hold, spend and receive; a field that is left out sets no limit.

    Attributes:
      purse: a card's own, by its registration, or one of a programme.
      programme: the one it is about; left out: every one without a rule of its own.
    """

    purse: Literal["unregistered", "registered", "programme"]
    programme: Name | None = None
    floor_rp: Rupiah = 0
    ceiling_rp: Rupiah | None = None
    spend_day_rp: Rupiah | None = None
    spend_month_rp: Rupiah | None = None
    receive_month_rp: Rupiah | None = None

    def __post_init__(self) -> None:
        """Refuse a programme where the purse is a card's own."""
        super().__post_init__()
        if self.programme is not None and self.purse != "programme":
            raise ValueError(f"programme: the purse is {self.purse}")


class FeeStep(_Table, frozen=True, kw_only=True):
    """The fee of a top-up of up to an amount; without one, of any amount above those before."""

    up_to_rp: Rupiah | None = None
    fee_rp: Rupiah


class TopUpFee(RuleHead, frozen=True, kw_only=True, tag="top_up_fee"):
    """The most that a top-up may cost: `on_us` at the card's own bank, `off_us` elsewhere."""

    channel: Literal["on_us", "off_us"]
    steps: Annotated[tuple[FeeStep, ...], Meta(min_length=1)]

    def __post_init__(self) -> None:
        """Refuse steps out of order, or that leave amounts without a fee."""
        super().__post_init__()
        *bounded, last = self.steps
        bounds = [step.up_to_rp for step in bounded]
        if last.up_to_rp is not None or None in bounds:
            raise ValueError("steps: the last one has no up_to_rp, and all others have")
        if any(one >= other for one, other in pairwise(filter(None, bounds))):
            raise ValueError("steps: up_to_rp has to grow")

    def most_rp(self, amount_rp: int) -> int:
        """Return the most that a top-up of an amount may cost."""
        bounded = (step for step in self.steps if step.up_to_rp is not None)
        fits = (step for step in bounded if amount_rp <= (step.up_to_rp or 0))
        return next(fits, self.steps[-1]).fee_rp


# --- programmes ---------------------------------------------------------------------------------


class Allowance(RuleHead, frozen=True, kw_only=True, tag="allowance"):
    """What a programme puts on a card.

    Attributes:
      level: whom it is for, within the programme.
      every: how often.
      amount_rp: in all; it is the sum of the other two where those are there.
      routine_rp: may be spent at once; cash comes out of it.
      periodic_rp: is for certain times of the year.
      cash_month_rp: the most of it that may be taken in cash in a month.
      tuition_rp: paid to the school beside it, where that is a private one.
    """

    programme: Name
    level: Name
    every: Literal["month", "semester"]
    amount_rp: Rupiah
    routine_rp: Rupiah | None = None
    periodic_rp: Rupiah | None = None
    cash_month_rp: Rupiah = 0
    tuition_rp: Rupiah = 0

    def __post_init__(self) -> None:
        """Refuse parts that are not the whole."""
        super().__post_init__()
        parts = (self.routine_rp, self.periodic_rp)
        if parts != (None, None):
            sum_rp = sum(filter(None, parts))
            if sum_rp != self.amount_rp:
                text = f"routine_rp and periodic_rp are {sum_rp}, amount_rp is {self.amount_rp}"
                raise ValueError(text)

    @property
    def most_rp(self) -> int:
        """The most that comes onto a card at a time: a school may be paid from it as well."""
        return self.amount_rp + self.tuition_rp


class SpendingList(RuleHead, frozen=True, kw_only=True, tag="spending_list"):
    """What the money of a programme may be spent on, and where."""

    programme: Name
    merchant_kinds: Annotated[tuple[Name, ...], Meta(min_length=1)]
    goods: Annotated[tuple[Name, ...], Meta(min_length=1)]


class Item(_Table, frozen=True, kw_only=True):
    """Goods at a price for those who are entitled to them."""

    name: Name
    what: Sentence
    price_rp: Rupiah


class ItemQuota(RuleHead, frozen=True, kw_only=True, tag="item_quota"):
    """Goods at a price of the programme: each of them so often a month."""

    programme: Name
    per_month: Positive
    items: Annotated[tuple[Item, ...], Meta(min_length=1)]
    sellers: tuple[Name, ...] = ()

    def __post_init__(self) -> None:
        """Refuse goods that stand there twice."""
        super().__post_init__()
        if len({item.name for item in self.items}) != len(self.items):
            raise ValueError("items: one stands there twice")


class Waiver(RuleHead, frozen=True, kw_only=True, tag="waiver"):
    """A part of a charge that is not asked for.

    Attributes:
      charge: what for.
      percent: of it.
      covers_not: what is asked for all the same.
      carries_forward: whether what was paid already counts for later.
      full_rp_max: of a charge above it no more is waived than of one of this amount; None: there is
        no such bound. Who charges tells the amount, and a fund pays what is waived.
    """

    programme: Name
    charge: Name
    percent: Percent
    covers_not: tuple[Name, ...] = ()
    carries_forward: bool = False
    full_rp_max: Rupiah | None = None


OWN: Final = "own"
"""Stands for a card's own purse among those of programmes."""


class PurseOrder(RuleHead, frozen=True, kw_only=True, tag="purse_order"):
    """Which purses of a card pay for a purchase that names none of them.

    Attributes:
      purses: programmes, in the order in which their purses pay, and `own` at the end.
      split: whether several may pay for one purchase.
    """

    purses: Annotated[tuple[Name, ...], Meta(min_length=1)]
    split: bool

    def __post_init__(self) -> None:
        """Refuse an order in which a purse stands twice, or the card's own is not the last."""
        super().__post_init__()
        if len(set(self.purses)) != len(self.purses):
            raise ValueError("purses: one stands there twice")
        if self.purses[-1] != OWN:
            raise ValueError(f"purses: the last one is not {OWN}")


class ProofRule(RuleHead, frozen=True, kw_only=True, tag="proofs"):
    """What becomes of cards and terminals whose advices no chip proves.

    Attributes:
      card_blocked_after: with so many of them on a day the card is blocked.
      terminal_suspended_after: with so many of them on a day nothing is taken from the terminal
        any more until the day is over: what it has to tell waits with it.
    """

    card_blocked_after: Positive | None = None
    terminal_suspended_after: Positive | None = None

    def __post_init__(self) -> None:
        """Refuse one that does nothing."""
        super().__post_init__()
        if self.card_blocked_after is None and self.terminal_suspended_after is None:
            raise ValueError("card_blocked_after and terminal_suspended_after: neither is there")


Rule: TypeAlias = (
    FlatFare
    | TableFare
    | DistanceFare
    | IntegratedFare
    | JourneyRule
    | FareCap
    | FreeRide
    | Holidays
    | PurseLimit
    | TopUpFee
    | Allowance
    | SpendingList
    | ItemQuota
    | Waiver
    | PurseOrder
    | ProofRule
)


class InstrumentHead(_Table, frozen=True, kw_only=True):
    """A law, a decree or a decision that rules are from.

    Attributes:
      id: its name, which is that of its file.
      title: as it is cited.
      about_id, about_en: what it is about, in Indonesian and in English.
    """

    id: Annotated[str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=48)]
    title: Sentence
    about_id: Sentence
    about_en: Sentence
