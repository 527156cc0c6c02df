"""Section 5: what each intent posts, and why it may be refused."""

from __future__ import annotations

from typing import Any, Final

import trio

from ops.conformance.errors import check, check_equal
from ops.conformance.keys import OPERATOR, SERVICE
from ops.conformance.kit import Kit
from ops.conformance.node.examples import Names, examples, lines_of, setup
from ops.conformance.peer import Fields, Peer, fields, told
from ops.conformance.rules import Section
from ops.conformance.shape import SCHEMA

SECTION: Final[Section[Kit]] = Section(5, "Transactions")
LIMITS: Final[dict[str, int]] = SCHEMA["x-limits"]
NOBODY: Final = ["tap", "C", 0, "o", "in"]
PROOF: Final = b"\x0a\x0b\x0c"
MILLION: Final = 1_000_000


async def refusals(desk: Peer, *wanted: tuple[str, list[Any]]) -> None:
    """Check that intents are refused for reasons, and that this is said with a rule."""
    outcomes = await desk.submit(*(intent for _, intent in wanted))
    for (reason, intent), outcome in zip(wanted, outcomes, strict=True):
        check_equal(f"the result of {told(intent)}", outcome["result"], "refused")
        check_equal(f"the reason for {told(intent)}", outcome["reason"], reason)
        check(outcome["rule"], f"no rule is named for {reason}")
        check(outcome["position"] >= 0, f"a refusal ({reason}) is on disk, too")


async def entry_of(desk: Peer, outcome: Fields) -> Fields:
    """Return the entry of a transaction of this terminal."""
    found = await desk.answer("transaction", desk.terminal, outcome["counter"])
    check_equal("the position of the entry", found["position"], outcome["position"])
    return fields("record.entry", found["entry"])


@SECTION.rule("under each stand its postings.")
async def _each_example_is_posted_as_the_document_has_it(kit: Kit) -> None:
    faults = []
    async with kit.session(SERVICE) as desk, kit.session(OPERATOR) as officer:
        for example in examples():
            cards = {letter: kit.name() for letter in "CSBDPQR"}
            names = Names(cards, desk.terminal, desk.counter)
            await desk.posted(*(names.intent(intent) for intent in setup()))
            # What a person decides is not a service's.
            sender = officer if example.intent[0] == "adjustment" else desk
            wanted = sender.numbered([names.intent(example.intent)], sender.ready["server_time_ms"])
            outcome = (await sender.submit_all(wanted))[0]
            entry = await entry_of(sender, outcome)
            if lines_of(entry) != names.lines(example.told):
                faults.append(f"{told(example.intent)}: {lines_of(entry)}, not {example.told}")
            check_equal("the sum of the lines", sum(line[2] for line in entry["postings"]), 0)
    check(not faults, "; ".join(faults[:3]))


@SECTION.rule("They may arrive in any order and with gaps;")
async def _counters_come_in_any_order(kit: Kit) -> None:
    async with kit.session() as peer:
        first = peer.counter
        for counter in (first + 5, first + 1, first + 3, first):
            outcome = (await peer.submit_all([[counter, 0, NOBODY]]))[0]
            check(not outcome["repeated"], "it was seen before")
        again = await peer.submit_all([[first + step, 0, NOBODY] for step in (5, 1, 3, 0)])
        check(all(outcome["repeated"] for outcome in again), "one of them was forgotten")


@SECTION.rule(
    "past that a transaction that would open another gap is answered `busy` until",
    limits=("gaps_per_terminal_max",),
)
async def _a_gap_too_many_has_to_wait(kit: Kit) -> None:
    identity = kit.keys.enroll(kit.name("GAPS"))
    gaps, at_once = LIMITS["gaps_per_terminal_max"], LIMITS["transactions_per_frame_max"]
    async with kit.session(identity.name) as peer:
        wide = [[2 * number, 0, NOBODY] for number in range(1, gaps + 1)]
        for start in range(0, gaps, at_once):
            await peer.submit_all(wide[start : start + at_once])
        late = (await peer.submit_all([[2 * gaps + 2, 0, NOBODY]]))[0]
        check_equal("a gap too many", (late["result"], late["reason"]), ("busy", "too_many_gaps"))
        check(late["retry_after_ms"] > 0, "it is not said when to come again")
        check_equal("its position", late["position"], -1)
        await peer.submit_all([[1, 0, NOBODY]])
        again = (await peer.submit_all([[2 * gaps + 2, 0, NOBODY]]))[0]
        check_equal("once a gap is closed", again["result"], "refused")


