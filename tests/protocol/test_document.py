"""docs/protocol.md says what the program does, down to each bound, code and byte of an example."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Iterator
from enum import StrEnum
from hashlib import sha256
from itertools import groupby
from types import ModuleType
from typing import get_args

import msgpack
import msgspec
import pytest
from msgspec.inspect import LiteralType, StructType, multi_type_info, type_info

from engine import limits as engine_limits
from engine import verdict
from engine.accounts import AccountKind
from engine.errors import Reason
from engine.fleet.commands import CommandBody
from engine.keys import Role
from engine.rules.kinds import (
    Allowance,
    DistanceFare,
    FareCap,
    FlatFare,
    FreeRide,
    IntegratedFare,
    ItemQuota,
    JourneyRule,
    PurseLimit,
    PurseOrder,
    SpendingList,
    TableFare,
    TopUpFee,
    Waiver,
)
from engine.transaction import Entry, Intent, Transaction
from protocol import limits
from protocol.codec import decode
from protocol.errors import CLOSE_CODES, BusyReason, OrderCode, QueryCode
from protocol.messages import (
    CAPABILITIES,
    SUBPROTOCOL,
    Action,
    AnswerBody,
    Chunk,
    FromNode,
    FromTerminal,
    Offer,
    Outcome,
    Question,
    Submit,
    name_of,
    proof_text,
)
from protocol.rights import RIGHTS, Right
from protocol.websocket import NO_ROOM, ServerWebSocket
from tests.engine.rules_here import RULEBOOK
from tests.protocol import document, matrix
from tests.protocol.peer import UPGRADE, open_websocket, pack
from tests.protocol.small_node import CLOCK_MS, KEY, NONCE, SmallBook, SmallNode

# --- tables -----------------------------------------------------------------------------------


def described() -> Iterator[tuple[tuple[str, str], StructType]]:
    """Yield each struct of the wire with the heading it belongs under."""
    for kind, union in (
        ("Message", FromTerminal | FromNode),
        ("Question", Question),
        ("Answer", AnswerBody),
        ("Intent", Intent),
        ("Command", CommandBody),
        ("Order", Action),
    ):
        for struct in multi_type_info(get_args(union)):
            assert isinstance(struct, StructType)
            yield (kind, str(struct.tag)), struct
    for record, name in document.RECORDS.items():
        struct = type_info(record)
        assert isinstance(struct, StructType)
        yield ("Record", name), struct


def test_every_field_stands_in_its_table_with_type_bounds_and_default() -> None:
    assert document.sections() == {head: document.rows_of(struct) for head, struct in described()}


def test_the_direction_of_each_message_is_told() -> None:
    for union, direction in ((FromTerminal, "terminal to node"), (FromNode, "node to terminal")):
        for message in get_args(union):
            name = message.__struct_config__.tag
            assert f"### Message `{name}` ({direction})\n" in document.TEXT


@pytest.mark.parametrize(
    ("column", "codes"),
    [
        ("code", [*CLOSE_CODES]),
        ("failed", [*QueryCode]),
        ("order", [*OrderCode]),
        ("busy", [*BusyReason]),
        ("reason", [reason for reason in Reason if reason]),
    ],
)
def test_every_code_stands_in_the_document_and_no_other(column: str, codes: list[StrEnum]) -> None:
    assert sorted(document.names(column)) == sorted(str(code) for code in codes)


def test_close_codes_are_those_of_the_program() -> None:
    told = {row[0].strip("`"): int(row[1]) for row in document.table("code")}
    assert told == {str(code): number for code, number in CLOSE_CODES.items()}


def test_results_are_those_of_the_program() -> None:
    outcome = type_info(Outcome)
    assert isinstance(outcome, StructType)
    result = outcome.fields[1].type
    assert isinstance(result, LiteralType)
    assert sorted(document.names("result")) == sorted(str(value) for value in result.values)


APPLIED = (
    *(PurseLimit, TopUpFee, FlatFare, TableFare, DistanceFare, IntegratedFare),
    *(JourneyRule, FareCap, FreeRide, Allowance, ItemQuota, Waiver, SpendingList, PurseOrder),
)
"""Kinds of rules that decisions cite."""


def test_rules_are_those_of_the_program() -> None:
    cited = {value for name, value in vars(verdict).items() if "RULE" in name or "RETURN" in name}
    applied = {
        rule_id
        for rule_id in RULEBOOK.ids
        if isinstance(RULEBOOK.versions(rule_id)[0].rule, APPLIED)
    }
    assert set(document.names("rule")) == cited | applied


def test_accounts_are_those_of_the_program() -> None:
    told = [(int(row[0]), row[1]) for row in document.table("kind")]
    assert told == [(kind.value, kind.name.lower()) for kind in AccountKind]


def numbers(module: ModuleType) -> dict[str, int]:
    return {name.lower(): value for name, value in vars(module).items() if isinstance(value, int)}


def test_every_limit_stands_in_the_document_with_its_value() -> None:
    told = {row[0].strip("`"): int(row[1]) for row in document.table("limit")}
    protocol = numbers(limits)
    assert {name: told.get(name) for name in protocol} == protocol
    engine = numbers(engine_limits)
    rest = {name: value for name, value in told.items() if name not in protocol}
    assert rest == {name: engine.get(name) for name in rest}
    # Found by a search of the ledger, not by a sender.
    assert set(engine) - set(rest) <= {"replacements_followed_max"}


def test_what_each_role_may_do_is_told() -> None:
    program = {matrix.label(kind): [*row] for kind, row in RIGHTS.items()}
    assert matrix.told() == program
    assert document.names("right") == [right for right in Right if right not in {"yes", "no"}]
    assert document.heading("may")[1:] == [*get_args(Role)]


def test_capabilities_and_subprotocol_are_told() -> None:
    row = next(row for row in document.table("field") if row[3].startswith("what this node does"))
    assert row[3] == f"what this node does: `{'`, `'.join(CAPABILITIES)}`; ignore others"
    assert f"`{SUBPROTOCOL}`" in document.TEXT


REFUSED = {
    400: UPGRADE.replace(b"jakarta-one.v1", b"chat"),
    403: UPGRADE.replace(b"Host: node\r\n", b"Host: node\r\nOrigin: http://shop.example\r\n"),
    404: UPGRADE.replace(b"GET / ", b"GET /v2 "),
    405: UPGRADE.replace(b"GET", b"PUT"),
    426: UPGRADE.replace(b"Upgrade: websocket\r\n", b""),
    431: UPGRADE.replace(b"Host: node\r\n", b"X: " + b"x" * limits.REQUEST_BYTES_MAX + b"\r\n"),
    505: UPGRADE.replace(b"HTTP/1.1", b"HTTP/1.0"),
}


def test_each_http_status_is_told() -> None:
    assert NO_ROOM.startswith(b"HTTP/1.1 503 ")
    assert int(NO_ROOM.split(b"Length: ")[1].split()[0]) == len(NO_ROOM.partition(b"\r\n\r\n")[2])
    assert [int(row[0]) for row in document.table("status")] == sorted([*REFUSED, 503])
    for status, request in REFUSED.items():
        websocket = ServerWebSocket()
        websocket.receive(request)
        assert websocket.take_output().startswith(f"HTTP/1.1 {status} ".encode())


# --- postings ---------------------------------------------------------------------------------


def transaction(counter: int, line: str) -> Transaction:
    """Return the transaction of an example, by way of the wire."""
    intent = json.loads(line, object_hook=lambda proof: bytes.fromhex(proof["hex"]))
    message = decode(pack("submit", [[counter, CLOCK_MS, intent]]))
    assert isinstance(message, Submit)
    return message.transactions[0]


def prepared() -> SmallBook:
    """Return the book on which the examples stand."""
    book = SmallBook()
    (setup,) = document.blocks("setup")
    for counter, line in enumerate(setup.body.splitlines(), start=1):
        assert book.post("T", transaction(counter, line)).posted
    return book


def told_of(entry: Entry) -> list[str]:
    if entry.reason:
        return [f"refused {entry.reason}"]
    lines = [
        f"{AccountKind(kind).name.lower()} {owner} {amount_rp:+}"
        for kind, owner, amount_rp in entry.postings
    ]
    return lines + [f"exception {reason}" for reason in entry.exceptions]


def examples() -> Iterator[tuple[str, list[str]]]:
    for block in document.blocks("postings"):
        intent = ""
        for indented, lines in groupby(block.body.splitlines(), lambda line: line[0] == " "):
            if indented:
                yield intent, [line.strip() for line in lines]
                intent = ""
                continue
            for line in lines:
                if intent:
                    yield intent, []
                intent = line
        if intent:
            yield intent, []


@pytest.mark.parametrize(("line", "told"), [*examples()])
def test_an_example_of_an_intent_has_the_postings_that_are_told(line: str, told: list[str]) -> None:
    assert told_of(prepared().post("T", transaction(100, line))) == told


def test_every_intent_has_an_example() -> None:
    shown = {json.loads(line)[0] for line, _ in examples()}
    assert shown == {str(intent.__struct_config__.tag) for intent in get_args(Intent)}


# --- the session ------------------------------------------------------------------------------


def bytes_of(block: document.Block) -> bytes:
    return bytes.fromhex("".join(line.partition("#")[0] for line in block.body.splitlines()))


def test_the_session_is_replayed_byte_for_byte() -> None:
    book = SmallBook()
    book.post("ADMIN", transaction(1, '["issue", "C", "account", "dki"]'))
    book.post("ADMIN", transaction(2, '["top_up", "C", 20000, "dki"]'))
    node = SmallNode(book)
    answers: list[bytes] = []
    said = []
    for block in document.blocks("hex"):
        sender, _, name = block.label.partition(" ")
        if sender == "terminal":
            assert not answers, "everything that the node said stands in the document"
            answers += node.take(bytes_of(block))
            said.append(name)
        elif sender == "node":
            assert answers.pop(0) == bytes_of(block)
            assert msgpack.unpackb(bytes_of(block))[0] == name
            said.append(name)
    assert not answers
    assert node.violation is not None
    names = {str(message.__struct_config__.tag) for message in get_args(FromTerminal | FromNode)}
    assert {*said, *(name for name, _ in shown())} == names


FROM_NODE = msgspec.msgpack.Decoder[FromNode](FromNode)


def shown() -> list[tuple[str, FromTerminal | FromNode]]:
    """Return the examples that are no part of the session, by name, as messages."""
    found: list[tuple[str, FromTerminal | FromNode]] = []
    for block in document.blocks("hex"):
        kind, _, name = block.label.partition(" ")
        if kind == "example":
            to_node = name in {name_of_type(message) for message in get_args(FromTerminal)}
            read = decode if to_node else FROM_NODE.decode
            found.append((name, read(bytes_of(block))))
    return found


def name_of_type(message: type[FromTerminal | FromNode]) -> str:
    return str(message.__struct_config__.tag)


def test_each_example_is_a_message_of_its_name() -> None:
    assert all(name_of(message) == name for name, message in shown())


def test_the_files_of_the_examples_come_to_the_hashes_that_are_told() -> None:
    messages = [message for _, message in shown()]
    whole, change = (message for message in messages if isinstance(message, Chunk))
    first, second = (message for message in messages if isinstance(message, Offer))
    held: dict[str, str] = {}
    for offer, chunk in ((first, whole), (second, change)):
        content = zlib.decompress(chunk.data)
        assert (len(chunk.data), len(content)) == (offer.file_bytes, offer.content_bytes)
        for key, value in msgpack.Unpacker(io.BytesIO(content)):
            assert json.dumps([key, value]).replace("null", "nil") in document.TEXT
            held.pop(key, None)
            held |= {} if value is None else {key: value}
        packed = b"".join(pack(*put) for put in sorted(held.items()))
        assert (sha256(packed).digest(), len(held)) == (offer.hash, offer.entries)


def block_labelled(label: str) -> bytes:
    found = [block for block in document.blocks("hex") if block.label == label]
    return bytes_of(found[0])


def test_the_proof_text_is_the_one_that_is_signed() -> None:
    public_key = KEY.public_key().public_bytes_raw()
    assert block_labelled("proof text") == proof_text(NONCE, public_key, "GATE-01")
    assert KEY.private_bytes_raw().hex() in document.TEXT


def test_the_connection_is_opened_as_told() -> None:
    request, response = (
        (block.body + "\n").replace("\n", "\r\n").encode() for block in document.blocks("http")
    )
    websocket = ServerWebSocket()
    websocket.receive(request)
    assert websocket.take_output() == response


def test_the_frames_are_as_told() -> None:
    websocket = open_websocket()
    hello = block_labelled("terminal hello")
    assert websocket.receive(block_labelled("frame terminal hello")) == [hello]
    challenge = block_labelled("node challenge")
    assert ServerWebSocket.frame(challenge) == block_labelled("frame node challenge")
    websocket.close(1007, "field_invalid")
    assert websocket.take_output() == block_labelled("frame node close")


@pytest.mark.parametrize("block", document.blocks("hex"), ids=lambda block: block.label)
def test_what_stands_beside_the_bytes_is_what_they_mean(block: document.Block) -> None:
    if " # " not in block.body:
        return
    told = [line.partition("# ")[2] for line in block.body.splitlines() if "# " in line]
    assert told == [*spoken(msgpack.unpackb(bytes_of(block)))]


def spoken(value: object) -> Iterator[str]:
    if isinstance(value, list):
        yield f"array of {len(value)}"
        for item in value:
            yield from spoken(item)
    elif isinstance(value, bytes):
        yield f"{len(value)} bytes"
    else:
        yield json.dumps(value)
