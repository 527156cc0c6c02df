"""Lists: what changes one into another, and when a second officer has to look."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.fleet.lists import GuardRules, Put, difference, in_order, merged

KEYS = st.text(st.sampled_from("ABc09"), min_size=1, max_size=3)
LISTS = st.dictionaries(KEYS, st.sampled_from(["lost", "stolen"]))
CHANGES = st.dictionaries(KEYS, st.sampled_from(["lost", "stolen", None]))


def applied(before: dict[str, str], changes: list[Put]) -> dict[str, str]:
    after = dict(before)
    for key, value in changes:
        if value is None:
            del after[key]
        else:
            after[key] = value
    return after


@given(before=LISTS, after=LISTS)
def test_a_difference_leads_from_one_list_to_the_other_and_holds_nothing_else(
    before: dict[str, str], after: dict[str, str]
) -> None:
    changes = [*difference(iter(sorted(before.items())), iter(sorted(after.items())))]
    assert applied(before, changes) == after
    assert [key for key, _ in changes] == sorted(
        key for key in before | after if before.get(key) != after.get(key)
    )


@given(changes=st.lists(CHANGES, max_size=4))
def test_changes_one_after_the_other_are_one_change(changes: list[dict[str, str | None]]) -> None:
    together = merged(change.items() for change in changes)
    for key, value in together.items():
        assert value == [change[key] for change in changes if key in change][-1]


@given(changes=CHANGES)
def test_a_change_is_in_the_order_of_the_bytes_of_its_keys(changes: dict[str, str | None]) -> None:
    keys = [key.encode() for key, _ in in_order(changes)]
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    ("free", "issued"),
    [(100, 0), (100, 100_999), (101, 101_000), (10_000, 10_000_000), (13_000, 13_000_000)],
)
def test_more_than_one_card_in_a_thousand_needs_a_second_officer(free: int, issued: int) -> None:
    assert not GuardRules().needs_second(free, issued)
    assert GuardRules().needs_second(free + 1, issued)
