"""What the schema says of a message is what the node's own decoder says."""

from __future__ import annotations

import random

import msgpack
import msgspec
import pytest

from ops.conformance.shape import SCHEMA, fault, fields_of
from protocol.codec import decode
from protocol.errors import ProtocolViolation
from protocol.messages import FromNode
from tests.fuzz.mutation import mutate
from tests.protocol import document

FROM_NODE = msgspec.msgpack.Decoder[FromNode](FromNode)
EXAMPLES = [
    bytes.fromhex("".join(line.partition("#")[0] for line in block.body.splitlines()))
    for block in document.blocks("hex")
    if block.label.partition(" ")[0] in {"terminal", "node", "example"}
]
POOL: list[object] = [
    *(0, 1, 5, -1, 10, 16, 17, 100, 101, 500, 501, 2**32, 2**53, 2**63, 2**64 - 1, True, None),
    *("", "x", "x" * 64, "x" * 65, "x" * 130, "x" * 201, "deny", "in", "terminal", "posted"),
    *(b"", b"x", bytes(32), bytes(64), bytes(65), [], [1], [1, 2], [[]], ["tap"], 1.5),
]


def tried(rng: random.Random, value: object) -> object:
    """Return a message with something else in one place of it."""
    if not isinstance(value, list) or not value or rng.random() < 0.2:
        return rng.choice(POOL)
    at = rng.randrange(len(value))
    kind = rng.random()
    if kind < 0.15:
        return value[:at]
    if kind < 0.25:
        return [*value, rng.choice(POOL)]
    return [*value[:at], tried(rng, value[at]), *value[at + 1 :]]


def is_taken(payload: bytes) -> bool:
    try:
        decode(payload)
    except ProtocolViolation:
        return False
    return True


@pytest.mark.parametrize("seed", range(20))
def test_the_schema_takes_what_the_decoder_takes(seed: int) -> None:
    rng = random.Random(seed)
    verdicts = set()
    for _ in range(300):
        message = msgpack.unpackb(rng.choice(EXAMPLES))
        for _ in range(rng.randint(0, 2)):
            message = tried(rng, message)
        payload = msgpack.Packer().pack(message)
        found = fault(message, "from_terminal")
        assert (not found) is is_taken(payload), (message, found)
        verdicts.add(not found)
    assert verdicts == {True, False}


@pytest.mark.parametrize("seed", range(5))
def test_mutated_bytes_that_can_be_read_get_the_same_verdict(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(300):
        payload = mutate(rng, rng.choice(EXAMPLES), EXAMPLES)
        try:
            message = msgpack.unpackb(payload, strict_map_key=False)
        except (ValueError, TypeError, msgpack.UnpackException):
            assert not is_taken(payload)
            continue
        assert (not fault(message, "from_terminal")) is is_taken(payload), message


def test_what_a_node_sends_is_of_the_schema_with_elements_behind_it_too() -> None:
    for message in map(msgpack.unpackb, EXAMPLES):
        name = f"message.{message[0]}"
        if SCHEMA["$defs"][name]["x-direction"] == "from_terminal":
            continue
        assert not fault(message, "from_node")
        assert not fault([*message, "later"], "from_node")


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (["heartbeat", -1], "[1]: -1, not 0..253402300799999"),
        (["heartbeat"], ": 1 elements, not 2.."),
        (["heartbeat", 1, 0, 0, "ok", 7], "[5]: one element too many"),
        (["prove", b"x"], "[1]: 1 bytes, not 64..64"),
        (["hello", [], "x", bytes(32)], "[1]: 0 elements, not 1..16"),
        (["hello", [1], "x" * 65, bytes(32)], "[2]: 65 characters, not 1..64"),
        (["heartbeat", 0, 0, 0, "bad"], "[4]: 'bad' is none of ['', 'degraded', 'failed', 'ok']"),
        (["submit", [[1, 1, ["tap", "C", -1, "o", "in"]]]], "[1][0][2][2]: -1, not 0..1000000000"),
    ],
)
def test_a_fault_is_told_with_its_place(message: list[object], told: str) -> None:
    assert fault(message, f"message.{message[0]}") == told
    assert fault(message, "from_terminal") == told


def test_fields_are_named_in_order() -> None:
    assert fields_of("message.heartbeat") == ["at_ms", "backlog", "battery", "reader"]
