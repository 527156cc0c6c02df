"""How a connection ends, and how a client comes back."""

from __future__ import annotations

from typing import Final

from ops.conformance.client.stage import Stage
from ops.conformance.errors import check, check_equal
from ops.conformance.rules import Section

SECTION: Final[Section[Stage]] = Section(11, "Reconnecting")
ENDINGS: Final[Section[Stage]] = Section(10, "How a connection ends")
THE_END: Final[Section[Stage]] = Section(10, "How a connection ends", mark="end")

UNKNOWN_CLOSE: Final = 4999
AWAY_S: Final = 4.0
"""How long a client is watched that ought not to come back."""


def check_pause(stage: Stage, doublings: int) -> None:
    """Check how long the client was away: a second, doubled, times 0.5 to 1, and some slack."""
    longest_s = 2**doublings
    least_s, most_s = 0.4 * longest_s, 1.5 * longest_s + 1
    away_s = stage.pause_s
    check(least_s <= away_s <= most_s, f"after {away_s:.2f} s, not {least_s}..{most_s} s")


@ENDINGS.rule("the node is stopped or started again")
async def _a_node_that_stops_is_come_back_to(stage: Stage) -> None:
    async with stage.session() as visit:
        await visit.fail("node_stopping")
    async with stage.session():
        check_pause(stage, 0)


@SECTION.rule("about a second at first, twice as long each time, up to a minute, and each time")
async def _pauses_grow_while_nobody_is_let_in(stage: Stage) -> None:
    for doublings in range(2):
        async with stage.caller() as visit:
            check_pause(stage, doublings)
            await visit.turn_away()
    async with stage.session():
        check_pause(stage, 2)


@SECTION.rule("Begin anew with a connection that was of use:")
async def _pauses_begin_anew_after_a_connection_of_use(stage: Stage) -> None:
    async with stage.session(is_of_use=False):
        check_pause(stage, 0)
    async with stage.session():
        check_pause(stage, 1)
    async with stage.session():
        check_pause(stage, 0)


@ENDINGS.rule("Unknown codes are to be treated as *later*.")
async def _a_code_of_a_later_version_means_later(stage: Stage) -> None:
    async with stage.session() as visit:
        await visit.say("error", "moon_phase", "submit.moon", "not tonight")
        await visit.close(UNKNOWN_CLOSE)
    async with stage.session():
        check_pause(stage, 0)


@ENDINGS.rule("just break off, or end with 1000, 1001 or no close frame: *later*.")
async def _an_ending_without_a_code_means_later(stage: Stage) -> None:
    for code in (1000, 1001, None):
        async with stage.session() as visit:
            found = await visit.close(code)
            check(found in {code, 1000, 1005}, f"the close frame is answered with {found}")
    async with stage.session():
        check_pause(stage, 0)


@ENDINGS.rule("no message for `idle_s`")
async def _codes_that_mean_later_are_come_back_from(stage: Stage) -> None:
    for code in ("idle", "rate_exceeded", "internal_error"):
        async with stage.session() as visit:
            await visit.fail(code)
    async with stage.session():
        check_pause(stage, 0)


@THE_END.rule("An outcome with a `position` is on disk")
async def _everything_is_delivered(stage: Stage) -> None:
    async with stage.session() as visit:
        await visit.answer_all()
        await visit.hear_for(0.5)
        check_equal("what came besides", visit.unanswered, [])


@THE_END.rule("*enrolled*: not before an operator has enrolled a key.")
async def _a_revoked_key_is_not_tried_again(stage: Stage) -> None:
    async with stage.session() as visit:
        await visit.fail("key_revoked")
    check(await stage.nobody_comes(AWAY_S), f"it came back within {AWAY_S:g} s")
