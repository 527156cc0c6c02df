"""Sections 7 and 8: outcomes, sending again, credits, signs of life, rates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import trio

from ops.conformance.errors import check, check_equal
from ops.conformance.frames import Opcode, frame
from ops.conformance.keys import SERVICE
from ops.conformance.kit import Kit
from ops.conformance.limits import LATE_S
from ops.conformance.node.overtaking import overtake
from ops.conformance.peer import Peer, packed, told
from ops.conformance.rules import Section
from ops.conformance.shape import SCHEMA

OUTCOMES: Final[Section[Kit]] = Section(7, "Outcomes")
SECTION: Final[Section[Kit]] = Section(8, "Sending again, credits, heartbeats")
LIMITS: Final[dict[str, int]] = SCHEMA["x-limits"]
SMALL: Final = ["tap", "C", 0, "o", "in"]


async def settled(peer: Peer, transaction: list[Any]) -> dict[str, Any]:
    """Send a transaction until its outcome is final."""
    while True:
        outcome = (await peer.submit_all([transaction]))[0]
        if outcome["result"] not in {"in_progress", "busy"}:
            return outcome
        await trio.sleep(outcome["retry_after_ms"] / 1000)


@OUTCOMES.rule("of the purse that was used, after the transaction;")
async def _an_outcome_tells_balance_and_position(kit: Kit) -> None:
    card = await kit.card(10_000)
    async with kit.session() as peer:
        one, two = await peer.posted(*[["tap", card, 1_000, "o", "in"]] * 2)
        check_equal("balances", (one["balance_rp"], two["balance_rp"]), (9_000, 8_000))
        check_equal("positions", two["position"] - one["position"], 1)
        check(not (one["repeated"] or one["reason"] or one["exceptions"]), told(one))


@OUTCOMES.rule("this counter was used with other content; `position` is that of the entry")
async def _other_content_is_a_conflict_and_names_the_field(kit: Kit) -> None:
    card = await kit.card(10_000)
    intent = ["tap", card, 1_000, "transjakarta", "in", "P1", "5"]
    async with kit.session() as peer:
        counter = peer.take_counter()
        posted = await settled(peer, [counter, 5, intent])
        others = {
            "at_ms": [counter, 6, intent],
            "amount_rp": [counter, 5, [*intent[:2], 1_001, *intent[3:]]],
            "place": [counter, 5, [*intent[:5], "P2", "5"]],
            "line": [counter, 5, [*intent[:6], "6"]],
            "intent": [counter, 5, ["purchase", card, 1_000, "shop"]],
        }
        for field, transaction in others.items():
            conflict = await settled(peer, transaction)
            found = conflict["result"], conflict["detail"].rpartition(".")[2]
            check_equal("what came", found, ("conflict", field))
            check_equal("its position", conflict["position"], posted["position"])
        again = await settled(peer, [counter, 5, intent])
        check_equal("the first one", (again["result"], again["repeated"]), ("posted", True))


@OUTCOMES.rule("-1 while it is not on disk yet; `detail` the first field that differs")
async def _a_conflict_with_what_is_under_way_has_no_position(kit: Kit) -> None:
    async with kit.session() as peer:
        counter = peer.take_counter()
        both = [[counter, 0, SMALL], [counter, 1, SMALL]]
        found = await peer.submit_all(both)
        conflict = next((each for each in found if each["result"] == "conflict"), None)
        check(conflict is not None, f"no conflict: {told(found)}")
        assert conflict is not None
        check_equal("the field", conflict["detail"], "at_ms")
        check_equal("the position", conflict["position"], -1)


@SECTION.rule("the original outcome, with `repeated`, where it was decided and is on disk")
async def _sent_again_the_first_outcome_comes_back(kit: Kit) -> None:
    card = await kit.card(10_000)
    transactions: list[list[Any]] = []
    async with kit.session() as peer:
        tap = ["tap", card, 4_000, "o", "in"]
        transactions = peer.numbered([tap, tap, tap, SMALL])
        first = await peer.submit_all(transactions)
    for _ in range(2):
        async with kit.session() as peer:
            again = await peer.submit_all(transactions)
            check(all(outcome["repeated"] for outcome in again), told(again))
            same = [{**outcome, "repeated": False} for outcome in again]
            check_equal("the outcomes sent again", same, first)
            balance = await peer.answer("balance", 1, card)
            check_equal("the balance", balance["balance_rp"], 2_000)


@SECTION.rule("as for a new one, where it never arrived.")
async def _what_was_cut_off_is_new_when_it_is_sent_again(kit: Kit) -> None:
    async with kit.session() as peer:
        transaction = peer.numbered([SMALL])[0]
        whole = frame(packed("submit", [transaction]))
        await peer.line.write(whole[:-1])
    async with kit.session() as peer:
        outcome = await settled(peer, transaction)
        check(not outcome["repeated"], "a message that was not whole was taken")


@SECTION.rule("`in_progress` where it is decided and not on disk yet;")
async def _a_copy_on_another_connection_is_answered_there(kit: Kit) -> None:
    async with kit.session() as one, kit.session() as other:
        one.counter = max(one.counter, other.counter)
        transactions = one.numbered([SMALL] * 50)
        await one.say("submit", transactions)
        found = await other.submit_all(transactions)
        known = {"refused", "in_progress"}
        check({outcome["result"] for outcome in found} <= known, told(found[:2]))
        await one.outcomes(len(transactions))


@SECTION.rule(
    "Who sends more than it has is disconnected, so wait for outcomes when they are used up.",
    limits=("credits",),
)
async def _more_transactions_than_credits_are_too_many(kit: Kit) -> None:
    async with kit.session() as peer:
        # All that there are, twice: they come back.
        for _ in range(2):
            await peer.say_all(submits(peer, peer.ready["credits"]))
            await peer.outcomes(peer.ready["credits"])
    await overtake(
        kit,
        lambda peer: submits(peer, 4 * peer.ready["credits"]),
        "credits_exceeded",
        "submit.transactions",
        answers=4 * LIMITS["credits"],
    )


def submits(peer: Peer, count: int) -> list[Sequence[Any]]:
    """Return the messages that submit so many transactions."""
    transactions = peer.numbered([SMALL] * count)
    at_once = peer.ready["transactions_per_frame_max"]
    return [("submit", transactions[at : at + at_once]) for at in range(0, count, at_once)]


@SECTION.rule("A connection begins with the `credits` of `ready`.")
async def _each_connection_has_credits_of_its_own(kit: Kit) -> None:
    async with kit.session() as one, kit.session() as other:
        check_equal("the credits", one.ready["credits"], other.ready["credits"])


@SECTION.rule(
    "At most `frames_per_second_max` messages within one second of the node's clock",
    limits=("frames_per_second_max",),
)
async def _more_messages_than_a_second_may_bring_are_too_many(kit: Kit) -> None:
    most = LIMITS["frames_per_second_max"]
    async with kit.session() as peer:
        await next_second(peer)
        await peer.say_all([["heartbeat", number] for number in range(most - 1)])
        for _ in range(most - 1):
            await peer.hear("pulse")
        # Whenever a second begins meanwhile, one of the two brings too many.
        await peer.say_all([["heartbeat", number] for number in range(2 * most + 1)])
        await peer.ends("rate_exceeded", "")


async def next_second(peer: Peer) -> None:
    """Wait until a second of the node's clock has just begun; it has seen one message of it."""
    await peer.say("heartbeat", 0)
    into_ms = (await peer.hear("pulse"))["server_time_ms"] % 1000
    await trio.sleep(1.01 - into_ms / 1000)


