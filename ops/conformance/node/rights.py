"""Section 13: what each role may do."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from typing import Any, Final

import trio

from ops.conformance.errors import check, check_equal
from ops.conformance.keys import BY_ROLE, OBSERVER, OTHER, TERMINAL
from ops.conformance.kit import Kit
from ops.conformance.limits import REVOKED_S_MAX
from ops.conformance.node.bounds import sample
from ops.conformance.peer import about
from ops.conformance.rules import Section
from ops.conformance.shape import SCHEMA

SECTION: Final[Section[Kit]] = Section(13, "Security")
RIGHTS: Final[dict[str, dict[str, str]]] = SCHEMA["x-rights"]
DEFS: Final[dict[str, Any]] = SCHEMA["$defs"]
SESSIONS: Final = ("sessions_per_terminal_max",)
SOON_MS: Final = 300
SMALL: Final = ["tap", "C", 0, "o", "in"]


def refused(role: str, family: str) -> list[str]:
    """Return the definitions of a family that a role may not use at all."""
    return [
        definition
        for definition, row in RIGHTS.items()
        if definition.startswith(f"{family}.") and row[role] == "no"
    ]


async def not_allowed(kit: Kit, name: str, field: str, *message: object) -> None:
    """Check that a message ends the connection of who may not send it."""
    async with kit.session(name) as peer:
        with about(f"{message[0]} of {name}"):
            await peer.say(*message)
            await peer.ends("not_allowed", field)


@SECTION.rule("A key has a role, and a session has that of its key.")
async def _a_message_of_another_role_is_not_allowed(kit: Kit) -> None:
    for role, name in BY_ROLE.items():
        for definition in refused(role, "message"):
            message = sample(DEFS[definition])
            await not_allowed(kit, name, str(message[0]), *message)


@SECTION.rule("the role of this key may not send this message or submit this intent (section 13)")
async def _an_intent_of_another_role_is_not_allowed(kit: Kit) -> None:
    for role, name in BY_ROLE.items():
        if RIGHTS["message.submit"][role] == "no":
            continue
        for definition in refused(role, "intent"):
            intent = sample(DEFS[definition])
            field = "submit.transactions[1].intent"
            transactions = [[1, 0, SMALL], [2, 0, intent]]
            if RIGHTS["intent.tap"][role] == "no":
                field, transactions = "submit.transactions[0].intent", [[2, 0, intent]]
            with about(str(intent[0])):
                await not_allowed(kit, name, field, "submit", transactions)


@SECTION.rule("the role of this key may not ask this")
async def _a_question_of_another_role_is_not_allowed(kit: Kit) -> None:
    for role, name in BY_ROLE.items():
        async with kit.session(name) as peer:
            for definition in refused(role, "question"):
                found = await peer.fails("not_allowed", *sample(DEFS[definition]))
                check_equal(f"the field of {definition}", found["field"], "query.question")


@SECTION.rule("it asks about a purse of one card: kind 1, 2 or 11, owner not `*`")
async def _a_terminal_sees_purses_and_its_own_transactions(kit: Kit) -> None:
    accounts = SCHEMA["x-accounts"]
    async with kit.session() as peer:
        purses = {accounts[name] for name in ("purse", "programme_purse", "owed_fares")}
        for kind in accounts.values():
            for owner in ("nobody", "*"):
                is_purse = kind in purses and owner != "*"
                code = "not_found" if is_purse else "not_allowed"
                await peer.fails(code, "balance", kind, owner)
                await peer.fails(code, "statement", kind, owner)
        await peer.fails("not_found", "transaction", peer.terminal, 2**53 - 1)
        await peer.fails("not_allowed", "transaction", kit.keys.of(OTHER).name, 1)
        trial = [1, 0, ["issue", kit.name(), "account", "dki"]]
        await peer.fails("not_allowed", "dry_run", trial)


@SECTION.rule("each `subsidy` or `share` in it stands beside a `tap` of the same `operator`")
async def _a_terminal_moves_what_happens_before_it(kit: Kit) -> None:
    tap = ["tap", "C", 500, "transjakarta", "in"]
    field = "submit.transactions[0].intent"
    other = kit.keys.of(OTHER).name
    refused_ = [
        ["top_up", "C", 1, "", 0, "both", "kjp"],
        ["group", [["top_up", "C", 1, "", 0, "both", "kjp"]]],
        ["group", [["subsidy", "free-ride", "transjakarta", 500]]],
        ["group", [tap, ["subsidy", "free-ride", "mrt", 500]]],
        ["group", [tap, ["share", "mrt", "transjakarta", 500]]],
        ["reversal", other, 1],
        ["refund", other, 1, 1],
    ]
    for intent in refused_:
        with about(repr(intent)):
            await not_allowed(kit, TERMINAL, field, "submit", [[1, 0, intent]])
    card = await kit.card(10_000)
    tap[1] = card
    async with kit.session() as peer:
        parts = [tap, ["subsidy", "free-ride", "transjakarta", 400]]
        await peer.posted(["group", [*parts, ["share", "transjakarta", "mrt", 200]]])
        await peer.posted(["top_up", card, 1_000, "dki"])


@SECTION.rule("A key belongs to one terminal; a terminal may have several.")
async def _a_terminal_may_have_several_keys(kit: Kit) -> None:
    name = kit.name("GATE")
    first = kit.keys.enroll(name)
    second = kit.keys.enroll(name)
    for identity in (first, second):
        async with kit.stranger() as peer:
            await peer.greet(*identity)


@SECTION.rule("it asks about no single card: another kind, or owner `*`")
async def _an_observer_sees_sums_and_no_card(kit: Kit) -> None:
    accounts = SCHEMA["x-accounts"]
    await kit.card(1_000)
    async with kit.session(OBSERVER) as peer:
        await peer.answer("balance", accounts["purse"], "*")
        await peer.fails("not_allowed", "balance", accounts["purse"], "nobody")
        for kind in accounts.values():
            name, found = await peer.ask("balance", kind, "*")
            check(found.get("code") != "not_allowed", f"{name} of kind {kind} is not allowed")


@SECTION.rule("sessions of one terminal at one node; with one more", limits=SESSIONS)
async def _with_a_session_too_many_the_oldest_ends(kit: Kit) -> None:
    identity = kit.keys.enroll(kit.name("GATE"))
    async with AsyncExitStack() as held:
        peers = [
            await held.enter_async_context(kit.session(identity.name))
            for _ in range(SCHEMA["x-limits"]["sessions_per_terminal_max"])
        ]
        for peer in peers:
            await peer.say("heartbeat", 1)
            await peer.hear("pulse")
        peers.append(await held.enter_async_context(kit.session(identity.name)))
        await peers[0].ends("sessions_exceeded")
        for peer in peers[1:]:
            await peer.say("heartbeat", 2)
            await peer.hear("pulse")


@SECTION.rule(
    "From then on it opens no session, and those that it has opened end with `key_expired`"
)
async def _a_session_ends_when_its_key_expires(kit: Kit) -> None:
    soon_ms = time.time_ns() // 1_000_000 + SOON_MS
    doomed = kit.keys.enroll(kit.name("GATE"), expires_ms=soon_ms)
    async with kit.session(doomed.name) as peer:
        with trio.move_on_after(SOON_MS / 1000 + REVOKED_S_MAX) as scope:
            await peer.ends("key_expired")
        check(not scope.cancelled_caught, f"it went on for {REVOKED_S_MAX:g} s")


@SECTION.rule("Sessions that were opened with a key end with `key_revoked` within a second")
async def _a_session_ends_when_its_key_is_revoked(kit: Kit) -> None:
    name = kit.name("GATE")
    doomed, other = kit.keys.enroll(name), kit.keys.enroll(name)
    async with kit.stranger() as peer, kit.stranger() as spared:
        await peer.greet(*doomed)
        await spared.greet(*other)
        outcome = (await peer.submit(SMALL))[0]
        kit.keys.revoke(doomed)
        with trio.move_on_after(REVOKED_S_MAX) as scope:
            await peer.ends("key_revoked")
        check(not scope.cancelled_caught, f"it went on for {REVOKED_S_MAX:g} s")
        again = (await spared.submit_all([[outcome["counter"], 0, SMALL]]))[0]
        check(again["repeated"], "what was submitted until then does not count")
