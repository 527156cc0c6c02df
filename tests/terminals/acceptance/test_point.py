"""Where a terminal stands: what no node takes is refused before anything is done in its name."""

from __future__ import annotations

import pytest

from terminals.acceptance.point import Places, Point, Setting, mark_of, setting
from tests.terminals.acceptance.lab import PLACES


@pytest.mark.parametrize(
    "described",
    [
        {"operator": "trans jakarta"},
        {"operator": "a/b"},
        {"merchant": "toko*"},
        {"bank": "x" * 65},
        {"place": "x" * 65},
        {"line": "x" * 65},
        {"merchant_kind": "x" * 65},
    ],
)
def test_what_no_node_takes_is_refused_by_the_name_of_its_field(described: dict[str, str]) -> None:
    (field,) = described
    with pytest.raises(ValueError, match=field):
        Point(kind="gate", terminal="GATE-01", **described)  # type: ignore[arg-type]


def test_what_is_as_long_as_it_may_be_is_taken() -> None:
    point = Point(kind="gate", terminal="GATE-01", operator="o" * 64, place="Blok M " * 9)
    assert point.mark == mark_of(None, point.place)


def test_places_are_found_by_their_marks_and_else_by_their_service() -> None:
    assert PLACES.find(mark_of("mrt", "Senayan")) == ("mrt", "Senayan")
    assert PLACES.find(mark_of("krl", "Bogor")) == ("krl", "")
    assert Places([]).find(mark_of(None, "a shop")) is None


@pytest.mark.parametrize("published", [None, "", "-1", "1.5", "\u0661", "soon"])
def test_a_setting_that_is_no_number_is_as_usual(published: str | None) -> None:
    assert setting(Setting.TOP_UP_OWED_S_MAX, lambda _: published) == 3600
    assert setting(Setting.TOP_UP_OWED_S_MAX, lambda _: "0") == 0