@SECTION.rule(
    "fragments, pings and pongs counted as well, at most `websocket_frames_per_second_max` frames.",
    limits=("websocket_frames_per_second_max",),
)
async def _more_frames_than_a_second_may_bring_are_too_many(kit: Kit) -> None:
    most, between = LIMITS["websocket_frames_per_second_max"], LIMITS["frames_per_message_max"]
    ping, beat = frame(b"", Opcode.PONG), frame(packed("heartbeat", 1))
    async with kit.session() as peer:
        rounds = 2 * most // between + 1
        await peer.line.write((ping * (between - 1) + beat) * rounds)
        await peer.ends_unspoken("rate_exceeded")


@SECTION.rule(
    "At most `queries_open_max` questions without an answer.", limits=("queries_open_max",)
)
async def _more_questions_than_may_be_open_are_too_many(kit: Kit) -> None:
    most = LIMITS["queries_open_max"]

    def questions(count: int) -> list[Sequence[Any]]:
        return [("query", number, ["balance", 1, "nobody"]) for number in range(count)]

    async with kit.session() as peer:
        await peer.say_all(questions(most))
        found = [(await peer.hear("answer"))["id"] for _ in range(most)]
        check_equal("the answers", sorted(found), [*range(most)])
    # What is asked behind transactions is not answered before they are on disk.
    before = 100
    await overtake(
        kit,
        lambda peer: [*submits(peer, before), *questions(4 * most)],
        "queries_exceeded",
        "query",
        answers=before + 4 * most,
    )


@SECTION.rule(
    "The node closes a connection on which it took no message for `idle_s`",
    limits=("idle_s", "heartbeat_s"),
    slow=True,
)
async def _silence_ends_a_connection_and_pings_are_silence(kit: Kit) -> None:
    async with kit.session() as peer:
        began_s = trio.current_time()
        await trio.sleep(LIMITS["heartbeat_s"])
        await peer.line.write(frame(b"", Opcode.PING))
        pong = await peer.line.frame()
        check(pong and pong.opcode == Opcode.PONG, "a ping was not answered")
        await trio.sleep(LIMITS["idle_s"] - LIMITS["heartbeat_s"] - LATE_S)
        await peer.ends("idle")
        late_s = trio.current_time() - began_s - LIMITS["idle_s"]
        check(late_s <= LATE_S, f"it was ended {late_s:.1f} s after its time")


@SECTION.rule("When nothing else was sent for `heartbeat_s`, send a `heartbeat`.", slow=True)
async def _heartbeats_keep_a_connection(kit: Kit) -> None:
    async with kit.session(SERVICE) as peer:
        until_s = trio.current_time() + LIMITS["idle_s"] + LATE_S
        while trio.current_time() < until_s:
            await trio.sleep(LIMITS["heartbeat_s"])
            await peer.say("heartbeat", 0)
            await peer.hear("pulse")
