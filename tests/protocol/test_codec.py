"""Decoding lets through messages of the protocol, and tells of anything else where it is wrong."""

from __future__ import annotations

import tracemalloc

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.transaction import Group, Share, Tap
from protocol import limits
from protocol.codec import decode, encode
from protocol.errors import Code, ProtocolViolation
from protocol.messages import Heartbeat, Hello, Outcome, Outcomes, Submit
from tests.protocol.peer import NOW_MS, PUBLIC, TAP, pack, submit, unpack


def rejected(payload: bytes) -> ProtocolViolation:
    with pytest.raises(ProtocolViolation) as caught:
        decode(payload)
    return caught.value


def outcome_of(payload: bytes) -> ProtocolViolation | None:
    try:
        decode(payload)
    except ProtocolViolation as violation:
        return violation
    return None


def one(intent: list[object]) -> bytes:
    return pack("submit", [[1, NOW_MS, TAP], [2, NOW_MS, intent]])


def test_a_message_of_a_foreign_packer_is_read() -> None:
    message = decode(pack("hello", [1, 2], "GATE-01", PUBLIC, "reader 2.1", ["submit"]))
    assert message == Hello((1, 2), "GATE-01", PUBLIC, "reader 2.1", ("submit",))


def test_what_has_a_default_may_be_left_out() -> None:
    assert decode(pack("heartbeat", NOW_MS)) == Heartbeat(NOW_MS, 0)


def test_intents_and_their_parts_are_told_apart_by_name() -> None:
    message = decode(one(["group", [TAP, ["share", "a", "b", 5]]]))
    assert isinstance(message, Submit)
    assert isinstance(message.transactions[0].intent, Tap)
    assert message.transactions[1].intent == Group(
        (Tap("6013500100000001", 3500, "transjakarta", "in"), Share("a", "b", 5))
    )


def test_what_is_encoded_is_read_by_a_foreign_unpacker() -> None:
    payload = encode(Outcomes((Outcome(7, "posted", 16_500, 3),), 1))
    outcome = [7, "posted", 16_500, 3, False, "", "", "", [], 0, ""]
    assert unpack(payload) == ["outcome", [outcome], 1]


LINES = [[1, "c", 5], [1, "c", -5]]


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (pack("hello", [], "GATE-01", PUBLIC), "hello.versions"),
        (pack("hello", [1, "2"], "GATE-01", PUBLIC), "hello.versions[1]"),
        (pack("hello", [1], "", PUBLIC), "hello.terminal"),
        (pack("hello", [1], "x" * 65, PUBLIC), "hello.terminal"),
        (pack("hello", [1], b"GATE-01", PUBLIC), "hello.terminal"),
        (pack("hello", [1], None, PUBLIC), "hello.terminal"),
        (pack("hello", [1], "GATE-01", PUBLIC[1:]), "hello.public_key"),
        (pack("hello", [1], "GATE-01", PUBLIC, "", ["x" * 65]), "hello.capabilities[0]"),
        (pack("hello", [1], "GATE-01", PUBLIC, "", [], 1), "hello"),
        (pack("hello", [1], "GATE-01"), "hello"),
        (pack("prove", b"x" * 65), "prove.signature"),
        (pack("heartbeat", -1), "heartbeat.at_ms"),
        (pack("heartbeat", 1.0), "heartbeat.at_ms"),
        (pack("heartbeat", float("nan")), "heartbeat.at_ms"),
        (pack("heartbeat", True), "heartbeat.at_ms"),  # noqa: FBT003 - what is sent
        (pack("heartbeat", 2**64 - 1), "heartbeat.at_ms"),
        (pack("heartbeat", {"at_ms": 1}), "heartbeat.at_ms"),
        (pack("heartbeat", msgpack.Timestamp(1, 0)), "heartbeat.at_ms"),
        (pack("submit", []), "submit.transactions"),
        (pack("submit", [[1, 1, TAP]] * 501), "submit.transactions"),
        (pack("submit", [[0, 1, TAP]]), "submit.transactions[0].counter"),
        (pack("submit", [[1, 1]]), "submit.transactions[0]"),
        (pack("submit", [[1, 1, TAP, 0]]), "submit.transactions[0]"),
        (one(["tapp", "c"]), "submit.transactions[1].intent"),
        (one([7, "c"]), "submit.transactions[1].intent"),
        (one(["tap", "c", -1, "o", "in"]), "submit.transactions[1].intent.amount_rp"),
        (one(["tap", "c", 10**9 + 1, "o", "in"]), "submit.transactions[1].intent.amount_rp"),
        (one(["tap", "c", 1, "o", "up"]), "submit.transactions[1].intent.direction"),
        (one([*TAP, "", "", "", "proof"]), "submit.transactions[1].intent.proof"),
        (one([*TAP, "", "", "", b""]), "submit.transactions[1].intent.proof"),
        (one(["group", []]), "submit.transactions[1].intent.parts"),
        (one(["group", [TAP, ["share", "a", "", 5]]]), "submit.transactions[1].intent.parts[1]"),
        (one(["group", [["group", [TAP]]]]), "submit.transactions[1].intent.parts[0]"),
        (one(["adjustment", "o", "r", [*LINES, [12, "a", 1]]]), "intent.lines[2][0]"),
        (one(["adjustment", "o", "r", [*LINES, [1, "a"]]]), "intent.lines[2]"),
        (pack("query", -1, ["balance", 1, "c"]), "query.id"),
        (pack("query", 2**32, ["balance", 1, "c"]), "query.id"),
        (pack("query", 1, ["balance", 0, "c"]), "query.question.kind"),
        (pack("query", 1, ["statement", 1, "c", None, 101]), "query.question.limit"),
        (pack("query", 1, ["weather"]), "query.question"),
        (pack("query", 1, ["dry_run", [1, 1, ["close", 5]]]), "transaction.intent.card"),
    ],
)
def test_a_wrong_field_is_named(payload: bytes, field: str) -> None:
    violation = rejected(payload)
    assert violation.code is Code.FIELD_INVALID
    assert field in violation.field
    assert "$" not in violation.text
    assert violation.close_code == 1007


