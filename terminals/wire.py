"""Bytes to a node and from it: msgpack, written and read by hand, strictly bounded.

The node's own codec is another implementation, made from types; that the two understand each
other is what shows that docs/protocol.md says enough. What a node sends is read with as much
suspicion as what a terminal sends, but for one thing: fields that a later version may have added
at the end of a message are passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

import msgpack

from protocol import limits
from protocol.messages import SUBPROTOCOL, VERSION
from terminals import messages as m
from terminals.answers import ANSWER, OUTCOME
from terminals.errors import NodeMisbehaved
from terminals.intents import Intent
from terminals.readers import COUNT, TEXTS, data, integer, many, record, tagged, text, word

ARRAY_LENGTH_MAX: Final = max(limits.CREDITS, limits.TRANSACTIONS_PER_FRAME_MAX)
"""Outcomes of all that may be unanswered; nothing else that is sent is longer."""
NONCE_BYTES: Final = 32
FRAME_BYTES_MIN: Final = 4096
"""A node that allows less would leave no room for one transaction of the longest names."""


def proof_text(nonce: bytes, public_key: bytes, terminal: str) -> bytes:
    """Return what a terminal signs to prove its key."""
    return SUBPROTOCOL.encode() + b"\0" + nonce + public_key + terminal.encode()


def hello(terminal: str, public_key: bytes, software: str) -> bytes:
    """Return the first message of a terminal."""
    return _pack(["hello", [VERSION], terminal, public_key, software, []])


def prove(signature: bytes) -> bytes:
    """Return the answer to a challenge."""
    return _pack(["prove", signature])


def heartbeat(at_ms: int, backlog: int) -> bytes:
    """Return a sign of life."""
    return _pack(["heartbeat", at_ms, backlog])


def query(number: int, question: Sequence[object]) -> bytes:
    """Return a question under a number that its answer will carry."""
    return _pack(["query", number, question])


def order(order_id: str, action: Sequence[object]) -> bytes:
    """Return an order under the id that its officer chose."""
    return _pack(["order", order_id, action])


def size_of(value: Sequence[object]) -> int:
    """Return how many bytes a value takes on the wire."""
    return len(_pack(value))


def transaction(counter: int, at_ms: int, intent: Intent) -> bytes:
    """Return one transaction, to be joined with others by `submit`."""
    return _pack([counter, at_ms, intent])


def submit(transactions: Sequence[bytes]) -> bytes:
    """Return the frame that submits transactions which are packed already."""
    packer = msgpack.Packer(autoreset=False)
    packer.pack_array_header(2)
    packer.pack("submit")
    packer.pack_array_header(len(transactions))
    return bytes(packer.bytes()) + b"".join(transactions)


def decode(payload: bytes) -> m.FromNode:
    """Read one message of a node.

    Raises:
      NodeMisbehaved: it is none; the text names the field.
    """
    try:
        message = msgpack.unpackb(
            payload,
            max_array_len=ARRAY_LENGTH_MAX,
            max_map_len=0,
            max_ext_len=0,
        )
    except ValueError as error:
        raise NodeMisbehaved(f"no message: {error}") from error
    return cast("m.FromNode", _MESSAGE(message))


def _pack(value: object) -> bytes:
    packed = msgpack.packb(value)
    assert isinstance(packed, bytes)
    return packed


_MESSAGE: Final = tagged(
    {
        "challenge": record(
            m.Challenge,
            ("version", COUNT),
            ("nonce", data(NONCE_BYTES, NONCE_BYTES)),
            ("server_time_ms", COUNT),
        ),
        "ready": record(
            m.Ready,
            ("server_time_ms", COUNT),
            ("last_counter", COUNT),
            ("credits", integer(1)),
            ("heartbeat_s", integer(1)),
            ("frame_bytes_max", integer(FRAME_BYTES_MIN)),
            ("transactions_per_frame_max", integer(1)),
            ("capabilities?", TEXTS),
        ),
        "outcome": record(m.Outcomes, ("outcomes", many(OUTCOME)), ("credits", COUNT)),
        "answer": record(m.Answer, ("id", COUNT), ("answer", ANSWER)),
        "pulse": record(m.Pulse, ("at_ms", COUNT), ("server_time_ms", COUNT)),
        "receipt": record(
            m.Receipt,
            ("id", text),
            ("result", word("done", "waiting", "refused", "busy")),
            ("code?", text),
            ("field?", text),
            ("text?", text),
            ("version?", COUNT),
            ("count?", COUNT),
        ),
        "error": record(m.NodeError, ("code", text), ("field", text), ("text", text)),
    }
)
