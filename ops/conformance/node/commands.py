"""Section 16: commands on their way to terminals, and what becomes of them."""

from __future__ import annotations

import time
from typing import Any, Final

import trio

from ops.conformance.errors import check, check_equal
from ops.conformance.keys import OPERATOR, OTHER, TERMINAL
from ops.conformance.kit import Kit
from ops.conformance.node.officers import LIMITS, done, refused
from ops.conformance.peer import Fields, Peer, fields, packed
from ops.conformance.rules import Section

SECTION: Final[Section[Kit]] = Section(16, "Commands", capability="commands")
HOUR_MS: Final = 3_600_000
RESEND_S: Final = 60
"""A command that nothing was heard of for a minute is told again."""
EXPIRY_S: Final = 8
"""How long it may take until it is seen that the time of a command is over."""
BODIES: Final[list[list[Any]]] = [
    *(["card", "6013500100000001", action] for action in ("block", "unblock", "reset_journey")),
    *(["restart", when] for when in ("now", "idle")),
    *(["log_level", level, 60] for level in ("error", "warning", "info", "debug")),
    *(["lane", lane] for lane in ("open", "closed")),
    ["send_journal", 1, 2],
]
SMALL: Final = ["tap", "C", 0, "o", "in"]


def now_ms() -> int:
    """Return the clock of this machine."""
    return time.time_ns() // 1_000_000


async def ordered(
    kit: Kit, officer: Peer, body: list[Any], *, name: str = TERMINAL, for_ms: int = HOUR_MS
) -> str:
    """Order a command for a terminal; return the id under which it goes."""
    order_id = kit.name("COMMAND")
    action = ["command", [[name]], body, now_ms() + for_ms]
    receipt = await done(officer, order_id, *action)
    check_equal("the terminals that it goes to", receipt["count"], 1)
    return f"{officer.terminal}/{order_id}"


async def seen(kit: Kit, name: str) -> None:
    """Have a terminal connect once, so that it can be named in an order."""
    async with kit.session(name):
        pass


async def heard(peer: Peer, command_id: str) -> Fields:
    """Wait for a command; others are passed over."""
    while True:
        command = await peer.hear("command")
        if command["id"] == command_id:
            return command


async def is_not_told(peer: Peer, command_id: str) -> None:
    """Check that a command is not among those that a terminal is told when it connects."""
    await peer.say("heartbeat", 1)
    while (message := await peer.hear_any())[0] != "pulse":
        check(message[1] != command_id, "the command was told")


async def standing(officer: Peer, command_id: str, name: str = TERMINAL) -> Fields:
    """Return where a command stands at a terminal."""
    answer = await officer.answer("command", command_id)
    places = [fields("record.command_place", place) for place in answer["terminals"]]
    found = [place for place in places if place["terminal"] == name]
    check_equal("terminals of this name", len(found), 1)
    return found[0]


async def comes_to(
    officer: Peer, command_id: str, state: str, within_s: float = 5, *, name: str = TERMINAL
) -> Fields:
    """Wait until a command stands in a state at the terminal."""
    until_s = trio.current_time() + within_s
    while (place := await standing(officer, command_id, name))["state"] != state:
        late = trio.current_time() > until_s
        check(not late, f"the command is {place['state']}, not {state}")
        await trio.sleep(0.02)
    return place


async def settle(peer: Peer, officer: Peer, *command_ids: str) -> None:
    """Have commands done, so that nobody hears of them again."""
    for command_id in command_ids:
        await peer.say("report", command_id, "done")
        await comes_to(officer, command_id, "done")


@SECTION.rule("It is told to a terminal as soon as that is connected")
async def _a_command_is_told_at_once_and_as_it_was_ordered(kit: Kit) -> None:
    async with kit.session(OPERATOR) as officer, kit.session() as peer:
        for body in BODIES:
            command_id = await ordered(kit, officer, body)
            command = await heard(peer, command_id)
            check_equal("the body", command["body"], body)
            check(command["expires_ms"] > now_ms(), "its time is over already")
            await settle(peer, officer, command_id)


@SECTION.rule("again whenever it connects")
async def _a_command_is_told_until_it_is_done(kit: Kit) -> None:
    await seen(kit, TERMINAL)
    async with kit.session(OPERATOR) as officer:
        command_id = await ordered(kit, officer, ["lane", "closed"])
        for state in ("accepted", "delivered"):
            async with kit.session() as peer:
                await heard(peer, command_id)
                check_equal("its state", (await standing(officer, command_id))["state"], state)
                await peer.say("report", command_id, "delivered")
                await comes_to(officer, command_id, "delivered")
        async with kit.session() as peer:
            await settle(peer, officer, command_id)
        async with kit.session() as peer:
            await is_not_told(peer, command_id)


