"""Questions whose fields do not go together are told so, with the field."""

from __future__ import annotations

import pytest

from protocol.limits import SHIFT_COUNTERS_MAX
from protocol.messages import BalanceOf, ChipOf, Question, ShiftOf, StatementOf, TreeOf
from protocol.sense import nonsense


@pytest.mark.parametrize(
    ("question", "field"),
    [
        (BalanceOf(1, "C", 1, 1), "at_ms"),
        (StatementOf(1, "C", 1, at_ms=1), "at_ms"),
        (ChipOf(), "uid"),
        (ChipOf("C", b"uid"), "uid"),
        (ShiftOf("T", 2, 1, 0, 0), "last"),
        (ShiftOf("T", 1, SHIFT_COUNTERS_MAX + 1, 0, 0), "last"),
    ],
)
def test_nonsense_is_told(question: Question, field: str) -> None:
    failed = nonsense(question)
    assert failed is not None
    assert (failed.code, failed.field) == ("question_invalid", f"query.question.{field}")


@pytest.mark.parametrize(
    "question",
    [
        BalanceOf(1, "C", 1),
        StatementOf(1, "C", at_ms=1),
        ChipOf("C"),
        ChipOf(uid=b"uid"),
        ShiftOf("T", 2, 2, 0, 0),
        ShiftOf("T", 1, SHIFT_COUNTERS_MAX, 0, 0),
        TreeOf(),
    ],
)
def test_what_makes_sense_is_not(question: Question) -> None:
    assert nonsense(question) is None
