"""States of commands: they only go forward, whatever order is told."""

from __future__ import annotations

from itertools import permutations

import pytest

from engine.fleet.commands import OPEN_STATES, CommandState, advanced

ACCEPTED, DELIVERED, DONE, FAILED, EXPIRED = CommandState


@pytest.mark.parametrize(
    ("state", "told", "then"),
    [
        (ACCEPTED, DELIVERED, DELIVERED),
        (ACCEPTED, EXPIRED, EXPIRED),
        (DELIVERED, ACCEPTED, DELIVERED),
        (DELIVERED, DONE, DONE),
        (EXPIRED, DELIVERED, EXPIRED),
        (EXPIRED, DONE, DONE),
        (EXPIRED, FAILED, FAILED),
        (DONE, EXPIRED, DONE),
        (DONE, FAILED, DONE),
        (FAILED, DONE, FAILED),
    ],
)
def test_what_is_told_moves_a_command_forward_only(
    state: CommandState, told: CommandState, then: CommandState
) -> None:
    assert advanced(state, told) is then


def test_whatever_order_facts_come_in_they_lead_to_the_same_end() -> None:
    for order in permutations((DELIVERED, EXPIRED, DONE)):
        state = ACCEPTED
        for told in order:
            state = advanced(state, told)
        assert state is DONE


def test_a_command_is_open_until_it_has_an_end() -> None:
    assert set(CommandState) - OPEN_STATES == {DONE, FAILED, EXPIRED}