@SECTION.rule("or `failed` with the")
async def _what_failed_is_told_with_the_reason(kit: Kit) -> None:
    reason = "x" * LIMITS["note_length_max"]
    async with kit.session(OPERATOR) as officer, kit.session() as peer:
        command_id = await ordered(kit, officer, ["restart"])
        check_equal("the body", (await heard(peer, command_id))["body"][0], "restart")
        await peer.say("report", command_id, "failed", reason)
        check_equal("the reason", (await comes_to(officer, command_id, "failed"))["text"], reason)
    async with kit.session() as peer:
        await is_not_told(peer, command_id)


@SECTION.rule("accepted --> delivered --> done or failed")
async def _a_state_is_never_left_for_an_earlier_one(kit: Kit) -> None:
    async with kit.session(OPERATOR) as officer, kit.session() as peer:
        command_id = await ordered(kit, officer, ["lane", "open"])
        await settle(peer, officer, command_id)
        marker = await ordered(kit, officer, ["lane", "open"])
        for state in ("delivered", "failed"):
            await peer.say("report", command_id, state)
        # Reports are written in order.
        await settle(peer, officer, marker)
        check_equal("its state", (await standing(officer, command_id))["state"], "done")


@SECTION.rule("A report that comes later than that still counts: it tells what has happened.")
async def _a_command_expires_and_a_late_report_counts(kit: Kit) -> None:
    await seen(kit, OTHER)
    async with kit.session(OPERATOR) as officer:
        command_id = await ordered(kit, officer, ["lane", "open"], name=OTHER, for_ms=200)
        await trio.sleep(0.25)
        async with kit.session(OTHER) as peer:
            await is_not_told(peer, command_id)
            await peer.say("report", command_id, "done")
            await comes_to(officer, command_id, "done", name=OTHER)


@SECTION.rule("it does not begin to carry one out", slow=True)
async def _what_nobody_told_of_expires(kit: Kit) -> None:
    name = kit.name("GATE")
    async with kit.session(OPERATOR) as officer:
        await done(officer, kit.name(), "register", name, "gate")
        command_id = await ordered(kit, officer, ["lane", "open"], name=name, for_ms=200)
        await comes_to(officer, command_id, "expired", EXPIRY_S, name=name)
        answer = await officer.answer("command", command_id)
        row = fields("record.command_row", answer["command"])
        check_equal("those at which it expired", row["expired"], 1)


@SECTION.rule("again with a heartbeat when nothing was heard of it for a", slow=True)
async def _a_command_is_told_again_with_a_heartbeat(kit: Kit) -> None:
    async with kit.session(OPERATOR) as officer, kit.session(OTHER) as peer:
        command_id = await ordered(kit, officer, ["lane", "open"], name=OTHER)
        await heard(peer, command_id)
        told = 0
        for _ in range(3):
            await trio.sleep(RESEND_S / 3 + 1)
            await officer.say("heartbeat", 1)
            await officer.hear("pulse")
            await peer.say("heartbeat", 1)
            while (message := await peer.hear_any())[0] != "pulse":
                told += message[1] == command_id
        if not told:
            await heard(peer, command_id)
        await peer.say("report", command_id, "done")
        await comes_to(officer, command_id, "done", name=OTHER)


@SECTION.rule("The terminal sends what it has itself written down of these transactions, in parts")
async def _a_journal_comes_in_parts_each_with_a_receipt(kit: Kit) -> None:
    async with kit.session(OPERATOR) as officer, kit.session() as peer:
        outcome = (await peer.submit(SMALL))[0]
        command_id = await ordered(kit, officer, ["send_journal", 1, outcome["counter"]])
        await heard(peer, command_id)
        known, never = [outcome["counter"], 0, SMALL], [2**53 - 1, 0, SMALL]
        for part, transactions in ((0, [never]), (1, []), (0, [known, never])):
            await peer.say("journal_part", command_id, part, transactions)
            receipt = await peer.hear("receipt")
            found = receipt["id"], receipt["result"], receipt["count"]
            check_equal("the receipt", found, (command_id, "done", part))
        first = await officer.answer("journal", command_id, TERMINAL)
        lines = [fields("record.journal_line", line) for line in first["lines"]]
        positions = [line["position"] for line in lines]
        check_equal("the positions", positions, [outcome["position"], -1])
        check_equal("the part behind it", first["next"], 1)
        last = await officer.answer("journal", command_id, TERMINAL, 1)
        check_equal("the last part", (last["lines"], last["next"]), ([], -1))
        await officer.fails("not_found", "journal", command_id, TERMINAL, 2)
        await settle(peer, officer, command_id)


