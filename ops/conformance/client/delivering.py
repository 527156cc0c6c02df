"""How a client opens a connection, and delivers what it has."""

from __future__ import annotations

from base64 import b64decode
from itertools import pairwise
from typing import Final

import trio

from ops.conformance.client.reconnecting import check_pause
from ops.conformance.client.stage import Stage
from ops.conformance.client.visit import not_yet, posted
from ops.conformance.errors import check, check_equal
from ops.conformance.limits import QUIET_S
from ops.conformance.rules import Section

CONNECTION: Final[Section[Stage]] = Section(1, "Connection")
HANDSHAKE: Final[Section[Stage]] = Section(3, "Handshake")
SECTION: Final[Section[Stage]] = Section(8, "Sending again, credits, heartbeats")
ENCODING: Final[Section[Stage]] = Section(2, "Encoding")

WEBSOCKET_KEY_BYTES: Final = 16
FEW: Final = 3
"""Credits that are used up at once."""
SOON_MS, LATER_MS = 300, 700
"""When to send again what was in progress, and what was turned away."""
LATE_S: Final = 5.0
"""How late that may be."""
BEAT_S_MAX: Final = 2.5
"""Between two heartbeats, where one is due every second."""
DEAD_S: Final = 15.0
"""Until a client gives a connection up where one is due every second: eleven, and some slack."""


@CONNECTION.rule("The client must offer the subprotocol `jakarta-one.v1`.")
async def _the_request_is_that_of_a_websocket(stage: Stage) -> None:
    async with stage.caller() as visit:
        line, headers = await visit.turn_away()
        check_equal("the first line", line, "GET / HTTP/1.1")
        check("host" in headers, "it names no host")
        check_equal("Upgrade", headers.get("upgrade", "").lower(), "websocket")
        connection = [each.strip() for each in headers.get("connection", "").lower().split(",")]
        check("upgrade" in connection, f"Connection is {connection}")
        check_equal("the version", headers.get("sec-websocket-version"), "13")
        key = b64decode(headers.get("sec-websocket-key", ""))
        check_equal("bytes of the key", len(key), WEBSOCKET_KEY_BYTES)
        offered = headers.get("sec-websocket-protocol", "").replace(" ", "").split(",")
        check("jakarta-one.v1" in offered, f"the subprotocols are {offered}")
        check("origin" not in headers, "it sends an Origin")


@HANDSHAKE.rule(
    "The terminal signs the **proof text** with its private key and sends the signature"
)
async def _the_handshake_may_come_in_pieces(stage: Stage) -> None:
    async with stage.session(in_pieces=True) as visit:
        await visit.pongs(*[b"one", b"two"] * 2)


@SECTION.rule("so wait for outcomes when they are used up.", limits=("credits",))
async def _credits_that_are_used_up_are_waited_for(stage: Stage) -> None:
    async with stage.session(credits_=FEW, per_frame_max=2, is_of_use=False) as visit:
        left = stage.book.left()
        first = await visit.submitted(FEW)
        check_equal("the first counters", first, left[:FEW])
        await visit.hear_for(QUIET_S)
        check_equal("without an outcome", len(visit.unanswered), FEW)
        await visit.answer(posted(left[1]), posted(left[0]))
        rest = await visit.submitted(FEW)
        check_equal("the counters then", rest, left[2 : 2 + FEW])


@SECTION.rule(
    "Until a transaction has a final result (`posted`, `refused`, `conflict`), keep it and"
)
async def _what_was_not_answered_is_sent_again_oldest_first(stage: Stage) -> None:
    async with stage.session(is_of_use=False) as visit:
        left = stage.book.left()
        found = await visit.submitted(len(left))
        check_equal("what came", found, left)
        # An outcome of which only half arrives is none.
        await visit.say_half("outcome", [posted(left[0]), posted(left[1])], 2)


