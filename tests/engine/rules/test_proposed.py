"""Proposals: in force from a day on, whatever day they name."""

from __future__ import annotations

from datetime import date

from engine.calendar import day_of_date
from engine.rules.proposed import Rehearsed, in_force_since
from engine.rules.reading import Instrument
from engine.rules.rulebook import Rulebook
from tests.engine.rules.written import rule, written

FIRST = date(2025, 11, 1)


def fare(since: str, amount_rp: int, more: str = "") -> str:
    return rule(
        "fare", "flat_fare", f'services = ["krl"]\namount_rp = {amount_rp}\n{more}', since=since
    )


def held(
    proposal: Instrument, *others: Instrument, on: date = FIRST
) -> tuple[int | None, list[Rehearsed]]:
    """Return what the fare is on a day, and what became of the proposal."""
    instruments, told = in_force_since(FIRST, [proposal], others)
    found = Rulebook(instruments).on("fare", day_of_date(on))
    return getattr(found and found.rule, "amount_rp", None), told


NOW = written("now", fare("2020-01-01", 1))


def test_a_rule_of_a_later_day_begins_on_the_day_of_the_rehearsal() -> None:
    told = [Rehearsed("fare", date(2027, 1, 1), FIRST, enabled=True)]
    assert held(written("new", fare("2027-01-01", 2)), NOW) == (2, told)


def test_a_rule_that_holds_already_keeps_its_day() -> None:
    told = [Rehearsed("fare", date(2024, 1, 1), date(2024, 1, 1), enabled=True)]
    assert held(written("new", fare("2024-01-01", 2)), NOW) == (2, told)


def test_what_was_decreed_between_the_two_days_is_left_out() -> None:
    between = written("between", fare("2025-11-01", 8), fare("2026-01-01", 9))
    proposal = written("new", fare("2027-01-01", 2))
    assert held(proposal, NOW, between, on=date(2026, 6, 1))[0] == 2


def test_what_is_decreed_for_a_later_day_stays() -> None:
    later = written("later", fare("2028-01-01", 9))
    proposal = written("new", fare("2027-01-01", 2))
    assert held(proposal, NOW, later, on=date(2028, 1, 1))[0] == 9


def test_steps_of_a_proposal_keep_their_distance() -> None:
    proposal = written("new", fare("2027-01-01", 2), fare("2027-01-11", 3))
    assert held(proposal, NOW)[0] == 2
    assert held(proposal, NOW, on=date(2025, 11, 10))[0] == 2
    assert held(proposal, NOW, on=date(2025, 11, 11))[0] == 3


def test_a_version_of_the_proposal_that_holds_by_now_gives_way_to_its_next_one() -> None:
    proposal = written("new", fare("2025-11-01", 2), fare("2027-01-01", 3))
    assert held(proposal)[0] == 3


def test_an_end_is_as_far_from_the_beginning_as_it_was() -> None:
    proposal = written("new", fare("2027-01-01", 2, "valid_to = 2027-01-10"))
    assert held(proposal, on=date(2025, 11, 10))[0] == 2
    assert held(proposal, on=date(2025, 11, 11))[0] is None


def test_a_rule_that_is_not_enabled_is_rehearsed() -> None:
    proposal = written("new", fare("2024-01-01", 2, "enabled = false"))
    amount_rp, (told,) = held(proposal, NOW)
    assert (amount_rp, told.enabled) == (2, False)


def test_other_rules_are_as_they_were() -> None:
    other = written(
        "other", rule("purse", "purse_limit", 'purse = "programme"', since="2026-01-01")
    )
    instruments, _ = in_force_since(FIRST, [written("new", fare("2027-01-01", 2))], [other])
    assert instruments[0] == other
