"""Sections 10 and 11: how a connection ends, and what is left of it."""

from __future__ import annotations

from typing import Final

import trio

from ops.conformance.errors import check, check_equal
from ops.conformance.frames import Opcode, close_payload, close_told, frame
from ops.conformance.keys import TERMINAL
from ops.conformance.kit import Kit
from ops.conformance.limits import PATIENCE_S
from ops.conformance.line import Line, request
from ops.conformance.peer import Peer, about, packed
from ops.conformance.rules import Section
from ops.conformance.shape import SCHEMA

SECTION: Final[Section[Kit]] = Section(10, "How a connection ends")
RECONNECTING: Final[Section[Kit]] = Section(11, "Reconnecting")
LIMITS: Final[dict[str, int]] = SCHEMA["x-limits"]
BEAT: Final = packed("heartbeat", 1)
DEAF_QUESTIONS: Final = 480
"""With answers of some 25 KiB: more than the kernel and the node keep for a client."""
SMALL: Final = ["tap", "C", 0, "o", "in"]


async def broken_off(kit: Kit, code: str, **faults: bytes) -> None:
    """Check that bytes on an open session end it with a close frame alone."""
    for what, data in faults.items():
        async with kit.session() as peer:
            with about(what.replace("_", " ")):
                await peer.line.write(data)
                await peer.ends_unspoken(code)


@SECTION.rule("the websocket's framing is broken: not masked, reserved bits, unknown opcode, stray")
async def _broken_framing_is_told(kit: Kit) -> None:
    await broken_off(
        kit,
        "frame_invalid",
        not_masked=frame(BEAT, mask=None),
        reserved_bit=frame(BEAT, reserved=4),
        unknown_opcode=frame(BEAT, 3),
        unknown_control=frame(b"", 11),
        stray_fragment=frame(BEAT, Opcode.CONTINUATION),
        a_message_inside_another=frame(BEAT[:3], fin=False) + frame(BEAT),
        a_long_ping=frame(bytes(126), Opcode.PING),
        a_ping_in_fragments=frame(b"", Opcode.PING, fin=False),
        close_of_one_byte=frame(b"\x03", Opcode.CLOSE),
    )


@SECTION.rule(
    "more than `frames_per_message_max` frames without a whole message",
    limits=("frames_per_message_max",),
)
async def _fragments_without_end_are_told(kit: Kit) -> None:
    most = LIMITS["frames_per_message_max"]
    nothing = frame(b"", Opcode.CONTINUATION, fin=False)
    begin, end = frame(BEAT[:3], fin=False), frame(BEAT[3:], Opcode.CONTINUATION)
    async with kit.session() as peer:
        await peer.line.write(begin, nothing * (most - 2), end)
        await peer.hear("pulse")
    pings = frame(b"", Opcode.PONG) * (most + 1)
    await broken_off(
        kit, "frames_exceeded", fragments=begin + nothing * (most - 1) + end, pings=pings
    )


@SECTION.rule("a text message; they are all binary")
async def _a_text_message_is_told(kit: Kit) -> None:
    await broken_off(kit, "text_frame", text=frame(b"hello", Opcode.TEXT))


