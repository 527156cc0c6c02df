"""Selections: what is left out is never everybody by accident."""

from __future__ import annotations

import pytest

from engine.fleet.terminals import Selection


def test_without_a_condition_a_selection_is_empty_also_when_everybody_is_meant() -> None:
    assert Selection().is_empty
    assert Selection(everybody=True).is_empty


@pytest.mark.parametrize(
    "selection",
    [
        Selection(("G",)),
        Selection(kind="gate"),
        Selection(place="Bundaran HI"),
        Selection(operator="mrt"),
    ],
)
def test_with_a_condition_it_is_not(selection: Selection) -> None:
    assert not selection.is_empty
