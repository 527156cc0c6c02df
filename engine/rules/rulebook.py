"""The rulebook: all rules of all instruments, and which of them hold on a day.

A rule is known by its id and has versions. On a day the version with the newest first day holds: a
newer instrument puts an older one out of force without a change of its file. A version that is not
enabled never holds, and puts nothing out of force. Nothing here is decided by the order of files.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from itertools import pairwise
from typing import Final, NamedTuple, TypeVar

from engine.calendar import date_of_day, day_of_date
from engine.rules.kinds import Rule, RuleHead
from engine.rules.reading import Fault, Instrument, Placed, RulesInvalid

K = TypeVar("K", bound=Hashable)
R = TypeVar("R", bound=RuleHead)


DAYS_REMEMBERED_MAX: Final = 64
"""Days whose rules are kept: those of late taps, and of a month that is gone through in order."""


class Version(NamedTuple):
    """A version of a rule.

    Attributes:
      line: on which it begins in the file of its instrument.
      first_day, last_day: between which it holds, both included, as counted by engine.calendar: it
        ends by itself or where a newer version begins. last_day None: without end.
    """

    rule: Rule
    instrument: Instrument
    line: int
    first_day: int
    last_day: int | None

    @property
    def place(self) -> str:
        """File and line."""
        return f"{self.instrument.file}:{self.line}"


class Rulebook:
    """Rules by id, each with its versions, oldest first.

    Args:
      instruments: as they were read.

    Raises:
      RulesInvalid: two versions of a rule begin on the same day or are of different kinds, or two
        files hold the same instrument.
    """

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self.instruments = sorted(instruments, key=lambda instrument: instrument.head.id)
        self._versions: dict[str, tuple[Version, ...]] = {}
        self._days: dict[int, list[Version]] = {}
        faults = list(self._same_instruments())
        found: dict[str, list[Version]] = {}
        for instrument in self.instruments:
            for placed in instrument.rules:
                version = _version(placed, instrument)
                found.setdefault(version.rule.id, []).append(version)
        for rule_id, versions in sorted(found.items()):
            versions.sort(key=lambda version: version.first_day)
            faults += _contradictions(versions)
            self._versions[rule_id] = tuple(_in_turn(versions))
        if faults:
            raise RulesInvalid(faults)

    def _same_instruments(self) -> Iterator[Fault]:
        seen: dict[str, str] = {}
        for instrument in self.instruments:
            before = seen.setdefault(instrument.head.id, instrument.file)
            if before != instrument.file:
                what = f"the instrument {instrument.head.id} is in {before} as well"
                yield Fault(instrument.file, 1, "", what)

    @property
    def ids(self) -> list[str]:
        """The ids of all rules, in their order."""
        return list(self._versions)

    def versions(self, rule_id: str) -> tuple[Version, ...]:
        """Return the versions of a rule, oldest first; none if there is no such rule."""
        return self._versions.get(rule_id, ())

    def cited(self, name: str) -> Version | None:
        """Return the version that a decision cites by its name, or None."""
        versions = self.versions(name.partition("@")[0])
        return next((version for version in versions if version.rule.version == name), None)

    def on(self, rule_id: str, day: int) -> Version | None:
        """Return the version of a rule that holds on a day of Jakarta, or None."""
        for version in reversed(self.versions(rule_id)):
            if version.rule.enabled and version.first_day <= day:
                ended = version.last_day is not None and version.last_day < day
                return None if ended else version
        return None

    def in_force(self, day: int) -> list[Version]:
        """Return all that holds on a day of Jakarta, in the order of the ids."""
        known = self._days.get(day)
        if known is None:
            if len(self._days) >= DAYS_REMEMBERED_MAX:
                self._days.clear()
            found = (self.on(rule_id, day) for rule_id in self._versions)
            known = self._days[day] = [version for version in found if version is not None]
        return list(known)

    def of_kind(self, kind: type[R], day: int) -> list[R]:
        """Return the rules of a kind that hold on a day."""
        rules = (version.rule for version in self.in_force(day))
        return [rule for rule in rules if isinstance(rule, kind)]

    def changes(self) -> list[int]:
        """Return the days on which something begins to hold, or does no more, in order."""
        days: set[int] = set()
        for versions in self._versions.values():
            for version in versions:
                days.add(version.first_day)
                if version.last_day is not None:
                    days.add(version.last_day + 1)
        return sorted(days)


def one_each(rules: Iterable[tuple[K, R]], day: int) -> dict[K, R]:
    """Return rules of a day by what they are about.

    Raises:
      RulesInvalid: two of them are about the same.
    """
    found: dict[K, R] = {}
    for key, rule in rules:
        other = found.setdefault(key, rule)
        if other is not rule:
            what = f"on {date_of_day(day)} it says what {other.version} says as well"
            raise RulesInvalid([Fault("rules", 0, rule.version, what)])
    return found


def _version(placed: Placed, instrument: Instrument) -> Version:
    first, last = placed.rule.valid_from, placed.rule.valid_to
    last_day = None if last is None else day_of_date(last)
    return Version(placed.rule, instrument, placed.line, day_of_date(first), last_day)


def _in_turn(versions: list[Version]) -> Iterator[Version]:
    for number, version in enumerate(versions):
        last_day = version.last_day
        newer = next((one for one in versions[number + 1 :] if one.rule.enabled), None)
        if version.rule.enabled and newer is not None:
            last_day = min(newer.first_day - 1, newer.first_day if last_day is None else last_day)
        yield version._replace(last_day=last_day)


def _contradictions(versions: list[Version]) -> Iterator[Fault]:
    for one, other in pairwise(versions):
        file, rule = other.instrument.file, other.rule.id
        if one.first_day == other.first_day:
            what = f"valid_from {other.rule.valid_from}: so does the version at {one.place}"
            yield Fault(file, other.line, rule, what)
        if type(one.rule) is not type(other.rule):
            yield Fault(file, other.line, rule, f"kind: it is another one at {one.place}")