@pytest.mark.parametrize(
    "payload",
    [
        pack("nonsense", 1),
        pack("outcome", [], 0),
        pack(1, 1),
        pack(),
        msgpack.packb({"type": "hello"}),
        msgpack.packb(None),
        msgpack.packb("hello"),
        b"\x91" * 100_000,
        b"\xdf\xff\xff\xff\xff",
        b"\x92\xa5hell\xff\x01",
    ],
)
def test_what_is_no_message_is_called_unknown(payload: bytes) -> None:
    violation = rejected(payload)
    assert violation.code is Code.MESSAGE_UNKNOWN
    assert violation.field == ""


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        submit()[:-1],
        submit() + b"\0",
        submit() + submit(),
        b"\xdd\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\x92\xa9heartbeat\xc1",
    ],
)
def test_what_is_not_one_whole_value_is_no_payload(payload: bytes) -> None:
    violation = rejected(payload)
    assert (violation.code, violation.field) == (Code.PAYLOAD_INVALID, "")


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (pack("hello", [1], "GATE-01", PUBLIC).replace(b"GATE-", b"GATE\xff"), "hello.terminal"),
        (
            pack("hello", [1], "GATE-01", PUBLIC, "v\xe9").replace(b"\xc3", b"\xff"),
            "hello.software",
        ),
        (
            one(["block", "c", "stolen"]).replace(b"stolen", b"\xed\xa0\x80len"),
            "submit.transactions[1].intent.reason",
        ),
    ],
)
def test_text_that_is_not_utf8_is_named(payload: bytes, field: str) -> None:
    violation = rejected(payload)
    assert (violation.code, violation.field) == (Code.FIELD_INVALID, field)


def test_a_payload_too_big_is_not_looked_at() -> None:
    violation = rejected(b"\xc1" * (limits.FRAME_BYTES_MAX + 1))
    assert violation.code is Code.MESSAGE_TOO_BIG
    assert rejected(b"\xc1" * limits.FRAME_BYTES_MAX).code is Code.PAYLOAD_INVALID


def test_the_largest_submit_fits_a_frame() -> None:
    transactions = [[2**53 - 1, NOW_MS, [*TAP, "P" * 64, "L" * 64]]] * 500
    assert isinstance(decode(pack("submit", transactions)), Submit)


def test_a_claimed_size_sets_no_memory_aside() -> None:
    tracemalloc.start()
    try:
        for head in (b"\xdd", b"\xdf", b"\xdb", b"\xc6"):
            for body in (b"", b"\x92\xa6submit", b"\x92\xa5prove", b"\x94\xa5hello"):
                rejected(body + head + b"\xff\xff\xff\xff")
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("error", [RecursionError(), MemoryError()])
def test_trouble_of_the_decoder_is_a_violation_too(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Troubled:
        def decode(self, _payload: bytes) -> None:
            raise error

    monkeypatch.setattr("protocol.codec._DECODER", Troubled())
    violation = rejected(submit())
    assert (violation.code, violation.text) == (Code.PAYLOAD_INVALID, type(error).__name__)


def test_what_stands_behind_a_message_does_not_change_how_its_field_is_named() -> None:
    wrong = pack("query", 3, [0, 0, 0])
    assert rejected(wrong + submit()).field == rejected(wrong).field == "query.question"


@given(st.binary(max_size=200))
def test_noise_is_rejected_or_read_and_nothing_else(payload: bytes) -> None:
    violation = outcome_of(payload)
    assert violation is None or violation.close_code == 1007


json_like = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=9)
    | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=20,
)  # fmt: skip


@given(st.sampled_from(["hello", "prove", "submit", "query", "heartbeat"]), st.lists(json_like))
def test_any_value_behind_a_name_is_rejected_in_that_message(
    name: str, fields: list[object]
) -> None:
    violation = outcome_of(pack(name, *fields))
    assert violation is None or violation.field.split(".")[0] == name
