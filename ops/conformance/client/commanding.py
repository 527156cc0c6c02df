"""How a client carries out commands."""

from __future__ import annotations

from typing import Any, Final

import trio

from ops.conformance.client.contract import transaction
from ops.conformance.client.stage import Stage
from ops.conformance.client.visit import Visit
from ops.conformance.errors import check, check_equal
from ops.conformance.peer import Fields
from ops.conformance.rules import Section

SECTION: Final[Section[Stage]] = Section(16, "Commands")
HOUR_MS: Final = 3_600_000
LANE: Final[list[Any]] = ["lane", "closed"]


async def reported(visit: Visit, command_id: str, *states: str) -> Fields:
    """Wait until the client reports that a command stands in one of some states."""
    while True:
        report = await visit.hear("report")
        if report["id"] == command_id and report["state"] in states:
            return report


async def carried_out(visit: Visit, *, heartbeats: int = 2) -> int:
    """Return how many commands the client has carried out, as a heartbeat says.

    Args:
      visit: the connection.
      heartbeats: how many to wait for; one may be on its way since before a command was told.
    """
    visit.has_heard("heartbeat")
    told = [(await visit.hear("heartbeat"))["battery"] for _ in range(heartbeats)]
    return int(told[-1])


async def command(
    stage: Stage, visit: Visit, command_id: str, body: list[Any], *, for_ms: int = HOUR_MS
) -> None:
    """Tell a command."""
    await visit.say("command", command_id, body, stage.clock_ms() + for_ms)


def commanded(stage: Stage, count: int = 0) -> int:
    """Return how many commands ought to be carried out by now, some more than before."""
    stage.memory["commanded"] = stage.memory.get("commanded", 0) + count
    return int(stage.memory["commanded"])


@SECTION.rule("then `done`, or `failed` with the")
async def _a_command_is_carried_out_and_reported(stage: Stage) -> None:
    bodies: list[list[Any]] = [
        LANE,
        ["log_level", "debug"],
        ["log_level", "info", 60],
        ["card", "6013500100000001", "block"],
    ]
    async with stage.session(credits_=1, heartbeat_s=1) as visit:
        for number, body in enumerate(bodies):
            await command(stage, visit, f"ani/{number}", body)
            await reported(visit, f"ani/{number}", "done")
        found = await carried_out(visit, heartbeats=1)
        check_equal("commands that were carried out", found, commanded(stage, len(bodies)))


@SECTION.rule("carries each out **once**; when it hears of one")
async def _a_command_that_is_told_again_is_carried_out_once(stage: Stage) -> None:
    async with stage.session(credits_=1, heartbeat_s=1) as visit:
        commanded(stage, 1)
        for _ in range(2):
            await command(stage, visit, "ani/twice", LANE)
            await reported(visit, "ani/twice", "done")
        check_equal("commands that were carried out", await carried_out(visit), commanded(stage))
    async with stage.session(credits_=1, heartbeat_s=1) as visit:
        await command(stage, visit, "ani/twice", LANE)
        await reported(visit, "ani/twice", "done")
        check_equal("after a reconnect", await carried_out(visit), commanded(stage))


@SECTION.rule("on the node's clock: do not begin later")
async def _a_command_whose_time_is_over_is_not_begun(stage: Stage) -> None:
    async with stage.session(credits_=1, heartbeat_s=1) as visit:
        await trio.sleep(0.1)
        await command(stage, visit, "ani/late", LANE, for_ms=-1_000)
        check_equal("commands that were carried out", await carried_out(visit), commanded(stage))
        reports = [each for each in visit.has_heard("report") if each["id"] == "ani/late"]
        check("done" not in [each["state"] for each in reports], "it says that it is done")


@SECTION.rule("One of a kind that it does not know")
async def _a_command_of_a_later_version_has_failed(stage: Stage) -> None:
    async with stage.session(credits_=1, heartbeat_s=1) as visit:
        await command(stage, visit, "ani/later", ["open_sesame", 5, ["deep"]])
        report = await reported(visit, "ani/later", "failed", "done")
        check_equal("its state", report["state"], "failed")
        check(report["text"], "it does not say why")
        check_equal("commands that were carried out", await carried_out(visit), commanded(stage))


@SECTION.rule("The terminal sends what it has itself written down of these transactions, in parts")
async def _a_journal_is_sent_in_parts(stage: Stage) -> None:
    async with stage.session(credits_=1, heartbeat_s=1) as visit:
        await command(stage, visit, "ani/journal", ["send_journal", 2, 6])
        found: list[Any] = []
        number = 0
        while len(found) < 5:  # noqa: PLR2004 - those from 2 to 6
            part = await visit.hear("journal_part")
            check_equal("the command", part["id"], "ani/journal")
            check_equal("the number of the part", part["part"], number)
            found += part["transactions"]
            receipt = ["ani/journal", "done", "", "", "", 0, number]
            await visit.say("receipt", *receipt)
            number += 1
        wanted = [transaction(counter) for counter in range(2, 7)]
        check_equal("what it has written down", [_short(each) for each in found], wanted)
        await reported(visit, "ani/journal", "done")


def _short(sent: list[Any]) -> list[Any]:
    counter, at_ms, intent = sent
    return [counter, at_ms, intent[:7]]
