"""Section 18: what may be asked about the fleet."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any, Final

from ops.conformance.errors import check, check_equal
from ops.conformance.keys import OBSERVER, OPERATOR, TERMINAL
from ops.conformance.kit import Kit
from ops.conformance.node.officers import LIMITS, done, publish
from ops.conformance.peer import Fields, Peer, fields
from ops.conformance.rules import Section

SECTION: Final[Section[Kit]] = Section(18, "The fleet", capability="orders")
BEHIND_MS: Final = 5_000
"""How far behind the terminal's clock is."""
SMALL: Final = ["tap", "C", 0, "o", "in"]


async def row_of(asker: Peer, name: str) -> Fields:
    """Return the row of a terminal; it is the first one behind the names before it."""
    before = name[:-1] + chr(ord(name[-1]) - 1)
    answer = await asker.answer("terminals", before, 1)
    row = fields("record.terminal_row", answer["terminals"][0])
    check_equal("the terminal", row["terminal"], name)
    return row


@SECTION.rule("of its last heartbeat", limits=("key_mark_bytes",))
async def _the_row_of_a_terminal_tells_how_it_is(kit: Kit) -> None:
    identity = kit.keys.of(TERMINAL)
    async with kit.session(OPERATOR) as asker, kit.stranger() as peer:
        await peer.greet(*identity, more=["reader 1.0"])
        await peer.say("holds", [["rules", 7, bytes(32)]])
        await peer.submit(SMALL)
        at_ms = time.time_ns() // 1_000_000 - BEHIND_MS
        await peer.say("heartbeat", at_ms, 3, 55, "degraded")
        while (await peer.hear_any())[0] != "pulse":
            pass
        row = await row_of(asker, identity.name)
        told = row["backlog"], row["battery"], row["reader"], row["firmware"]
        check_equal("what it told", told, (3, 55, "degraded", "reader 1.0"))
        check(row["clock_offset_ms"] >= BEHIND_MS, f"it is {row['clock_offset_ms']} ms behind")
        public = identity.key.public_key().public_bytes_raw()
        check_equal("its key", row["key"], public[: LIMITS["key_mark_bytes"]])
        check_equal("the lists it holds", row["lists"], [["rules", 7]])
        check_equal("its counter", row["counter"], peer.counter - 1)
        check(row["connected"], "it is connected")
        check(not row["silent"], "it is not silent")


@SECTION.rule("counters below it that have not come")
async def _gaps_of_a_terminal_are_told(kit: Kit) -> None:
    identity = kit.keys.enroll(kit.name("GATE"))
    async with kit.session(identity.name) as peer:
        await peer.submit_all([[counter, 0, SMALL] for counter in (3, 5)])
    async with kit.session(OPERATOR) as asker:
        row = await row_of(asker, identity.name)
        found = row["counter"], row["missing"], row["gaps"]
        check_equal("counter and gaps", found, (5, 3, [[1, 2], [4, 4]]))
        check(row["last_seen_ms"] > 0, "it was never seen")


@SECTION.rule("only names behind this one", limits=("rows_max",))
async def _terminals_are_told_page_by_page(kit: Kit) -> None:
    place = kit.name("PLACE")
    async with kit.session(OPERATOR) as officer:
        names = sorted(kit.name("GATE") for _ in range(5))
        for name in names:
            await done(officer, kit.name(), "register", name, "kiosk", place, "mrt")
        found: list[str] = []
        after = ""
        while True:
            answer = await officer.answer("terminals", after, 2, "kiosk", place, "mrt")
            rows = [fields("record.terminal_row", row) for row in answer["terminals"]]
            found += [row["terminal"] for row in rows]
            check_equal("their kinds", {row["kind"] for row in rows}, {"kiosk"})
            if not (after := answer["next"]):
                break
        check_equal("the terminals", found, names)
        check_equal("registered", rows[-1]["last_seen_ms"], 0)
        whole = await officer.answer("terminals", "", LIMITS["rows_max"])
        check(whole["known"] >= len(whole["terminals"]) > 0, "fewer are known than are told")
        question = ["terminals", "", 1, "kiosk", place, "mrt", True]
        silent = await officer.answer(*question)
        check_equal("those that are silent", silent["terminals"], [])


