"""What an advice tells that a chip did."""

from __future__ import annotations

import pytest

from engine.advices import on_cards, told_change_rp
from engine.transaction import (
    Block,
    Group,
    Intent,
    Purchase,
    Subsidy,
    Tap,
    TopUp,
    Withdrawal,
)

PROOF = b"mac"
TAP = Tap("A", 5, "tj", "out", proof=PROOF)


@pytest.mark.parametrize(
    ("intent", "change_rp"),
    [
        (TAP, -5),
        (Tap("A", 5, "tj", "out"), 0),
        (Purchase("A", 7, "shop", proof=PROOF), -7),
        (Withdrawal("A", 9, "dki", proof=PROOF), -9),
        (TopUp("A", 20, "dki", proof=PROOF), 20),
        (TopUp("A", 20, "dki", leg="chip", proof=PROOF), 20),
        (TopUp("A", 20, "dki", leg="bank", proof=PROOF), 0),
        (Group((TopUp("A", 20, "dki"), TAP, Subsidy("kjp", "tj", 3))), 15),
        (Group((TopUp("A", 20, "dki"), Subsidy("kjp", "tj", 3))), 0),
        (Block("A", "lost"), 0),
    ],
)
def test_the_change_of_a_chip_is_that_of_all_parts_of_an_advice(
    intent: Intent, change_rp: int
) -> None:
    assert told_change_rp(intent) == change_rp


def test_movements_are_told_with_where_they_stand() -> None:
    group = Group((Subsidy("kjp", "tj", 3), TAP))
    assert on_cards(group) == [("parts[1].", TAP)]
    assert on_cards(TAP) == [("", TAP)]
    assert on_cards(Subsidy("kjp", "tj", 3)) == []
