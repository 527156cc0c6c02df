"""Questions whose fields do not go together."""

from __future__ import annotations

from protocol import limits
from protocol.errors import QueryCode
from protocol.messages import BalanceOf, ChipOf, Failed, Question, ShiftOf, StatementOf


def nonsense(question: Question) -> Failed | None:
    """Return why a question cannot be answered, whoever asks it; None: it can."""
    match question:
        case BalanceOf(position=int(), at_ms=int()) | StatementOf(before=int(), at_ms=int()):
            return _invalid("at_ms", "a position or a time, not both")
        case ChipOf() if bool(question.card) is (question.uid is not None):
            return _invalid("uid", "a card or the UID of a chip: one of the two")
        case ShiftOf() if not 0 <= question.last - question.first < limits.SHIFT_COUNTERS_MAX:
            return _invalid("last", f"1 to {limits.SHIFT_COUNTERS_MAX} counters")
        case _:
            return None


def _invalid(field: str, text: str) -> Failed:
    return Failed(QueryCode.QUESTION_INVALID, f"query.question.{field}", text)
