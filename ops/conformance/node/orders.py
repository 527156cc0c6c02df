"""Section 17: orders, each done once, and their receipts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ops.conformance.errors import check_equal
from ops.conformance.keys import OPERATOR, SECOND
from ops.conformance.kit import Kit
from ops.conformance.node.officers import LIMITS, done, publish, refused, version_of
from ops.conformance.node.overtaking import overtake
from ops.conformance.peer import Peer, fields
from ops.conformance.rules import Section

SECTION: Final[Section[Kit]] = Section(17, "Orders", capability="orders")
NAME: Final = "rules"
GUARDED: Final = 101
"""One more than a single officer may change of the deny list, however few cards there are."""


def part(draft: str, number: int, *keys: str, name: str = NAME) -> list[Any]:
    """Return the order that sends a part of a draft."""
    return ["list_part", draft, name, number, [[key, "x"] for key in keys]]


@SECTION.rule("the same id with the same content gets the first receipt again")
async def _an_order_is_done_once(kit: Kit) -> None:
    order_id, gate = kit.name("ORDER"), kit.name("GATE")
    action = ["register", gate, "gate", "P1", "transjakarta"]
    async with kit.session(OPERATOR) as officer:
        draft = kit.name("DRAFT")
        await done(officer, kit.name(), *part(draft, 0, kit.name()))
        base = await version_of(officer, NAME)
        out = ["list_publish", draft, NAME, 1, base]
        first = [await done(officer, order_id, *action), await done(officer, f"{order_id}-2", *out)]
    async with kit.session(OPERATOR) as officer:
        again = [await officer.order(order_id, *action), await officer.order(f"{order_id}-2", *out)]
        check_equal("the receipts sent again", again, first)
        check_equal("the version", await version_of(officer, NAME), first[1]["version"])


@SECTION.rule("with other content it is a")
async def _another_order_under_the_same_id_is_a_conflict(kit: Kit) -> None:
    order_id, gate = kit.name("ORDER"), kit.name("GATE")
    async with kit.session(OPERATOR) as officer:
        await done(officer, order_id, "register", gate, "gate")
        found = await refused(officer, order_id, "conflict", "register", gate, "shop")
        check_equal("the field", found["field"], "order.id")
    async with kit.session(SECOND) as other:
        await done(other, order_id, "register", gate, "shop")


@SECTION.rule("They are printable ASCII without blanks, `/` and `*`.")
async def _an_id_that_is_none_is_told(kit: Kit) -> None:
    for order_id in ("a b", "a/b", "*", "é"):
        async with kit.session(OPERATOR) as officer:
            await officer.say("order", order_id, ["list_withdraw", "none"])
            await officer.ends("field_invalid", "order.id")


@SECTION.rule(
    "orders and parts of journals of one connection without a receipt", limits=("orders_open_max",)
)
async def _more_orders_than_may_be_open_are_too_many(kit: Kit) -> None:
    most = LIMITS["orders_open_max"]

    def orders(ids: list[str]) -> list[Sequence[Any]]:
        return [("order", order_id, ["list_withdraw", "none"]) for order_id in ids]

    async with kit.session(OPERATOR) as officer:
        ids = [kit.name() for _ in range(most)]
        await officer.say_all(orders(ids))
        found = {(await officer.hear("receipt"))["id"] for _ in range(most)}
        check_equal("the receipts", found, set(ids))
    await overtake(
        kit,
        lambda _: orders([kit.name() for _ in range(40 * most)]),
        "orders_exceeded",
        "order",
        answers=40 * most,
        sender=OPERATOR,
    )


@SECTION.rule(
    "Send the entries in parts under the name of a draft, in any order, then `list_publish`."
)
async def _a_draft_comes_in_parts_and_the_last_one_counts(kit: Kit) -> None:
    draft, key, other = kit.name("DRAFT"), kit.name("KEY"), kit.name("KEY")
    async with kit.session(OPERATOR) as officer, kit.session() as peer:
        base = await version_of(officer, NAME)
        out = ["list_publish", draft, NAME, 2, base, True, 0, "x" * LIMITS["note_length_max"]]
        await refused(officer, kit.name(), "draft_unknown", *out)
        await done(officer, kit.name(), "list_part", draft, NAME, 1, [[key, "1"], [other, "1"]])
        await refused(officer, kit.name(), "parts_missing", *out)
        count = (await done(officer, kit.name(), "list_part", draft, NAME, 0, [[key, "2"]]))[
            "count"
        ]
        check_equal("parts that have come", count, 2)
        receipt = await done(officer, kit.name(), *out)
        check_equal("the version", receipt["version"], base + 1)
        await peer.say("holds", [[NAME, 0, b""]])
        check_equal("the entries", (await peer.hear("offer"))["entries"], 2)
        await refused(officer, kit.name(), "draft_unknown", *out)


@SECTION.rule("two officers cannot overwrite each other unseen.")
async def _a_list_that_moved_on_is_not_overwritten(kit: Kit) -> None:
    draft = kit.name("DRAFT")
    async with kit.session(OPERATOR) as officer:
        base = await version_of(officer, NAME)
        await done(officer, kit.name(), *part(draft, 0, kit.name("KEY")))
        await publish(kit, officer, NAME, {kit.name("KEY"): "x"}, whole=False)
        out = ["list_publish", draft, NAME, 1]
        found = await refused(officer, kit.name(), "version_passed", *out, base)
        check_equal("the field", found["field"], "order.action.base")
        await done(officer, kit.name(), *out, base + 1)


@SECTION.rule("the list is so already")
async def _what_changes_nothing_is_refused(kit: Kit) -> None:
    draft, key = kit.name("DRAFT"), kit.name("KEY")
    async with kit.session(OPERATOR) as officer:
        version = await publish(kit, officer, NAME, {key: "x"}, whole=False)
        await done(officer, kit.name(), *part(draft, 0, key))
        out = ["list_publish", draft, NAME, 1, version]
        await refused(officer, kit.name(), "nothing_changes", *out)
        await done(officer, kit.name(), "list_withdraw", draft)
        await refused(officer, kit.name(), "draft_unknown", "list_withdraw", draft)


@SECTION.rule("a key of a list that is not printable ASCII, or has a blank")
async def _a_key_that_is_none_is_refused(kit: Kit) -> None:
    async with kit.session(OPERATOR) as officer:
        for key in ("a b", "é", "a\n"):
            action = part(kit.name("DRAFT"), 0, "good", key)
            found = await refused(officer, kit.name(), "key_invalid", *action)
            check_equal("the field", found["field"], "order.action.entries[1][0]")


@SECTION.rule("the draft is another officer's, of another list, or waits already")
async def _a_draft_belongs_to_its_officer_and_its_list(kit: Kit) -> None:
    draft = kit.name("DRAFT")
    async with kit.session(OPERATOR) as officer, kit.session(SECOND) as other:
        await done(officer, kit.name(), *part(draft, 0, kit.name("KEY")))
        await refused(other, kit.name(), "conflict", *part(draft, 1, kit.name("KEY")))
        foreign = part(draft, 1, kit.name("KEY"), name="fares")
        await refused(officer, kit.name(), "conflict", *foreign)
        await done(officer, kit.name(), "list_withdraw", draft)


@SECTION.rule("too many drafts, terminals, or commands before one of them")
async def _drafts_without_end_are_too_many(kit: Kit) -> None:
    drafts: list[str] = []
    async with kit.session(OPERATOR) as officer:
        receipt: dict[str, Any] = {"result": "done"}
        while receipt["result"] == "done" and len(drafts) < 1_000:  # noqa: PLR2004 - it ends
            drafts.append(kit.name("DRAFT"))
            receipt = await officer.order(kit.name(), *part(drafts[-1], 0, "key"))
        found = receipt["result"], receipt.get("code")
        for draft in drafts[:-1]:
            await done(officer, kit.name(), "list_withdraw", draft)
        check_equal("the receipt for one more", found, ("refused", "too_many"))


@SECTION.rule(
    "entries of one part of a draft",
    limits=(
        "list_key_length_max",
        "list_value_length_max",
        "list_part_entries_max",
        "list_parts_max",
    ),
)
async def _a_part_as_large_as_may_be_is_taken(kit: Kit) -> None:
    draft, most = kit.name("DRAFT"), LIMITS["list_part_entries_max"]
    long, value = "k" * LIMITS["list_key_length_max"], "v" * LIMITS["list_value_length_max"]
    last = LIMITS["list_parts_max"] - 1
    async with kit.session(OPERATOR) as officer:
        await done(officer, kit.name(), "list_part", draft, NAME, last, [[long, value]])
        many = [[f"key-{number}", None] for number in range(most)]
        await done(officer, kit.name(), "list_part", draft, NAME, 0, many)
        await done(officer, kit.name(), "list_withdraw", draft)


async def guarded_draft(kit: Kit, officer: Peer, value: str | None, keys: list[str]) -> str:
    """Draft a change of the deny list that one officer may not make; it waits."""
    draft = kit.name("DRAFT")
    await done(officer, kit.name(), "list_part", draft, "deny", 0, [[key, value] for key in keys])
    base = await version_of(officer, "deny")
    out = ["list_publish", draft, "deny", 1, base]
    receipt = await done(officer, kit.name(), *out, result="waiting")
    check_equal("the code", receipt["code"], "second_officer")
    check_equal("the keys that it changes", receipt["count"], len(keys))
    return draft


@SECTION.rule("and more than a hundred, waits until")
async def _a_large_change_of_the_deny_list_waits_for_a_second_officer(kit: Kit) -> None:
    keys = [kit.name("CARD") for _ in range(GUARDED)]
    async with kit.session(OPERATOR) as officer, kit.session(SECOND) as other:
        draft = await guarded_draft(kit, officer, "lost", keys)
        row = fields("record.draft_row", (await officer.answer("lists"))["drafts"][-1])
        found = row["draft"], row["name"], row["officer"], row["changes"]
        check_equal("the draft", found, (draft, "deny", officer.terminal, GUARDED))
        await refused(officer, kit.name(), "second_officer", "list_approve", draft)
        await refused(officer, kit.name(), "conflict", *part(draft, 1, "key", name="deny"))
        version = (await done(other, kit.name(), "list_approve", draft))["version"]
        check_equal("the version", await version_of(officer, "deny"), version)
        await refused(other, kit.name(), "draft_unknown", "list_approve", draft)
        # Removing counts as well, and a draft that waits may be withdrawn.
        await done(
            officer, kit.name(), "list_withdraw", await guarded_draft(kit, officer, None, keys)
        )
        back = await guarded_draft(kit, officer, None, keys)
        await done(other, kit.name(), "list_approve", back)
        rows = [fields("record.list_row", row) for row in (await officer.answer("lists"))["lists"]]
        deny = next(row for row in rows if row["name"] == "deny")
        officers = deny["officer"], deny["second_officer"]
        check_equal("the officers", officers, (officer.terminal, other.terminal))
