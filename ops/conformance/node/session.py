"""Section 4: what is said in a session, and what answers it."""

from __future__ import annotations

from typing import Final

from ops.conformance.errors import check, check_equal
from ops.conformance.kit import Kit
from ops.conformance.peer import told
from ops.conformance.rules import Section
from ops.conformance.shape import SCHEMA

SECTION: Final[Section[Kit]] = Section(4, "Messages of a session")
PER_FRAME_MAX: Final = SCHEMA["x-limits"]["transactions_per_frame_max"]
NOBODY: Final = ["tap", "C", 0, "o", "in"]
"""A tap of a card that nobody has issued: refused, and on disk."""


@SECTION.rule("They are taken once the session is `ready`, in any order.")
async def _messages_come_in_any_order(kit: Kit) -> None:
    card = await kit.card()
    async with kit.session() as peer:
        await peer.say("query", 1, ["balance", 1, card])
        await peer.say("heartbeat", 1)
        await peer.say("submit", peer.numbered([NOBODY]))
        names = sorted([(await peer.hear_any())[0] for _ in range(3)])
        check_equal("what came", names, ["answer", "outcome", "pulse"])


@SECTION.rule("decided in this order, each by itself")
async def _transactions_of_a_submit_stand_alone(kit: Kit) -> None:
    card = await kit.card(5_000)
    tap = ["tap", card, 3_000, "transjakarta", "in"]
    async with kit.session() as peer:
        first, nobody, second, free = await peer.submit(tap, NOBODY, tap, [*tap[:2], 0, *tap[3:]])
    check_equal("the first", (first["result"], first["balance_rp"]), ("posted", 2_000))
    check_equal("a card of nobody", nobody["reason"], "card_unknown")
    check_equal("the second", second["reason"], "below_floor")
    check_equal("the last", (free["result"], free["balance_rp"]), ("posted", 2_000))
    positions = [outcome["position"] for outcome in (first, nobody, second, free)]
    check_equal("the order of the positions", positions, sorted(positions))


@SECTION.rule("A message that breaks a rule of this page is refused whole;")
async def _a_message_at_fault_is_refused_whole(kit: Kit) -> None:
    async with kit.session() as peer:
        good, bad = peer.numbered([NOBODY, [*NOBODY[:2], -1, *NOBODY[3:]]])
        await peer.say("submit", [good, bad])
        await peer.ends("field_invalid", "submit.transactions[1].intent.amount_rp")
    async with kit.session() as peer:
        again = (await peer.submit_all([good]))[0]
        check(not again["repeated"], "what stood beside the fault counted")


@SECTION.rule("transactions of one `submit`", limits=("transactions_per_frame_max",))
async def _as_many_transactions_as_may_be_come_together(kit: Kit) -> None:
    async with kit.session() as peer:
        found = await peer.submit(*[NOBODY] * PER_FRAME_MAX)
        check_equal("outcomes", len({each["counter"] for each in found}), PER_FRAME_MAX)
        await peer.say("submit", peer.numbered([NOBODY] * (PER_FRAME_MAX + 1)))
        await peer.ends("field_invalid", "submit.transactions")


@SECTION.rule(
    "Every transaction that was submitted gets one outcome on the connection that it came on"
)
async def _each_transaction_gets_one_outcome_where_it_came_from(kit: Kit) -> None:
    async with kit.session() as first, kit.session() as second:
        first.counter = max(first.counter, second.counter)
        transactions = first.numbered([NOBODY, NOBODY])
        await first.say_all([["submit", [each]] for each in transactions])
        found = await first.outcomes(2)
        counters = sorted(outcome["counter"] for outcome in found)
        check_equal("the counters", counters, [each[0] for each in transactions])
        copies = await second.submit_all(transactions)
        check(all(copy["repeated"] for copy in copies), f"no copy: {told(copies)}")
        await first.hears_nothing()


@SECTION.rule("get two outcomes, and usually in two messages: that of the second (`in_progress`")
async def _two_copies_get_two_outcomes(kit: Kit) -> None:
    async with kit.session() as peer:
        transaction = peer.numbered([NOBODY])[0]
        found = await peer.submit_all([transaction, transaction])
        results = sorted(outcome["result"] for outcome in found)
        check(results in (["in_progress", "refused"], ["refused", "refused"]), told(results))
        waiting = [each for each in found if each["result"] == "in_progress"]
        check(all(each["retry_after_ms"] > 0 for each in waiting), "it is not said when to ask")
        again = (await peer.submit_all([transaction]))[0]
        while again["result"] == "in_progress":
            again = (await peer.submit_all([transaction]))[0]
        check_equal("sent again", (again["result"], again["repeated"]), ("refused", True))


@SECTION.rule("but it may be used again once that is answered")
async def _the_id_of_a_query_is_used_again(kit: Kit) -> None:
    async with kit.session() as peer:
        for query_id in (0, 2**32 - 1, 7, 7):
            await peer.say("query", query_id, ["balance", 1, "nobody"])
            check_equal("the id", (await peer.hear("answer"))["id"], query_id)


@SECTION.rule("not that of a query still open")
async def _the_id_of_an_open_query_is_taken(kit: Kit) -> None:
    async with kit.session() as peer:
        await peer.say_all([["query", 7, ["balance", 1, "nobody"]]] * 2)
        await peer.ends("field_invalid", "query.id")


@SECTION.rule("from the heartbeat that it answers")
async def _a_heartbeat_is_answered_with_a_pulse(kit: Kit) -> None:
    async with kit.session() as peer:
        for more in ((), (3,), (3, 55), (3, 0, "degraded"), (2**53 - 1, 100, "ok")):
            await peer.say("heartbeat", 1_759_999_999_980, *more)
            pulse = await peer.hear("pulse")
            check_equal("at_ms", pulse["at_ms"], 1_759_999_999_980)
            check(pulse["server_time_ms"] > 0, "the node tells no time")


@SECTION.rule("no message of a terminal has this name; or the value is no array that begins with")
async def _what_a_node_says_is_no_message_of_a_terminal(kit: Kit) -> None:
    for said in (["ready", 1, 0, 1, 1, 1, 1, []], ["outcome", [], 0], ["error", "idle", "", ""]):
        async with kit.session() as peer:
            await peer.say(*said)
            await peer.ends("message_unknown", "")


@SECTION.rule("The last message before the node closes.")
async def _nothing_is_said_behind_the_error(kit: Kit) -> None:
    async with kit.session() as peer:
        await peer.say_all([["heartbeat", 1], ["heartbeat", -1], ["heartbeat", 2]])
        check_equal("at_ms", (await peer.hear("pulse"))["at_ms"], 1)
        await peer.ends("field_invalid", "heartbeat.at_ms")