@SECTION.rule("no terminal is meant; or nobody asked for this journal")
async def _a_journal_that_nobody_asked_for_is_refused(kit: Kit) -> None:
    await seen(kit, OTHER)
    async with kit.session(OPERATOR) as officer, kit.session() as peer:
        lane = await ordered(kit, officer, ["lane", "open"])
        foreign = await ordered(kit, officer, ["send_journal", 1, 1], name=OTHER)
        for command_id in ("nobody/nothing", lane, foreign):
            await peer.say("journal_part", command_id, LIMITS["journal_parts_max"] - 1, [])
            receipt = await peer.hear("receipt")
            found = receipt["result"], receipt["code"]
            check_equal("the receipt", found, ("refused", "no_target"))
        await settle(peer, officer, lane)


@SECTION.rule("bytes of one `journal_part`", limits=("journal_part_bytes_max",))
async def _a_part_of_a_journal_that_is_too_long_is_told(kit: Kit) -> None:
    most = LIMITS["journal_part_bytes_max"]
    wide = ["tap", "C", 0, "o", "in", "\U0001f68c" * 64, "\U0001f68c" * 64]
    size = len(packed([1, 0, wide]))
    # Those with counters above 127 are longer by a byte or two: there is room for them.
    fitting = (most - 2 * LIMITS["transactions_per_frame_max"] - 100) // size
    transactions = [[counter, 0, wide] for counter in range(1, fitting + 1)]
    async with kit.session() as peer:
        await peer.say("journal_part", "nobody/nothing", 0, transactions)
        check_equal("a long part", (await peer.hear("receipt"))["code"], "no_target")
        too_long = transactions + transactions[: most // 100 // size + 1]
        check(len(packed(too_long)) > most, "the kit made it too short")
        await peer.say("journal_part", "nobody/nothing", 0, too_long)
        await peer.ends("message_too_big", "journal_part")


@SECTION.rule("characters of the id of a command", limits=("command_id_length_max",))
async def _the_longest_id_goes_all_the_way(kit: Kit) -> None:
    officer_name = kit.name("OFFICER").ljust(LIMITS["name_length_max"], "x")
    kit.keys.enroll(officer_name, "operator")
    order_id = kit.name("COMMAND").ljust(LIMITS["name_length_max"], "x")
    async with kit.session(officer_name) as officer, kit.session() as peer:
        action = ["command", [[TERMINAL]], ["lane", "open"], now_ms() + HOUR_MS]
        await done(officer, order_id, *action)
        command_id = f"{officer_name}/{order_id}"
        check_equal("its length", len(command_id), LIMITS["command_id_length_max"])
        await heard(peer, command_id)
        await settle(peer, officer, command_id)


@SECTION.rule("the time of the command is over already")
async def _a_command_needs_terminals_and_time(kit: Kit) -> None:
    lane, late_ms = ["lane", "open"], now_ms() + HOUR_MS
    async with kit.session(OPERATOR) as officer:
        name = kit.name
        await refused(officer, name(), "expired", "command", [[TERMINAL]], lane, now_ms() - 1)
        await refused(officer, name(), "no_target", "command", [], lane, late_ms)
        nowhere = [[], "", name("NOWHERE")]
        await refused(officer, name(), "no_target", "command", nowhere, lane, late_ms)
        many = [[TERMINAL] * (LIMITS["terminals_named_max"] - 1) + [name("NOBODY")]]
        found = await refused(officer, name(), "terminal_unknown", "command", many, lane, late_ms)
        check(found["field"].startswith("order.action.targets.terminals["), found["field"])


@SECTION.rule("All conditions that are not empty have to be met.")
async def _terminals_are_chosen_by_conditions(kit: Kit) -> None:
    place = kit.name("PLACE")
    late_ms = now_ms() + 100
    async with kit.session(OPERATOR) as officer:
        names = [kit.name("GATE") for _ in range(3)]
        for name, kind in zip(names, ("gate", "gate", "shop"), strict=True):
            await done(officer, kit.name(), "register", name, kind, place, "transjakarta")
        chosen = {3: [[], "", place], 2: [[], "gate", place, "transjakarta"]}
        chosen |= {1: [names[:1], "gate", place]}
        for count, selection in chosen.items():
            action = ["command", selection, ["lane", "open"], late_ms + 1_000]
            receipt = await done(officer, kit.name(), *action)
            check_equal(f"the terminals of {selection}", receipt["count"], count)
        none = ["command", [names[:1], "shop"], ["lane", "open"], late_ms + 1_000]
        await refused(officer, kit.name(), "no_target", *none)