@SECTION.rule(
    "With a `proof` it is an advice: it tells what has happened on a chip, so it is posted"
)
async def _an_advice_is_posted_whatever_the_checks_say(kit: Kit) -> None:
    stored, account = await kit.card(1_000, medium="stored"), await kit.card()
    async with kit.session() as peer:
        tap = ["tap", stored, 3_500, "transjakarta", "out", "", "", "", PROOF]
        debt, foreign, unknown = await peer.submit(
            tap, [tap[0], account, *tap[2:]], ["purchase", kit.name(), 10, "shop", "", "", PROOF]
        )
    check_equal("a debt", (debt["result"], debt["balance_rp"]), ("posted", -2_500))
    check_equal("its exceptions", debt["exceptions"], ["below_floor"])
    check_equal("the first of them", debt["rule"].partition("@")[0], "purse.unregistered")
    check("medium_is_account" in foreign["exceptions"], told(foreign))
    check("card_unknown" in unknown["exceptions"], told(unknown))


@SECTION.rule(
    "Where an advice names an account that cannot exist, or a second card, its line goes to"
)
async def _what_has_no_place_goes_to_suspense(kit: Kit) -> None:
    card = await kit.card(1_000, medium="stored")
    async with kit.session(SERVICE) as desk:
        tap = ["tap", card, 500, "no operator", "out", "", "", "", PROOF]
        outcome = (await desk.submit(tap))[0]
        entry = await entry_of(desk, outcome)
    check_equal("the exceptions", outcome["exceptions"], ["account_name"])
    accounts = SCHEMA["x-accounts"]
    wanted = [[accounts["purse"], card, -500], [accounts["suspense"], "account", 500]]
    check_equal("the postings", entry["postings"], wanted)


@SECTION.rule(
    "of cards, operators, merchants, banks and programmes are printable ASCII without blanks"
)
async def _a_name_that_is_none_is_refused(kit: Kit) -> None:
    card = await kit.card(10_000)
    async with kit.session(SERVICE) as desk:
        await refusals(
            desk,
            ("account_name", ["tap", card, 1, "trans jakarta", "in"]),
            ("account_name", ["purchase", card, 1, "warung/sari"]),
            ("account_name", ["top_up", card, 1, "bank*"]),
            ("account_name", ["issue", "kartu é", "account", "dki"]),
        )
        free = await desk.submit(["tap", card, 0, "o", "in", "Halte Bundaran HI*", "jalur é/5"])
        check_equal("places and lines", free[0]["result"], "posted")


@SECTION.rule("it did not take effect; that, too, is on disk")
async def _the_state_of_a_card_is_a_reason(kit: Kit) -> None:
    card, new, gone = await kit.card(5_000), kit.name(), await kit.card()
    tap = ["tap", card, 1, "o", "in"]
    async with kit.session(SERVICE) as desk:
        await desk.posted(["identify", card, kit.name()])
        await refusals(
            desk,
            ("card_not_blocked", ["unblock", card, "found"]),
            ("card_registered", ["identify", card, kit.name()]),
        )
        await desk.posted(["block", card, "lost"])
        await refusals(desk, ("card_blocked", tap))
        await desk.posted(["unblock", card, "found"], ["replace", card, new], ["close", gone])
        await refusals(
            desk,
            ("card_replaced", tap),
            ("card_closed", ["tap", gone, 1, "o", "in"]),
            ("card_unknown", ["tap", kit.name(), 1, "o", "in"]),
            ("card_exists", ["issue", card, "account", "dki"]),
        )


@SECTION.rule("the purse would hold more than it may")
async def _the_limits_of_a_purse_are_reasons(kit: Kit) -> None:
    card = await kit.card()
    async with kit.session(SERVICE) as desk:
        await refusals(
            desk,
            ("above_ceiling", ["top_up", card, 2 * MILLION + 1, "dki"]),
            ("below_floor", ["tap", card, 1, "o", "in"]),
            ("purse_unknown", ["tap", card, 1, "o", "in", "", "", "kjp"]),
        )
        for _ in range(10):
            spend = ["purchase", card, 2 * MILLION, "shop"]
            await desk.posted(["top_up", card, 2 * MILLION, "dki"], spend)
        await refusals(desk, ("receive_limit", ["top_up", card, 1, "dki"]))


@SECTION.rule("there is no room for another purse on the card", limits=("purses_per_card_max",))
async def _a_purse_too_many_is_refused(kit: Kit) -> None:
    card = await kit.card()
    async with kit.session(SERVICE) as desk:
        for number in range(LIMITS["purses_per_card_max"]):
            await desk.posted(["top_up", card, 1, "", 0, "both", f"programme-{number}"])
        await refusals(desk, ("purse_limit", ["top_up", card, 1, "", 0, "both", "one-more"]))


