"""Proposals: instruments that are not in force yet, put in force on a day for a rehearsal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import NamedTuple

from msgspec.structs import replace

from engine.rules.kinds import Rule
from engine.rules.reading import Instrument, Placed


class Rehearsed(NamedTuple):
    """A rule of a proposal, as it is rehearsed.

    Attributes:
      rule: its id.
      proposed: the first day that it names.
      since: the first day of its rehearsal.
      enabled: whether the proposal applies it; the rehearsal does in any case.
    """

    rule: str
    proposed: date
    since: date
    enabled: bool


def in_force_since(
    first: date, proposals: Iterable[Instrument], others: Iterable[Instrument]
) -> tuple[list[Instrument], list[Rehearsed]]:
    """Return instruments in which the rules of proposals hold from a day on.

    The first version of a rule that would begin later begins on that day; those that follow it keep
    their distance from it. What was decreed between the two days would put it out of force, and is
    left out. A rule that is not enabled is rehearsed as if it were.

    Args:
      first: the day.
      proposals: what is to be rehearsed.
      others: the instruments beside them, none of which has the name of a proposal.

    Returns:
      All instruments, and what became of the rules of the proposals.
    """
    proposed = list(proposals)
    moved = _first_later(first, proposed)
    told: list[Rehearsed] = []
    found = [_without(each, first, moved) for each in others]
    for instrument in proposed:
        kept = _without(instrument, first, moved)
        rules = tuple(_moved(placed, first, moved) for placed in kept.rules)
        found.append(replace(kept, rules=rules))
        for before, after in zip(kept.rules, rules, strict=True):
            rule = before.rule
            told.append(
                Rehearsed(rule.id, rule.valid_from, after.rule.valid_from, enabled=rule.enabled)
            )
    return found, told


def _first_later(first: date, proposals: Iterable[Instrument]) -> dict[str, date]:
    """Return the first day after `first` on which versions of each rule begin, by its id."""
    found: dict[str, date] = {}
    for rule in _rules(proposals):
        if rule.valid_from > first:
            found[rule.id] = min(rule.valid_from, found.get(rule.id, rule.valid_from))
    return found


def _rules(instruments: Iterable[Instrument]) -> Iterator[Rule]:
    for instrument in instruments:
        for placed in instrument.rules:
            yield placed.rule


def _without(instrument: Instrument, first: date, moved: Mapping[str, date]) -> Instrument:
    rules = tuple(
        placed
        for placed in instrument.rules
        if not first <= placed.rule.valid_from < moved.get(placed.rule.id, first)
    )
    return replace(instrument, rules=rules)


def _moved(placed: Placed, first: date, moved: Mapping[str, date]) -> Placed:
    rule = placed.rule
    by = timedelta()
    if rule.valid_from > first:
        by = moved[rule.id] - first
    ends = None if rule.valid_to is None else rule.valid_to - by
    since = rule.valid_from - by
    return placed._replace(rule=replace(rule, valid_from=since, valid_to=ends, enabled=True))
