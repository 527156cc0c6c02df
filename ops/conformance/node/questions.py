"""Section 6: what may be asked, and what an answer shows."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

from ops.conformance.errors import check, check_equal
from ops.conformance.keys import SERVICE
from ops.conformance.kit import Kit
from ops.conformance.node.rides import MINUTE_MS, ride_tap, tapped
from ops.conformance.peer import Fields, Peer, fields, told
from ops.conformance.rules import Section
from ops.conformance.shape import SCHEMA

SECTION: Final[Section[Kit]] = Section(6, "Questions")
LIMITS: Final[dict[str, int]] = SCHEMA["x-limits"]
PURSE: Final[int] = SCHEMA["x-accounts"]["purse"]
FAR_MS: Final[int] = LIMITS["time_ms_max"]


async def whole_statement(peer: Peer, owner: str, *, limit: int = 100) -> list[Fields]:
    """Return all lines of a statement of a purse, page by page."""
    lines: list[Fields] = []
    before = None
    while before != -1:
        page = await peer.answer("statement", PURSE, owner, before, limit)
        check(len(page["lines"]) <= limit, "a page has more lines than were asked for")
        lines += [fields("record.statement_line", line) for line in page["lines"]]
        before = page["next"]
    return lines


@SECTION.rule("Neither of the last two: now.")
async def _a_balance_is_that_of_now(kit: Kit) -> None:
    card = await kit.card(10_000)
    async with kit.session() as peer:
        for balance_rp in (9_000, 8_000):
            outcome = (await peer.posted(["tap", card, 1_000, "o", "in"]))[0]
            found = await peer.answer("balance", PURSE, card)
            check_equal("the balance", found["balance_rp"], balance_rp)
            check(found["position"] > outcome["position"], "the tap is not before the position")


@SECTION.rule("before the entry at this position of the journal")
async def _a_balance_of_the_past_is_asked_by_position(kit: Kit) -> None:
    card = await kit.card(10_000)
    async with kit.session() as peer:
        outcome = (await peer.posted(["tap", card, 1_000, "o", "in"]))[0]
        position = outcome["position"]
        before = await peer.answer("balance", PURSE, card, position)
        after = await peer.answer("balance", PURSE, card, position + 1)
        check_equal(
            "before and after", (before["balance_rp"], after["balance_rp"]), (10_000, 9_000)
        )
        check_equal("the position", before["position"], position)


@SECTION.rule(
    "A position behind the end of the journal, or a time in the future, means now as well;"
)
async def _the_future_is_now(kit: Kit) -> None:
    card = await kit.card(10_000)
    async with kit.session() as peer:
        far = await peer.answer("balance", PURSE, card, 2**53 - 1)
        late = await peer.answer("balance", PURSE, card, None, FAR_MS)
        check_equal("both", (far["balance_rp"], late["balance_rp"]), (10_000, 10_000))
        check(far["position"] < 2**53 - 1, "it is not told which position that was")


@SECTION.rule("after everything decided up to this time")
async def _a_balance_of_the_past_is_asked_by_time(kit: Kit) -> None:
    card = await kit.card(10_000)
    async with kit.session(SERVICE) as peer:
        outcome = (await peer.posted(["tap", card, 1_000, "o", "in"]))[0]
        found = await peer.answer("transaction", peer.terminal, outcome["counter"])
        decided_ms = fields("record.entry", found["entry"])["decided_ms"]
        after = await peer.answer("balance", PURSE, card, None, decided_ms)
        check_equal("after", (after["balance_rp"], after["at_ms"]), (9_000, decided_ms))
        long_ago = await peer.answer("balance", PURSE, card, None, 1)
        check_equal("long ago", long_ago["balance_rp"], 0)


@SECTION.rule("its fields do not go together")
async def _a_position_and_a_time_do_not_go_together(kit: Kit) -> None:
    async with kit.session() as peer:
        await peer.fails("question_invalid", "balance", PURSE, "nobody", 1, 1)
        await peer.fails("question_invalid", "statement", PURSE, "nobody", 1, 20, 1)


@SECTION.rule("an account that does not exist is `not_found`; asked for the past it has 0")
async def _an_account_that_does_not_exist_is_not_found(kit: Kit) -> None:
    nobody = kit.name()
    async with kit.session(SERVICE) as peer:
        found = await peer.fails("not_found", "balance", PURSE, nobody)
        check_equal("the field", found["field"], "query.question.owner")
        await peer.fails("not_found", "statement", PURSE, nobody)
        await peer.fails("not_found", "transaction", peer.terminal, 2**53 - 1)
        past = await peer.answer("balance", PURSE, nobody, 0)
        check_equal("the past", past["balance_rp"], 0)


@SECTION.rule("The lines of a whole statement add up to the balance.")
async def _a_statement_adds_up_page_by_page(kit: Kit) -> None:
    card = await kit.card(10_000)
    async with kit.session(SERVICE) as peer:
        taps = [["tap", card, amount_rp, "o", "in"] for amount_rp in (100, 200, 300, 0, 400)]
        await peer.posted(*taps)
        lines = await whole_statement(peer, card, limit=2)
        amounts = [line["amount_rp"] for line in lines]
        check_equal("the amounts", [rp for rp in amounts if rp], [-400, -300, -200, -100, 10_000])
        positions = [line["position"] for line in lines]
        check_equal("the order", positions, sorted(positions, reverse=True))
        entry = fields("record.entry", lines[0]["entry"])
        check_equal("the first entry", entry["intent"][:3], taps[-1][:3])
        balance = await peer.answer("balance", PURSE, card)
        check_equal("the sum", sum(amounts), balance["balance_rp"])


@SECTION.rule("lines of one statement", limits=("statement_lines_max",))
async def _a_page_of_a_statement_has_a_bound(kit: Kit) -> None:
    most = LIMITS["statement_lines_max"]
    card = await kit.card(10_000)
    async with kit.session() as peer:
        await peer.posted(*[["tap", card, 1, "o", "in"]] * (most + 5))
        page = await peer.answer("statement", PURSE, card, None, most)
        check(0 < len(page["lines"]) <= most, f"{len(page['lines'])} lines")
        usual = await peer.answer("statement", PURSE, card)
        check_equal("lines where no number is asked for", len(usual["lines"]), 20)
        await peer.say("query", 1, ["statement", PURSE, card, None, most + 1])
        await peer.ends("field_invalid", "query.question.limit")


@SECTION.rule("only entries decided up to this time")
async def _a_statement_begins_at_a_time(kit: Kit) -> None:
    card = await kit.card(10_000)
    async with kit.session() as peer:
        await peer.posted(["tap", card, 1, "o", "in"])
        page = await peer.answer("statement", PURSE, card, None, 20, FAR_MS)
        check(page["lines"], "the future is as good as now")
        long_ago = await peer.answer("statement", PURSE, card, None, 20, 1)
        check_equal("long ago", (long_ago["lines"], long_ago["next"]), ([], -1))


@SECTION.rule("it goes on with the purse of that card. The `replace` between them is a")
async def _a_statement_follows_the_money(kit: Kit) -> None:
    old, new = await kit.card(10_000), kit.name()
    async with kit.session(SERVICE) as peer:
        await peer.posted(["replace", old, new], ["tap", new, 1_000, "o", "in"])
        lines = await whole_statement(peer, new)
        told_of = [
            (fields("record.entry", line["entry"])["intent"][0], line["amount_rp"])
            for line in lines
        ]
        moved = [line for line in told_of if line[0] != "issue"]
        check_equal("the lines", moved, [("tap", -1_000), ("replace", 0), ("top_up", 10_000)])


@SECTION.rule("who sent it")
async def _a_transaction_is_found_as_it_was_sent(kit: Kit) -> None:
    card = await kit.card(10_000)
    async with kit.session() as peer:
        intent: list[Any] = ["tap", card, 1_000, "transjakarta", "in", "P00142", "5", "", None]
        first = (await peer.submit_all([[peer.take_counter(), 1_759_999_999_500, intent]]))[0]
        second = (await peer.posted(intent))[0]
        found = await peer.answer("transaction", peer.terminal, first["counter"])
        entry = fields("record.entry", found["entry"])
        sent = [entry["terminal"], entry["counter"], entry["at_ms"], entry["intent"]]
        check_equal("as sent", sent[:3], [peer.terminal, first["counter"], 1_759_999_999_500])
        check_equal("its intent", sent[3][:7], intent[:7])
        check_equal("its position", found["position"], first["position"])
        decided = [entry[name] for name in ("reason", "rule", "detail", "balance_rp", "exceptions")]
        check_equal("the decision", decided, ["", "", "", 9_000, []])
        check(entry["decided_ms"] > 0, "it was decided at no time")
        later = await peer.answer("transaction", peer.terminal, second["counter"])
        previous = fields("record.entry", later["entry"])["previous"]
        check_equal("the entry of the card before", previous, first["position"])


@SECTION.rule("decided as if it were submitted; nothing is posted or remembered")
async def _a_dry_run_leaves_no_trace(kit: Kit) -> None:
    card = await kit.card(10_000)
    async with kit.session() as peer:
        tap = ["tap", card, 4_000, "o", "in"]
        dear = ["tap", card, 10_001, "o", "in"]
        for counter in (1, peer.counter, 2**53 - 1):
            answer = await peer.answer("dry_run", [counter, 0, tap])
            trial = fields("record.outcome", answer["outcome"])
            check_equal("the result", (trial["result"], trial["balance_rp"]), ("posted", 6_000))
            check_equal("its position", trial["position"], -1)
        answer = await peer.answer("dry_run", [1, 0, dear])
        check_equal(
            "a tap too dear", fields("record.outcome", answer["outcome"])["reason"], "below_floor"
        )
        outcome = (await peer.submit(tap))[0]
        check(not outcome["repeated"], "the counter of a trial was remembered")
        check_equal("the balance", outcome["balance_rp"], 6_000)


@SECTION.rule("An answer shows only what is on disk.")
async def _an_answer_behind_a_tap_shows_it(kit: Kit) -> None:
    card = await kit.card(10_000)
    async with kit.session() as peer:
        transaction = peer.numbered([["tap", card, 1_000, "o", "in"]])[0]
        question = ["balance", PURSE, card]
        await peer.say_all([["submit", [transaction]], ["query", 1, question]])
        names = []
        for _ in range(2):
            message = await peer.hear_any()
            names.append(message[0])
            if message[0] == "answer":
                check_equal(f"the balance ({told(message)})", message[2][1], 9_000)
        check_equal("what came", sorted(names), ["answer", "outcome"])


@SECTION.rule("Why it became what it became.")
async def _a_ride_is_explained_in_both_languages(kit: Kit) -> None:
    card = await kit.card(20_000)
    async with kit.session() as peer:
        _, last = await tapped(
            peer,
            (-20 * MINUTE_MS, ride_tap(card, "in")),
            (0, ride_tap(card, "out")),
        )
        found = await peer.answer("explain", peer.terminal, last["counter"])
        check_equal("its position", found["position"], last["position"])
        lines = [fields("record.explained_line", line) for line in found["lines"]]
        parts = {line["part"] for line in lines}
        check_equal("its parts", parts, {"input", "tried", "rejected", "outcome", "cheaper"})
        check(all(line["text_id"] and line["text_en"] for line in lines), "a language is missing")
        check(any(line["rule"] and line["article"] for line in lines), "no article is told")
        await peer.fails("not_found", "explain", peer.terminal, peer.counter + 1)


@SECTION.rule("the chip that this card is bound to", limits=("chip_uid_bytes_max",))
async def _a_card_is_bound_to_its_chip(kit: Kit) -> None:
    card, most = kit.name(), LIMITS["chip_uid_bytes_max"]
    uid = sha256(card.encode()).digest()[:most]
    async with kit.session(SERVICE) as desk:
        await desk.fails("not_found", "chip", "", uid)
        await desk.posted(["issue", card, "stored", "dki", False, uid])
        for question in (["chip", card], ["chip", "", uid]):
            found = await desk.answer(*question)
            check_equal("the chip", (found["uid"], found["card"]), (uid, card))
            counts = found["counter"], found["missing"], found["gaps"]
            check_equal("its counts", counts, (0, 0, []))
        (other,) = await desk.submit(["issue", kit.name(), "stored", "dki", False, uid])
        check_equal("the reason", (other["reason"], other["detail"]), ("chip_mismatch", "chip"))
        failed = await desk.fails("not_found", "chip", await kit.card())
        check_equal("the field", failed["field"], "query.question.card")
        await desk.fails("question_invalid", "chip")
        await desk.fails("question_invalid", "chip", card, uid)
        await desk.say("query", 1, ["chip", "", bytes(most + 1)])
        await desk.ends("field_invalid", "query.question.uid")


@SECTION.rule(
    "no counter is missing, and the sums are those of the question",
    limits=("shift_counters_max", "shift_rp_max"),
)
async def _a_shift_is_complete_or_it_is_told_what_is_missing(kit: Kit) -> None:
    card = await kit.card(10_000)
    async with kit.session() as peer:
        taps = await peer.posted(*[["tap", card, 1_000, "o", "in"]] * 3)
        first, last = taps[0]["counter"], taps[-1]["counter"]
        shift = ["shift", peer.terminal, first]
        # No chip has paid these.
        whole = await peer.answer(*shift, last, 0, 0)
        check_equal("the whole", (whole["complete"], whole["count"]), (True, 3))
        for sums in ((1, 0), (0, LIMITS["shift_rp_max"])):
            other = await peer.answer(*shift, last, *sums)
            check_equal("with other sums", (other["complete"], other["missing"]), (False, 0))
        lacking = await peer.answer(*shift, last + 2, 0, 0)
        check_equal("with more counters", (lacking["complete"], lacking["count"]), (False, 3))
        check_equal("what is missing", lacking["gaps"], [[last + 1, last + 2]])
        await peer.fails("question_invalid", *shift, first - 1, 0, 0)
        too_far = first + LIMITS["shift_counters_max"]
        await peer.fails("question_invalid", *shift, too_far, 0, 0)
        await peer.answer(*shift, too_far - 1, 0, 0)
        await peer.say("query", 1, [*shift, last, LIMITS["shift_rp_max"] + 1, 0])
        await peer.ends("field_invalid", "query.question.taken_rp")
