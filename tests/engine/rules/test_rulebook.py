"""Which version of a rule holds on a day."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.calendar import date_of_day, day_of_date
from engine.rules import rulebook
from engine.rules.kinds import FlatFare, PurseLimit
from engine.rules.reading import RulesInvalid
from engine.rules.rulebook import Rulebook, Version
from tests.engine.rules.written import limit, rule, written
from tests.engine.rules_here import RULEBOOK

FIRST = day_of_date(date(2019, 1, 1))
FLAT = 'services = ["krl"]\namount_rp = {}\n'


def fare(amount_rp: int, since: date, until: date | None = None, *, enabled: bool = True) -> str:
    ends = "" if until is None else f"valid_to = {until}\n"
    on = "" if enabled else "enabled = false\n"
    figures = ends + on + FLAT.format(amount_rp)
    return rule("fare.a", "flat_fare", figures, since=since.isoformat())


def amount_of(found: Version | None) -> int | None:
    if found is None:
        return None
    assert isinstance(found.rule, FlatFare)
    return found.rule.amount_rp


DAYS = st.integers(0, 40)
VERSIONS = st.dictionaries(
    DAYS, st.tuples(st.none() | st.integers(0, 9), st.booleans()), min_size=1
)


@given(VERSIONS, DAYS, st.randoms(use_true_random=False))
def test_the_newest_version_that_has_begun_holds_until_it_ends(
    versions: dict[int, tuple[int | None, bool]], asked: int, random: Random
) -> None:
    begin = date(2019, 1, 1)
    texts = [
        fare(
            since,
            begin + timedelta(since),
            None if lasts is None else begin + timedelta(since + lasts),
            enabled=enabled,
        )
        for since, (lasts, enabled) in versions.items()
    ]
    random.shuffle(texts)
    book = Rulebook([written(f"i{number}", text) for number, text in enumerate(texts)])
    begun = [since for since, (_, enabled) in versions.items() if enabled and since <= asked]
    expected = max(begun, default=None)
    if expected is not None:
        lasts = versions[expected][0]
        if lasts is not None and asked > expected + lasts:
            expected = None
    found = book.on("fare.a", FIRST + asked)
    assert amount_of(found) == expected
    if found is not None:
        assert found.first_day <= FIRST + asked
        assert found.last_day is None or FIRST + asked <= found.last_day
        assert book.in_force(FIRST + asked) == [found]


@given(VERSIONS)
def test_nothing_changes_but_on_the_days_that_are_told(
    versions: dict[int, tuple[int | None, bool]],
) -> None:
    begin = date(2019, 1, 1)
    texts = [
        fare(
            1, begin + timedelta(since), None if lasts is None else begin + timedelta(since + lasts)
        )
        for since, (lasts, _) in versions.items()
    ]
    book = Rulebook([written("a", *texts)])
    days = range(FIRST - 1, FIRST + 60)
    held = [book.on("fare.a", day) for day in days]
    changed = {
        day for day, one, other in zip(days[1:], held, held[1:], strict=False) if one != other
    }
    assert changed <= set(book.changes())


def test_a_newer_instrument_ends_an_older_one_without_touching_its_file() -> None:
    old, new = written("old", fare(1, date(2019, 1, 1))), written("new", fare(2, date(2020, 1, 1)))
    book = Rulebook([new, old])
    first, second = book.versions("fare.a")
    assert date_of_day(first.last_day or 0) == date(2019, 12, 31)
    assert (second.last_day, first.place, second.place) == (None, "old.toml:7", "new.toml:7")
    assert book.versions("fare.b") == ()
    assert book.on("fare.b", FIRST) is None


def test_the_rules_of_many_days_are_not_all_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rulebook, "DAYS_REMEMBERED_MAX", 2)
    book = Rulebook([written("a", fare(1, date(2019, 1, 1)), fare(2, date(2019, 1, 3)))])
    for _ in range(2):
        days = [book.in_force(FIRST + day) for day in range(-1, 5)]
        assert [amount_of(next(iter(found), None)) for found in days] == [None, 1, 1, 2, 2, 2]


def test_rules_of_a_kind_are_found() -> None:
    book = Rulebook([written("a", fare(1, date(2019, 1, 1)), limit("registered"))])
    assert [found.id for found in book.of_kind(FlatFare, FIRST)] == ["fare.a"]
    assert [found.id for found in book.of_kind(PurseLimit, FIRST)] == ["purse.registered"]
    assert book.ids == ["fare.a", "purse.registered"]


def test_what_contradicts_itself_is_refused() -> None:
    one = written("one", fare(1, date(2019, 1, 1)))
    for other, what in (
        (fare(2, date(2019, 1, 1)), "valid_from 2019-01-01: so does the version at one.toml:7"),
        (limit("registered", since="2020-01-01").replace("purse.registered", "fare.a"), "kind: it"),
    ):
        with pytest.raises(RulesInvalid) as caught:
            Rulebook([one, written("two", other)])
        (fault,) = caught.value.faults
        assert fault[:3] == ("two.toml", 7, "fare.a")
        assert fault.what.startswith(what)


def test_an_instrument_is_in_one_file() -> None:
    one = written("one", fare(1, date(2019, 1, 1)))
    with pytest.raises(RulesInvalid, match="the instrument one is in one"):
        Rulebook([one, type(one)(one.head, "other/one.toml", ())])


def test_every_rule_that_comes_with_the_program_says_where_it_is_from() -> None:
    for rule_id in RULEBOOK.ids:
        for version in RULEBOOK.versions(rule_id):
            found = version.rule
            assert found.article
            assert found.source
            assert found.says_id != found.says_en
