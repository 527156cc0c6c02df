"""What has to be right on every connection, whatever is played."""

from __future__ import annotations

from typing import Final

from ops.conformance.client.stage import Stage
from ops.conformance.errors import NotTried, check
from ops.conformance.rules import Section

CONNECTION: Final[Section[Stage]] = Section(1, "Connection", mark="w")
ENCODING: Final[Section[Stage]] = Section(2, "Encoding", mark="w")
HANDSHAKE: Final[Section[Stage]] = Section(3, "Handshake", mark="w")
SESSION: Final[Section[Stage]] = Section(4, "Messages of a session", mark="w")
OUTCOMES: Final[Section[Stage]] = Section(7, "Outcomes", mark="w")
SENDING: Final[Section[Stage]] = Section(8, "Sending again, credits, heartbeats", mark="w")


def never(stage: Stage, kind: str) -> None:
    """Check that nothing of a kind was found wrong."""
    if not stage.book.highest:
        raise NotTried("the client has delivered nothing")
    check(kind not in stage.book.faults, stage.book.faults.get(kind, ""))


@CONNECTION.rule("A websocket (RFC 6455) over")
async def _frames_are_masked_and_binary(stage: Stage) -> None:
    never(stage, "frames")


@ENCODING.rule("The fields follow in the order of the tables below.")
async def _every_message_has_its_fields(stage: Stage) -> None:
    never(stage, "shape")


@HANDSHAKE.rule("The proof text is, joined without")
async def _every_proof_is_right(stage: Stage) -> None:
    never(stage, "proof")


@SESSION.rule("most transactions of one `submit`", limits=("transactions_per_frame_max",))
async def _no_submit_holds_more_than_it_may(stage: Stage) -> None:
    never(stage, "per_frame")


@OUTCOMES.rule("it took effect, and is on disk")
async def _nothing_is_sent_after_its_final_result(stage: Stage) -> None:
    never(stage, "final")


@SENDING.rule("A `submit` takes one for each transaction;", limits=("credits",))
async def _no_more_is_sent_than_there_are_credits(stage: Stage) -> None:
    never(stage, "credits")


@SENDING.rule("Send the very same content: counter, `at_ms`, intent.")
async def _content_is_always_the_same(stage: Stage) -> None:
    never(stage, "content")