@SECTION.rule(
    "there is no room for another hold on the card", limits=("holds_per_card_max", "hold_ms_max")
)
async def _a_hold_too_many_is_refused(kit: Kit) -> None:
    card = await kit.card(10_000)
    hold = ["hold", card, 1, "operator", "lrt", LIMITS["hold_ms_max"]]
    async with kit.session() as peer:
        await peer.posted(*[hold] * LIMITS["holds_per_card_max"])
        await refusals(peer, ("too_many_holds", hold))


@SECTION.rule("on the node's clock, from the decision on")
async def _a_hold_expires(kit: Kit) -> None:
    card = await kit.card(10_000)
    async with kit.session() as peer:
        hold = (await peer.posted(["hold", card, 10_000, "merchant", "shop", 1]))[0]
        await trio.sleep(0.05)
        post = ["post", card, peer.terminal, hold["counter"], 10_000]
        await refusals(peer, ("hold_expired", post))
        await peer.posted(["tap", card, 10_000, "o", "in"])


@SECTION.rule("there is no such hold, or it was posted or voided")
async def _a_hold_is_posted_once(kit: Kit) -> None:
    card = await kit.card(10_000)
    async with kit.session() as peer:
        hold = ["hold", card, 5_000, "operator", "lrt", 60_000]
        first, second = await peer.posted(hold, hold)
        below = (await peer.submit(["tap", card, 1, "o", "in"]))[0]
        check_equal("what is held", below["reason"], "below_floor")
        post = ["post", card, peer.terminal, first["counter"], 4_000]
        void = ["void", card, peer.terminal, second["counter"]]
        await refusals(peer, ("amount_exceeded", [*post[:4], 5_001]))
        await peer.posted(post, void)
        await refusals(peer, ("hold_unknown", post), ("hold_unknown", void))
        free = (await peer.posted(["tap", card, 6_000, "o", "in"]))[0]
        check_equal("what was free again", free["balance_rp"], 0)


@SECTION.rule("what moved is given back once")
async def _what_moved_is_given_back_once(kit: Kit) -> None:
    card = await kit.card(10_000)
    async with kit.session() as peer:
        tap, free = await peer.posted(
            ["tap", card, 5_000, "transjakarta", "in"], ["tap", card, 0, "transjakarta", "in"]
        )
        refund = ["refund", peer.terminal, tap["counter"], 2_000]
        reversal = ["reversal", peer.terminal, tap["counter"]]
        back, rest = await peer.posted(refund, reversal)
        check_equal("balances", (back["balance_rp"], rest["balance_rp"]), (7_000, 10_000))
        check(back["rule"].startswith("return."), f"the rule of a return is {back['rule']!r}")
        await refusals(
            peer,
            ("amount_exceeded", refund),
            ("not_returnable", ["reversal", peer.terminal, free["counter"]]),
            ("original_unknown", ["reversal", peer.terminal, peer.counter + 100]),
        )


@SECTION.rule(
    "all are posted, or none. A refusal names the part in `detail`.", limits=("group_parts_max",)
)
async def _a_group_is_posted_whole_or_not_at_all(kit: Kit) -> None:
    card = await kit.card(10_000)
    tap = ["tap", card, 100, "transjakarta", "in"]
    most = LIMITS["group_parts_max"]
    async with kit.session() as peer:
        whole = (await peer.posted(["group", [tap] * most]))[0]
        check_equal("the balance", whole["balance_rp"], 10_000 - 100 * most)
        dear = ["tap", card, 10_000, "transjakarta", "in"]
        part = (await peer.submit(["group", [tap, dear]]))[0]
        check_equal("the reason", part["reason"], "below_floor")
        check(part["detail"].startswith("parts[1]"), f"the detail is {part['detail']!r}")
        check_equal("the balance", part["balance_rp"], whole["balance_rp"])
        await peer.say("submit", peer.numbered([["group", [tap] * (most + 1)]]))
        await peer.ends("field_invalid", "submit.transactions[0].intent.parts")


