"""Whose a card is: the visit's that has opened it last, until that ends."""

from __future__ import annotations

import pytest

from terminals.acceptance.turns import Turns
from terminals.errors import CardGone

UID = bytes(7)


def test_the_last_visit_has_the_card_and_the_one_before_changes_nothing() -> None:
    turns, changes = Turns(), list[str]()
    with turns.taken(UID) as first:
        first.do(lambda: changes.append("first"))
        with turns.taken(UID) as second, turns.taken(b"another") as other:
            second.do(lambda: changes.append("second"))
            other.do(lambda: changes.append("other"))
            with pytest.raises(CardGone):
                first.do(lambda: changes.append("too late"))
        # Whoever has had it since knows more of it, also when that is over.
        with pytest.raises(CardGone):
            first.do(lambda: changes.append("too late"))
    assert changes == ["first", "second", "other"]


def test_the_first_to_end_does_not_end_the_turn_of_the_second() -> None:
    turns = Turns()
    first, second = turns.taken(UID), turns.taken(UID)
    first.__enter__()
    later = second.__enter__()
    first.__exit__(None, None, None)
    assert later.do(lambda: 5) == 5
    second.__exit__(None, None, None)
    with pytest.raises(CardGone):
        later.do(lambda: 5)
