"""The run: a bar that says when the node is away, and refusals that name the terminal."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest
import trio
import trio.testing
from rich.progress import Progress

from ops.replay.fleet import Fleet
from ops.replay.run import QUIET_S, SENDING, refusal_of, tell_when_quiet
from protocol.errors import Code
from terminals.errors import NodeRefused


async def test_the_bar_says_how_long_nothing_was_answered(
    autojump_clock: trio.testing.MockClock,
) -> None:
    progress = Progress(disable=True)
    task = progress.add_task(SENDING)
    fleet = SimpleNamespace(unanswered=3, answered=0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tell_when_quiet, progress, task, cast("Fleet", fleet))
        await trio.sleep(QUIET_S - 0.1)
        assert progress.tasks[0].description == SENDING
        await trio.sleep(3)
        assert progress.tasks[0].description == "no answer for 4 s"
        fleet.answered += 1
        await trio.sleep(1)
        assert progress.tasks[0].description == SENDING
        fleet.unanswered = 0
        await trio.sleep(10)
        assert progress.tasks[0].description == SENDING, "nothing is due, so nothing is late"
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (Code.KEY_UNKNOWN, "does not know the key of terminal A1. A node with --dev enrols"),
        (Code.KEY_REVOKED, "the key of terminal A1 was revoked"),
        (Code.KEY_EXPIRED, "the key of terminal A1 has expired"),
        (Code.NOT_ALLOWED, "enrol it for the stops as a terminal or a service"),
        (Code.PROOF_INVALID, "terminal A1: proof_invalid prove.signature: wrong"),
    ],
)
def test_a_refusal_names_the_terminal_and_what_to_do(code: Code, text: str) -> None:
    assert text in refusal_of("A1", NodeRefused(code, "prove.signature", "wrong"))