@SECTION.rule("after a reconnect, after")
async def _an_outcome_that_was_cut_off_is_none(stage: Stage) -> None:
    async with stage.session(is_of_use=False) as visit:
        left = stage.book.left()
        check_equal("what came", await visit.submitted(len(left)), left)
        await visit.answer(*(posted(counter) for counter in left[:2]), in_pieces=True)
        await visit.pongs(b"one", b"two")


@SECTION.rule("Send the very same content: counter, `at_ms`, intent. The node answers")
async def _what_is_in_progress_or_turned_away_is_sent_when_it_is_told(stage: Stage) -> None:
    async with stage.session(is_of_use=False) as visit:
        left = stage.book.left()
        await visit.submitted(len(left))
        soon, late, *others = left[:6]
        said_s = trio.current_time()
        await visit.answer(not_yet(soon, "in_progress", SOON_MS), not_yet(late, "busy", LATER_MS))
        waiting = len(left) - 2
        for counter, after_ms in ((soon, SOON_MS), (late, LATER_MS)):
            waiting += 1
            found = await visit.submitted(waiting)
            took_ms = (trio.current_time() - said_s) * 1000
            check_equal("what came again", found[-1], counter)
            check(took_ms >= after_ms - 20, f"{counter} came after {took_ms:.0f} ms")
            check(took_ms <= after_ms + LATE_S * 1000, f"{counter} came after {took_ms:.0f} ms")
        stage.memory["settled"] = [soon, late, *others]
        refused = [others[1], "refused", 0, 99, False, "card_unknown", "card.status", "card"]
        conflict = [others[2], "conflict", 0, 98, True, "", "", "at_ms"]
        await visit.answer(conflict, refused, posted(others[0], repeated=True), posted(others[3]))
        await visit.answer(posted(late, repeated=True), posted(soon, repeated=True))


@SECTION.rule("to try again, use a new counter")
async def _what_is_settled_is_not_sent_again(stage: Stage) -> None:
    async with stage.session(is_of_use=False) as visit:
        left = stage.book.left()
        found = await visit.submitted(len(left))
        check_equal("what came", found, left)
        settled = set(stage.memory.get("settled", ())) & set(found)
        check(not settled, f"{settled} came again")


@ENCODING.rule(
    "it passes over elements that stand after the fields it knows, because a later version"
)
async def _elements_of_a_later_version_are_passed_over(stage: Stage) -> None:
    async with stage.caller() as visit:
        visit.later = True
        await visit.accept()
        await visit.greet(heartbeat_s=1)
        left = stage.book.left()
        await visit.submitted(len(left))
        await visit.answer(*(posted(counter) for counter in left[:4]))
        for _ in range(2):
            await visit.hear("heartbeat")


@SECTION.rule("When nothing else was sent for `heartbeat_s`, send a `heartbeat`.")
async def _heartbeats_come_when_nothing_else_does(stage: Stage) -> None:
    async with stage.session(credits_=1, heartbeat_s=1) as visit:
        beats: list[float] = [trio.current_time()]
        backlogs: list[int] = []
        for _ in range(3):
            backlogs.append((await visit.hear("heartbeat"))["backlog"])
            beats.append(trio.current_time())
        # The first one may have crossed with an outcome.
        check_equal("the backlog", backlogs[-1], len(stage.book.left()))
        pauses_s = [later - before for before, later in pairwise(beats)]
        check(max(pauses_s) <= BEAT_S_MAX, f"pauses of {max(pauses_s):.1f} s")


@SECTION.rule("where nothing at all comes within ten seconds, the connection is dead")
async def _a_connection_without_a_pulse_is_left(stage: Stage) -> None:
    async with stage.session(credits_=1, heartbeat_s=1) as visit:
        visit.pulses = False
        check(await visit.is_left_within(DEAD_S), f"it stays for {DEAD_S:g} s")
    async with stage.session():
        check_pause(stage, 0)


@CONNECTION.rule("Pings are answered;")
async def _pings_are_answered(stage: Stage) -> None:
    async with stage.session() as visit:
        for payload in (b"", bytes(125)):
            await visit.ping(payload)
        await visit.pongs(b"", bytes(125))
