"""Section 2: what is a message, and how strictly a node reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ops.conformance.errors import RuleBroken, check, check_equal
from ops.conformance.keys import SERVICE
from ops.conformance.kit import Kit
from ops.conformance.node.bounds import edge_messages, wrong_messages
from ops.conformance.peer import about, packed, told
from ops.conformance.rules import Section
from ops.conformance.shape import SCHEMA

SECTION: Final[Section[Kit]] = Section(2, "Encoding")
LIMITS: Final[dict[str, int]] = SCHEMA["x-limits"]

HEARTBEAT: Final = b"\xa9heartbeat"
INTEGERS: Final = (
    *(b"\x07", b"\xcc\x07", b"\xcd\x00\x07", b"\xce\x00\x00\x00\x07"),
    *(b"\xcf" + bytes(7) + b"\x07", b"\xd0\x07", b"\xd1\x00\x07"),
    *(b"\xd2\x00\x00\x00\x07", b"\xd3" + bytes(7) + b"\x07"),
)
"""Seven in each format that MessagePack has for it."""
SMALL: Final[list[Any]] = ["tap", "C", 0, "o", "in"]


async def refused(kit: Kit, code: str, field: str | None, payloads: Sequence[bytes]) -> None:
    """Check that each payload ends its connection with a code, at a field."""
    for payload in payloads:
        async with kit.session() as peer:
            with about(repr(payload[:40])):
                await peer.say_payload(payload)
                await peer.ends(code, field)


@SECTION.rule("integer between the bounds, both included; any integer format of MessagePack;")
async def _every_format_of_an_integer_is_read(kit: Kit) -> None:
    async with kit.session() as peer:
        for number in INTEGERS:
            with about(number.hex()):
                await peer.say_payload(b"\x92" + HEARTBEAT + number)
                check_equal("at_ms of the pulse", (await peer.hear("pulse"))["at_ms"], 7)


@SECTION.rule("Fields at the end that have a default may be left out.")
async def _fields_with_a_default_may_be_left_out(kit: Kit) -> None:
    async with kit.session() as peer:
        for left in (["heartbeat", 5], ["heartbeat", 5, 0], ["heartbeat", 5, 0, -1, ""]):
            await peer.say(*left)
            await peer.hear("pulse")
        long, short = [*SMALL, "", "", "", None], SMALL
        first, second = await peer.submit(long, short)
        check_equal("the result of both", first["result"], second["result"])
        again = await peer.submit_all([[first["counter"], 0, short]])
        check(again[0]["repeated"], "the same without its defaults is another transaction")


@SECTION.rule("A message is a MessagePack **array** whose first element is its name.")
async def _what_is_no_message_is_told_so(kit: Kit) -> None:
    unknown = [packed(), packed(7), packed(["heartbeat", 5]), packed("moon", 1), b"\x07"]
    # No message of a terminal, though of a node.
    unknown += [b"\xc0", b"\xa9heartbeat", packed("pulse", 1, 1), packed("heartbeats", 5)]
    await refused(kit, "message_unknown", "", unknown)


@SECTION.rule("There are no maps, no floating point numbers and no extension types anywhere.")
async def _maps_floats_and_extensions_are_not_taken(kit: Kit) -> None:
    await refused(kit, "message_unknown", "", [b"\x81\xa4name" + HEARTBEAT])
    values = [b"\x80", b"\xcb\x40\x1c" + bytes(6), b"\xca\x40\xe0\x00\x00", b"\xd4\x07\x07"]
    for value in values:
        await refused(kit, "field_invalid", "heartbeat.at_ms", [b"\x92" + HEARTBEAT + value])


@SECTION.rule("a wrong type, a value out of its bounds, an element too many, bytes after the value")
async def _a_wrong_type_is_told_with_its_field(kit: Kit) -> None:
    for value in ("5", None, True, b"\x05", [5]):
        payload = packed("heartbeat", value)
        await refused(kit, "field_invalid", "heartbeat.at_ms", [payload])


@SECTION.rule("exactly one MessagePack value; or the reason of a close frame is no UTF-8")
async def _what_is_not_one_value_is_told_so(kit: Kit) -> None:
    whole = packed("heartbeat", 5)
    wrong = [b"", whole + b"\xc0", whole + whole, whole[:-1], b"\xc1", b"\xdd\xff\xff\xff\xff"]
    await refused(kit, "payload_invalid", "", wrong)


@SECTION.rule("text that is no UTF-8 end the connection.")
async def _text_that_is_no_utf8_is_told_with_its_field(kit: Kit) -> None:
    wrong = b"\x95" + HEARTBEAT + b"\x05\x00\xff\xa2\xc3\x28"
    await refused(kit, "field_invalid", "heartbeat.reader", [wrong])


@SECTION.rule("characters of the `text` of an error", limits=("error_text_length_max",))
async def _a_long_fault_is_told_shortly(kit: Kit) -> None:
    # How long its text is, is looked at wherever an error comes.
    await refused(kit, "message_unknown", "", [packed("x" * 10_000)])
    await refused(
        kit, "field_invalid", "heartbeat.reader", [packed("heartbeat", 1, 0, -1, "x" * 10_000)]
    )


@SECTION.rule(
    "a field has a wrong type or is out of its bounds",
    limits=(
        "name_length_max",
        "note_length_max",
        "log_level_s_max",
        "terminals_named_max",
        "journal_parts_max",
    ),
)
async def _each_field_past_each_bound_is_told(kit: Kit) -> None:
    """Every message, question, intent, action and command, one wrong value at a time."""
    faults = []
    for field, message in wrong_messages():
        async with kit.session() as peer:
            await peer.say(*message)
            try:
                await peer.ends("field_invalid", field)
            except RuleBroken as broken:
                faults.append(f"{told(message)}: {broken}")
    check(not faults, f"{len(faults)} times: " + "; ".join(faults[:3]))


@SECTION.rule("integer between the bounds, both included;", limits=("counter_max", "time_ms_max"))
async def _each_field_at_each_bound_is_taken(kit: Kit) -> None:
    """What changes nothing: questions, trials of transactions, signs of life."""
    async with kit.session(SERVICE) as peer:
        for field, message in edge_messages():
            harmless = _harmless(message)
            with about(f"{field}: {told(message)}"):
                await peer.say(*harmless)
                await peer.hear("pulse" if harmless[0] == "heartbeat" else "answer")


def _harmless(message: list[Any]) -> list[Any]:
    match message:
        case ["submit", [transaction, *_]]:
            return ["query", 1, ["dry_run", transaction]]
        case ["query" | "heartbeat", *_]:
            return message
        case _:
            # Others have sections of their own.
            return ["heartbeat", 0]


@SECTION.rule("A client must be lenient in one point: it passes over elements that stand after")
async def _a_node_is_not_lenient(kit: Kit) -> None:
    async with kit.session() as peer:
        await peer.say("heartbeat", 5, 0, -1, "", "later")
        await peer.ends("field_invalid")


@SECTION.rule(
    "arrays inside each other, the message itself included, up to which a field at fault is named"
)
async def _a_field_deep_inside_is_named(kit: Kit) -> None:
    deep: list[Any] = ["query", 1, ["dry_run", [1, 0, ["group", [["tap", "C", -1, "o", "in"]]]]]]
    field = "query.question.transaction.intent.parts[0].amount_rp"
    await refused(kit, "field_invalid", field, [packed(*deep)])


@SECTION.rule("the length counts Unicode code points")
async def _the_length_of_a_text_counts_code_points(kit: Kit) -> None:
    wide = "\U0001f68c" * LIMITS["name_length_max"]
    async with kit.session() as peer:
        outcome = (await peer.submit(["tap", "C", 0, "o", "in", wide]))[0]
        check_equal("the result", outcome["reason"], "card_unknown")
        await peer.say("submit", peer.numbered([["tap", "C", 0, "o", "in", wide + "x"]]))
        await peer.ends("field_invalid", "submit.transactions[0].intent.place")