@SECTION.rule("bytes of one message, in either direction", limits=("frame_bytes_max",))
async def _a_message_that_is_too_long_is_told(kit: Kit) -> None:
    most = LIMITS["frame_bytes_max"]
    # As long as may be: it is read, and found to be no value.
    async with kit.session() as peer:
        await peer.line.write(frame(b"\xc1" * most))
        await peer.ends("payload_invalid")
    half = frame(bytes(most // 2), fin=False)
    rest = frame(bytes(most // 2 + 1), Opcode.CONTINUATION)
    await broken_off(
        kit, "message_too_big", in_one=frame(bytes(most + 1)), in_fragments=half + rest
    )


@SECTION.rule("`payload_invalid` of a close frame")
async def _a_reason_that_is_no_utf8_is_told(kit: Kit) -> None:
    payload = close_payload(1000) + b"\xff\xfe"
    await broken_off(kit, "payload_invalid", reason=frame(payload, Opcode.CLOSE))


@SECTION.rule("Nothing of the message at fault counts;")
async def _all_before_the_fault_counts(kit: Kit) -> None:
    async with kit.session() as peer:
        good, after = peer.numbered([SMALL, SMALL])
        submits = [["submit", [good]], ["submit", [[0, 0, SMALL]]], ["submit", [after]]]
        await peer.say_all(submits)
        await peer.ends("field_invalid", "submit.transactions[0].counter")
    async with kit.session() as peer:
        first = (await peer.submit_all([good]))[0]
        check(first["repeated"], "what came before the fault did not count")
        late = (await peer.submit_all([after]))[0]
        check(not late["repeated"], "what came after the fault counted")


@SECTION.rule("What breaks a rule of this page ends that connection and touches no other.")
async def _a_fault_touches_no_other_connection(kit: Kit) -> None:
    async with kit.session() as good, kit.session() as bad:
        await bad.say("heartbeat", -1)
        await bad.ends("field_invalid")
        await good.say("heartbeat", 9)
        check_equal("at_ms", (await good.hear("pulse"))["at_ms"], 9)


@SECTION.rule(
    "A client that ends a connection sends a close frame with 1000, which the node answers."
)
async def _a_close_frame_is_answered(kit: Kit) -> None:
    for payload in (close_payload(1000), close_payload(1001, "going home"), b""):
        async with kit.session() as peer:
            await peer.line.write(frame(payload, Opcode.CLOSE))
            found = await peer.line.frame()
            check(found and found.opcode == Opcode.CLOSE, f"{found} came, and no close frame")
            assert found is not None
            check_equal("the code", close_told(found.payload)[0], close_told(payload)[0])
            await peer.is_over()


@SECTION.rule("has ended the session: nothing more is said to it, outcomes included.")
async def _who_closes_one_direction_hears_nothing_more(kit: Kit) -> None:
    async with kit.session() as peer:
        transaction = peer.numbered([SMALL])[0]
        await peer.line.write(frame(packed("submit", [transaction])))
        await peer.line.end_sending()
        # An outcome may have been under way already.
        with trio.fail_after(PATIENCE_S):
            while await peer.line.frame():
                pass
    async with kit.session() as peer:
        again = (await peer.submit_all([transaction]))[0]
        check(again["repeated"], "what was taken before the end was not written")


@SECTION.rule("A client that does not read what it is sent is cut off when a")
async def _who_does_not_read_is_cut_off(kit: Kit) -> None:
    card = await kit.card(10_000)
    async with kit.session() as peer:
        await peer.posted(*[["tap", card, 1, "transjakarta", "in", "x" * 64, "x" * 64]] * 100)
    question = ["statement", 1, card, None, 100]
    line = await Line.open(kit.address, receive_buffer_bytes=4096)
    try:
        await line.write(request())
        await line.response()
        deaf = Peer(line, kit.notes)
        await deaf.greet(*kit.keys.of(TERMINAL))
        async with kit.session() as other:
            for first in range(0, DEAF_QUESTIONS, 8):
                # Fewer than may be open; those of the other are answered behind them.
                asked = range(first, first + 8)
                await deaf.say_all([["query", number, question] for number in asked])
                await other.answer(*question)
        while (found := await line.frame()) is not None:
            check(found.opcode != Opcode.CLOSE, "there was room for a close frame")
    finally:
        line.hang_up()


@RECONNECTING.rule("Credits begin anew; open questions are gone.")
async def _a_new_connection_begins_anew(kit: Kit) -> None:
    async with kit.session() as peer:
        credits_ = peer.ready["credits"]
        transactions = peer.numbered([SMALL] * 100)
        await peer.say("submit", transactions)
        await peer.say("query", 1, ["balance", 1, "nobody"])
    async with kit.session() as peer:
        check_equal("the credits", peer.ready["credits"], credits_)
        await peer.hears_nothing()
        await peer.submit_all(transactions)


@RECONNECTING.rule("Send all transactions again that have no final result, oldest first")
async def _what_was_under_way_is_settled_once(kit: Kit) -> None:
    card = await kit.card(100_000)
    async with kit.session() as peer:
        transactions = peer.numbered([["tap", card, 1_000, "o", "in"]] * 20)
        await peer.say("submit", transactions)
    async with kit.session() as peer:
        open_: list[int] = [transaction[0] for transaction in transactions]
        while open_:
            again = [each for each in transactions if each[0] in open_]
            found = await peer.submit_all(again)
            final = {each["counter"] for each in found if each["result"] == "posted"}
            open_ = [counter for counter in open_ if counter not in final]
        balance = await peer.answer("balance", 1, card)
        check_equal("the balance", balance["balance_rp"], 80_000)
