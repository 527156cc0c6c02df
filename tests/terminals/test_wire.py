"""Bytes as the node's own types write and read them, and bytes that nobody should send."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import astuple, is_dataclass

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.fleet.commands import CommandBody
from engine.transaction import Tap, Transaction
from protocol import limits, messages
from protocol.messages import FromTerminal, Submit
from terminals import wire
from terminals.errors import NodeMisbehaved
from terminals.messages import (
    Answer,
    Command,
    Found,
    Outcomes,
    RestartTerminal,
    SetLogLevel,
    UnknownCommand,
)
from tests.terminals.node_says import COMMANDS, MESSAGES, TEXTS


def flat(value: object) -> object:
    """Return the fields of a message as plain lists, whichever side made it.

    Messages and answers are told apart by their types, so their names are left out; an intent
    has no type at the terminal's side, so its name stays; nor has a command in an answer.
    """
    if isinstance(value, Tap | CommandBody):
        name = value.__struct_config__.tag
        return [name, *(getattr(value, field) for field in value.__struct_fields__)]
    if is_dataclass(value) and not isinstance(value, type):
        return [flat(item) for item in astuple(value)]
    if isinstance(value, msgspec.Struct):
        return [flat(getattr(value, field)) for field in value.__struct_fields__]
    if isinstance(value, tuple | list):
        return [flat(item) for item in value]
    return value


@given(MESSAGES)
def test_what_the_node_writes_is_what_the_terminal_reads(message: messages.FromNode) -> None:
    assert flat(wire.decode(msgspec.msgpack.encode(message))) == flat(message)


@given(COMMANDS)
def test_a_command_is_read_as_it_is_meant(command: messages.Command) -> None:
    read = wire.decode(msgspec.msgpack.encode(command))
    assert isinstance(read, Command)
    assert (read.id, read.expires_ms) == (command.id, command.expires_ms)
    assert wire.packed_body(read.body) == flat(command.body)
    assert wire.command_body(wire.packed_body(read.body)) == read.body


def test_a_command_of_a_later_version_is_no_mistake() -> None:
    read = wire.decode(bytes(msgpack.Packer().pack(["command", "ani/1", ["dance", "slowly"], 5])))
    assert read == Command("ani/1", UnknownCommand("dance"), 5)
    assert wire.command_body(wire.packed_body(UnknownCommand("dance"))) == UnknownCommand("dance")


def test_fields_with_a_default_may_be_missing_from_a_command() -> None:
    assert wire.command_body(["restart"]) == RestartTerminal("idle")
    assert wire.command_body(["log_level", "debug"]) == SetLogLevel("debug", 3_600)


@given(MESSAGES, st.data())
def test_a_mutilated_message_is_refused_in_one_way_only(
    message: messages.FromNode, data: st.DataObject
) -> None:
    payload = bytearray(msgspec.msgpack.encode(message))
    for _ in range(data.draw(st.integers(1, 3))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(payload)))
    for candidate in (bytes(payload), bytes(payload[:cut])):
        with suppress(NodeMisbehaved):
            wire.decode(candidate)


@given(st.binary(max_size=200))
def test_noise_is_refused_in_one_way_only(payload: bytes) -> None:
    with suppress(NodeMisbehaved):
        wire.decode(payload)


@given(MESSAGES, st.lists(TEXTS, min_size=1, max_size=2))
def test_fields_of_a_later_version_are_passed_over(
    message: messages.FromNode, more: list[str]
) -> None:
    payload = msgspec.msgpack.encode(message)
    later = msgpack.packb([*msgpack.unpackb(payload), *more])
    assert isinstance(later, bytes)
    assert wire.decode(later) == wire.decode(payload)


TAP = ("tap", "card", 3_500, "transjakarta", "in", "P00142", "1T", "", b"proof")
OWN_TAP = Tap("card", 3_500, "transjakarta", "in", "P00142", "1T", "", b"proof")
OUTCOME: list[object] = [1, "posted", 0, 5, False, "", "", "", [], 0]
ENTRY: list[object] = ["gate", 1, 2, ["tap"], 3, "", "", "", 0, [], [[3, "op", 5]], -1]


def test_what_an_entry_tells_of_rides_and_an_outcome_of_its_article_is_read() -> None:
    told = wire.decode(packed(["answer", 1, ["transaction", 5, [*ENTRY, [None, None], None]]]))
    assert isinstance(told, Answer)
    assert isinstance(told.body, Found)
    assert (told.body.entry.rating, told.body.entry.middle) == ([None, None], None)
    decided = wire.decode(packed(["outcome", [[*OUTCOME, "pergub-1 Pasal 2"]], 1]))
    assert isinstance(decided, Outcomes)
    assert decided.outcomes[0].article == "pergub-1 Pasal 2"


def packed(message: list[object]) -> bytes:
    payload = msgpack.packb(message)
    assert isinstance(payload, bytes)
    return payload


def changed(record: list[object], index: int, value: object) -> list[object]:
    return [*record[:index], value, *record[index + 1 :]]


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ([], "expected a message that is known"),
        ({}, "expected an array"),
        (["hello"], "expected a message that is known"),
        ([b"pulse", 1, 2], "expected a message that is known"),
        (["pulse", 1], "pulse: expected 2 fields or more"),
        (["pulse", True, 1], "pulse.at_ms: expected an integer"),
        (["pulse", 1, -1], "pulse.server_time_ms: expected an integer from 0"),
        (["pulse", 1, 2**60], "pulse.server_time_ms: expected an integer"),
        (["pulse", 1.0, 1], "pulse.at_ms: expected an integer"),
        (["challenge", 1, b"short", 0], "challenge.nonce: expected 32 bytes"),
        (["ready", 0, 0, 0, 20, 4096, 1, []], "ready.credits: expected an integer from 1"),
        (["ready", 0, 0, 1, 20, 4095, 1, []], "ready.frame_bytes_max: expected an integer from"),
        (["error", "x" * 1_001, "", ""], "error.code: expected a text"),
        (["outcome", 5, 0], "outcome.outcomes: expected an array"),
        (["outcome", [[1]], 0], r"outcome.outcomes\[0\]: expected 2 fields or more"),
        (["outcome", [OUTCOME, changed(OUTCOME, 1, "eaten")], 0], r"outcomes\[1\].result: expec"),
        (["outcome", [changed(OUTCOME, 4, 1)], 0], r"outcomes\[0\].repeated: expected true"),
        (["outcome", [changed(OUTCOME, 8, [5])], 0], r"\[0\].exceptions\[0\]: expected a text"),
        (["feed", 1, [[5]], 6, 6], r"feed.entries\[0\]: expected 2 fields or more"),
        (["feed_end", 1, 5], "feed_end.code: expected a text"),
        (["answer", 1, ["balance", 5]], "answer.answer: balance: expected 3 fields or more"),
        (["receipt", "x", "eaten"], "receipt.result: expected one of busy, done, refused, waiting"),
        (["command", "ani/1", [], 5], "command.body: expected a command"),
        (["command", "ani/1", ["lane"], 5], "command.body: lane: expected 1 fields or more"),
        (["chunk", "deny", 1, 0, 0, "text"], "chunk.data: expected 0 to 262144 bytes"),
        (["answer", 1, ["transaction", 5, [*ENTRY, 7]]], "entry.rating: expected an array"),
        (["answer", 1, ["riddle"]], "answer.answer: expected a message that is known"),
        (["answer", 1, ["transaction", 5, changed(ENTRY, 3, "tap")]], "entry.intent: expected an"),
        (["answer", 1, ["transaction", 5, changed(ENTRY, 10, [[3, 4, 5]])]], "owner: expected a t"),
    ],
)
def test_a_field_at_fault_is_named(message: object, text: str) -> None:
    with pytest.raises(NodeMisbehaved, match=text):
        wire.decode(bytes(msgpack.Packer().pack(message)))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1",
        b"\x93\xa5pulse\x01\x02\x03",  # a byte too many
        b"\x93\xa5pulse\x01\xa1\xff",  # no UTF-8
        b"\x93\xa5pulse\x01\x81\x01\x02",  # a map
        b"\x93\xa5pulse\x01\xd4\x01\x00",  # an extension
        b"\x91" * 5_000 + b"\x00",  # nested without end
        b"\xdd\xff\xff\xff\xff",  # four milliard elements announced
        b"\xc6\xff\xff\xff\xff",  # four gigabytes announced
    ],
)
def test_what_msgpack_should_not_hold_is_refused(payload: bytes) -> None:
    with pytest.raises(NodeMisbehaved, match="no message"):
        wire.decode(payload)


def test_a_frame_of_outcomes_of_all_credits_is_read() -> None:
    outcomes = tuple(messages.Outcome(number, "posted") for number in range(limits.CREDITS))
    read = wire.decode(msgspec.msgpack.encode(messages.Outcomes(outcomes, limits.CREDITS)))
    assert flat(read) == [flat(outcomes), limits.CREDITS]


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (
            lambda: wire.hello("gate-1", bytes(32), "v 1"),
            messages.Hello((1,), "gate-1", bytes(32), "v 1"),
        ),
        (lambda: wire.prove(bytes(64)), messages.Prove(bytes(64))),
        (lambda: wire.heartbeat(5, 6), messages.Heartbeat(5, 6)),
        (lambda: wire.heartbeat(5, 6, 87, "ok"), messages.Heartbeat(5, 6, 87, "ok")),
        (
            lambda: wire.holds([("deny", 7, bytes(32), "pending"), ("fares", 0, b"", "active")]),
            messages.Holds(
                (
                    messages.HeldList("deny", 7, bytes(32), "pending"),
                    messages.HeldList("fares", 0, b""),
                )
            ),
        ),
        (lambda: wire.fetch("deny", 7, 6, 99), messages.Fetch("deny", 7, 6, 99)),
        (
            lambda: wire.report("ani/1", "failed", "x" * 999),
            messages.Report("ani/1", "failed", "x" * 200),
        ),
        (
            lambda: wire.journal_part("ani/1", 3, [wire.transaction(1, 2, TAP)]),
            messages.JournalPart("ani/1", 3, (Transaction(1, 2, OWN_TAP),)),
        ),
        (
            lambda: wire.query(7, ["balance", 1, "card", 99]),
            messages.Query(7, messages.BalanceOf(1, "card", 99)),
        ),
        (
            lambda: wire.order("drop-1", ["list_withdraw", "draft-1"]),
            messages.Order("drop-1", messages.ListWithdraw("draft-1")),
        ),
        (
            lambda: wire.subscribe(1, 5, (["tap"], (), ("dki",), [])),
            messages.Subscribe(1, 5, messages.Filter(("tap",), (), ("dki",))),
        ),
    ],
)
def test_the_node_reads_what_the_terminal_writes(
    payload: Callable[[], bytes], message: FromTerminal
) -> None:
    assert msgspec.msgpack.decode(payload(), type=FromTerminal) == message


@given(
    st.lists(st.tuples(st.integers(1, 2**53 - 1), st.integers(0, 10**13)), min_size=1, max_size=500)
)
def test_transactions_packed_one_by_one_make_a_frame(identities: list[tuple[int, int]]) -> None:
    intent = ["tap", "card", 3_500, "transjakarta", "in", "P00142", "1T", "", b"proof"]
    tap = Tap("card", 3_500, "transjakarta", "in", "P00142", "1T", "", b"proof")
    frame = wire.submit([wire.transaction(*identity, intent) for identity in identities])
    decoded = msgspec.msgpack.decode(frame, type=FromTerminal)
    assert decoded == Submit(tuple(Transaction(*identity, tap) for identity in identities))


def test_the_proof_text_is_that_of_the_protocol() -> None:
    assert wire.proof_text(b"n" * 32, b"k" * 32, "gate-1") == messages.proof_text(
        b"n" * 32, b"k" * 32, "gate-1"
    )