@SECTION.rule(
    "kind, owner, amount (positive: credit); they sum to zero",
    limits=("adjustment_lines_max", "adjustment_rp_max", "text_length_max"),
)
async def _an_adjustment_has_to_balance(kit: Kit) -> None:
    accounts, most = SCHEMA["x-accounts"], LIMITS["adjustment_rp_max"]
    suspense, revenue = accounts["suspense"], accounts["operator_revenue"]
    many = [[suspense, "account", -1], [revenue, "transjakarta", 1]]
    many *= LIMITS["adjustment_lines_max"] // 2
    reason = "x" * LIMITS["text_length_max"]
    async with kit.session(OPERATOR) as desk:
        await refusals(
            desk,
            ("not_balanced", ["adjustment", "ani", reason, [[suspense, "account", -1]] * 2]),
            ("funds_mixed", ["adjustment", "ani", "x", [[7, "kjp", -1], [revenue, "mrt", 1]]]),
        )
        for amount_rp in (most, -most):
            lines = [[suspense, "account", -amount_rp], [revenue, "transjakarta", amount_rp]]
            await desk.posted(["adjustment", "ani", reason, lines])
        await desk.posted(["adjustment", "ani", reason, many])


@SECTION.rule("what arrives on the purse", limits=("amount_rp_max", "proof_bytes_max"))
async def _amounts_and_proofs_at_their_bounds_are_taken(kit: Kit) -> None:
    proof = bytes(LIMITS["proof_bytes_max"])
    stored = await kit.card(medium="stored")
    async with kit.session() as peer:
        most = LIMITS["amount_rp_max"]
        top_up, spend = await peer.posted(
            ["top_up", stored, most, "dki", 0, "both", "", proof],
            ["purchase", stored, most, "shop", "", "", proof],
        )
        check_equal("balances", (top_up["balance_rp"], spend["balance_rp"]), (most, 0))


@SECTION.rule("`post` and `void` find it under the name of either;")
async def _what_was_held_moves_with_the_card(kit: Kit) -> None:
    old, new = await kit.card(10_000), kit.name()
    async with kit.session(SERVICE) as desk:
        hold = ["hold", old, 1_000, "operator", "lrt", 60_000]
        first, second = await desk.posted(hold, hold)
        moved = (await desk.posted(["replace", old, new]))[0]
        check_equal("the balance", moved["balance_rp"], 10_000)
        post = ["post", old, desk.terminal, first["counter"], 1_000]
        posted, _ = await desk.posted(post, ["void", new, desk.terminal, second["counter"]])
        entry = await entry_of(desk, posted)
        accounts = SCHEMA["x-accounts"]
        wanted = [[accounts["purse"], new, -1_000], [accounts["operator_revenue"], "lrt", 1_000]]
        check_equal("the lines", entry["postings"], wanted)


@SECTION.rule(
    "A person is granted a programme on one card and in one group at a time", limits=("day_max",)
)
async def _a_person_is_granted_a_programme_once(kit: Kit) -> None:
    card, other, person, days = (
        await kit.card(),
        await kit.card(),
        kit.name(),
        (0, LIMITS["day_max"]),
    )
    grant = ["grant", card, "kjp", "sd", person, *days]
    async with kit.session(SERVICE) as desk:
        await refusals(
            desk,
            ("card_unknown", ["grant", kit.name(), *grant[2:]]),
            ("programme_unknown", ["grant", card, "no-programme", *grant[3:]]),
            ("group_unknown", ["grant", card, "kjp", "no-level", *grant[4:]]),
            ("account_name", [*grant[:4], "no person", *days]),
            ("grant_over", [*grant[:5], 0, 1]),
            ("grant_too_long", ["grant", card, "free_ride", "elderly", person, *days]),
            ("not_granted", ["revoke", card, "kjp", "sold"]),
        )
        await desk.posted(grant, grant)
        await refusals(
            desk,
            ("already_granted", ["grant", other, *grant[2:]]),
            ("already_granted", ["grant", card, "kjp", "smp", *grant[4:]]),
            ("already_granted", [*grant[:4], kit.name(), *days]),
        )
        await desk.posted(["revoke", card, "kjp", "moved away"], ["grant", other, *grant[2:]])


@SECTION.rule("`replace` takes grants over to the new card; `close` ends them.")
async def _a_grant_moves_with_the_card(kit: Kit) -> None:
    card, other, new, person = await kit.card(), await kit.card(), kit.name(), kit.name()
    grant = ["kjp", "sd", person, 0, LIMITS["day_max"]]
    async with kit.session(OPERATOR) as desk:
        await desk.posted(["grant", card, *grant], ["block", card, "lost"], ["replace", card, new])
        await refusals(desk, ("already_granted", ["grant", other, *grant]))
        await desk.posted(["grant", new, *grant], ["close", new], ["grant", other, *grant])
