"""Limits of purses, as the rules of a day set them.

Where the law sets no limit the field is None. All amounts in rupiah.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, TypeAlias

from msgspec import Struct

from engine.calendar import date_of_day
from engine.rules.kinds import Grade, ProofRule, PurseLimit, TopUpFee
from engine.rules.programmes import NO_PROGRAMMES, ProgrammeRules, programme_rules
from engine.rules.reading import Fault, RulesInvalid
from engine.rules.rulebook import Rulebook, one_each


class PurseLimits(Struct, frozen=True, kw_only=True):
    """What a purse may hold, spend and receive.

    Attributes:
      rule: name and version, under which a decision cites these limits.
      source: where the figures are from.
      grade: of the weakest figure among them.
      floor_rp: lowest balance that an authorisation may leave.
      ceiling_rp: highest balance that an authorisation may reach.
      spend_day_rp, spend_month_rp: most that may be spent in a day or month of Jakarta.
      receive_month_rp: most that may come in during a month.
    """

    rule: str
    source: str
    grade: Grade
    floor_rp: int = 0
    ceiling_rp: int | None = None
    spend_day_rp: int | None = None
    spend_month_rp: int | None = None
    receive_month_rp: int | None = None


class PurseRules(Struct, frozen=True, kw_only=True):
    """The limits in force on a day.

    Attributes:
      unregistered, registered: for a card's own purse.
      programme: for the purse of a programme that is not listed in `programmes`.
      programmes: limits of single programmes, by name.
      of_programmes: what else the rules say of programmes.
      top_up_fees: what a top-up may cost, by channel; without a rule there is no limit.
      proofs: what becomes of cards whose advices no chip proves; without a rule nothing.
    """

    unregistered: PurseLimits
    registered: PurseLimits
    programme: PurseLimits
    programmes: Mapping[str, PurseLimits] = {}
    of_programmes: ProgrammeRules = NO_PROGRAMMES
    top_up_fees: Mapping[str, TopUpFee] = {}
    proofs: ProofRule | None = None

    def limits_of(self, programme: str, *, registered: bool) -> PurseLimits:
        """Return the limits of a purse; the empty programme means the card's own."""
        if programme:
            return self.programmes.get(programme, self.programme)
        return self.registered if registered else self.unregistered


PURSES: Final = ("unregistered", "registered", "programme")
"""Those that every card has or may have."""

RulesOn: TypeAlias = Callable[[int], PurseRules]
"""Finds the limits in force on a day of Jakarta: limits change at midnight."""


def purse_rules(rulebook: Rulebook) -> RulesOn:
    """Return what finds the limits that a rulebook sets; it remembers those of some days.

    Before the first version of a limit that version holds: no law of before is in the book, and a
    card whose clock is wrong is no card without limits.

    Raises:
      RulesInvalid: it sets none for one of the purses of a card, or two for the same.
    """
    begins = max(_begin(rulebook, purse) for purse in PURSES)
    for day in rulebook.changes():
        _check_complete(rulebook, max(day, begins))
        programme_rules(rulebook, day)
        top_up_fees(rulebook, day)
        proof_rule(rulebook, day)

    @lru_cache(maxsize=64)
    def on(day: int) -> PurseRules:
        limits = rulebook.of_kind(PurseLimit, max(day, begins))
        general = {rule.purse: _limits(rule) for rule in limits if rule.programme is None}
        return PurseRules(
            unregistered=general["unregistered"],
            registered=general["registered"],
            programme=general["programme"],
            programmes={rule.programme: _limits(rule) for rule in limits if rule.programme},
            of_programmes=programme_rules(rulebook, day),
            top_up_fees=top_up_fees(rulebook, day),
            proofs=proof_rule(rulebook, day),
        )

    return on


def top_up_fees(rulebook: Rulebook, day: int) -> dict[str, TopUpFee]:
    """Return what a top-up may cost on a day of Jakarta, by channel.

    Raises:
      RulesInvalid: two rules are about the same channel.
    """
    return one_each(((rule.channel, rule) for rule in rulebook.of_kind(TopUpFee, day)), day)


def proof_rule(rulebook: Rulebook, day: int) -> ProofRule | None:
    """Return what becomes of cards whose advices no chip proves, on a day of Jakarta.

    Raises:
      RulesInvalid: two rules say that.
    """
    return one_each((("", rule) for rule in rulebook.of_kind(ProofRule, day)), day).get("")


def _check_complete(rulebook: Rulebook, day: int) -> None:
    limits = rulebook.of_kind(PurseLimit, day)
    found = {rule.purse for rule in limits if rule.programme is None}
    for purse in PURSES:
        if purse not in found:
            raise _without(purse, f" on {date_of_day(day)}")


def _begin(rulebook: Rulebook, purse: str) -> int:
    days = [
        version.first_day
        for rule_id in rulebook.ids
        for version in rulebook.versions(rule_id)
        if isinstance(version.rule, PurseLimit)
        and version.rule.purse == purse
        and version.rule.programme is None
    ]
    if not days:
        raise _without(purse, "")
    return min(days)


def _without(purse: str, when: str) -> RulesInvalid:
    what = f"no rule of the kind purse_limit holds for {purse} purses{when}"
    return RulesInvalid([Fault("rules", 0, "", what)])


def _limits(rule: PurseLimit) -> PurseLimits:
    return PurseLimits(
        rule=rule.version,
        source=rule.source,
        grade=rule.grade,
        floor_rp=rule.floor_rp,
        ceiling_rp=rule.ceiling_rp,
        spend_day_rp=rule.spend_day_rp,
        spend_month_rp=rule.spend_month_rp,
        receive_month_rp=rule.receive_month_rp,
    )