@SECTION.rule("the supervision tree, parents before children")
async def _the_tree_is_told_parents_first(kit: Kit) -> None:
    async with kit.session(OBSERVER) as asker:
        answer = await asker.answer("tree")
        rows = [fields("record.tree_row", row) for row in answer["rows"]]
        check_equal("the depth of the root", rows[0]["depth"], 0)
        for above, row in pairwise(rows):
            check(0 < row["depth"] <= above["depth"] + 1, f"{row['name']} hangs in the air")
        check(answer["server_time_ms"] > 0, "the node tells no time")
        check(answer["position"] >= 0, "the journal has no position")
        kinds = {row["kind"] for row in rows}
        check(kinds <= {"supervisor", "worker"}, f"kinds are {kinds}")


@SECTION.rule("connected terminals that hold it")
async def _lists_tell_how_far_they_have_spread(kit: Kit) -> None:
    async with kit.session(OPERATOR) as officer, kit.session() as peer:
        await peer.say("holds", [["firmware", 0, b""]])
        content: dict[str, str | None] = {"version": kit.name("VERSION")}
        version = await publish(kit, officer, "firmware", content)
        while (offer := await peer.hear("offer"))["version"] < version:
            pass
        rows = [
            await list_row(peer, officer, ["firmware", version, held, state])
            for held, state in ((offer["hash"], "active"), (bytes(32), "mismatch"))
        ]
    for row in rows:
        found = row["version"], row["hash"], row["entries"], row["officer"], row["note"]
        wanted = (version, offer["hash"], 1, OPERATOR, "the kit")
        check_equal("the list", found, wanted)
    holders, others = (row["holders"] for row in rows)
    check_equal("those that hold it less those that do not", holders - others, 1)
    check_equal("the mismatches", rows[1]["mismatches"] - rows[0]["mismatches"], 1)
    check(rows[0]["connected"] >= holders, "more hold it than want it")
    check(rows[0]["reached_ms"][0] >= 0, "it is not told when the first held it")


async def list_row(peer: Peer, officer: Peer, held: list[Any]) -> Fields:
    """Hold a list; return what is told of it then."""
    await peer.say("holds", [held])
    await peer.say("heartbeat", 1)
    while (await peer.hear_any())[0] != "pulse":
        pass
    answer = await officer.answer("lists")
    rows = [fields("record.list_row", row) for row in answer["lists"]]
    return next(row for row in rows if row["name"] == held[0])


@SECTION.rule("in the order in which they were accepted")
async def _commands_are_told_newest_first(kit: Kit) -> None:
    late_ms = time.time_ns() // 1_000_000 + 1_000
    async with kit.session(OPERATOR) as officer:
        place = kit.name("PLACE")
        for _ in range(3):
            await done(officer, kit.name(), "register", kit.name("GATE"), "gate", place)
        ids = [kit.name("COMMAND") for _ in range(3)]
        for order_id in ids:
            action = ["command", [[], "", place], ["lane", "open"], late_ms]
            await done(officer, order_id, *action)
        wanted = [f"{officer.terminal}/{order_id}" for order_id in reversed(ids)]
        found: list[Fields] = []
        before = None
        while len(found) < len(wanted):
            answer = await officer.answer("commands", before, 2)
            found += [fields("record.command_row", row) for row in answer["commands"]]
            before = answer["next"]
        check_equal("the commands", [row["id"] for row in found][:3], wanted)
        check_equal("the terminals it goes to", found[0]["accepted"] + found[0]["expired"], 3)
        names: list[str] = []
        after = ""
        while True:
            page = await officer.answer("command", wanted[0], after, 2)
            names += [place_[0] for place_ in page["terminals"]]
            if not (after := page["next"]):
                break
        check_equal("their order", (len(names), names), (3, sorted(names)))
        await officer.fails("not_found", "command", "nobody/nothing")
