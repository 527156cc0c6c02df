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
from terminals.answers import ANSWER, ENTRY, HASH_BYTES, OUTCOME
from terminals.errors import NodeMisbehaved
from terminals.intents import Intent
from terminals.readers import (
    COUNT,
    TEXTS,
    Reader,
    array,
    at,
    data,
    fail,
    integer,
    many,
    record,
    tagged,
    text,
    word,
)

ARRAY_LENGTH_MAX: Final = max(limits.CREDITS, limits.TRANSACTIONS_PER_FRAME_MAX)
"""Outcomes of all that may be unanswered; nothing else that is sent is longer."""
NONCE_BYTES: Final = 32
TEXT_LENGTH_MAX: Final = limits.NOTE_LENGTH_MAX
"""Of what a report says; longer words are cut."""
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


def heartbeat(at_ms: int, backlog: int, battery: int = -1, reader: str = "") -> bytes:
    """Return a sign of life, and how the terminal is."""
    return _pack(["heartbeat", at_ms, backlog, battery, reader])


def holds(lists: Sequence[tuple[str, int, bytes, str]]) -> bytes:
    """Return what a terminal holds: name, version, hash and state of each list."""
    return _pack(["holds", lists])


def fetch(name: str, version: int, base: int, offset: int) -> bytes:
    """Return the wish for more of a list file."""
    return _pack(["fetch", name, version, base, offset])


def report(command_id: str, state: str, text: str) -> bytes:
    """Return where a command stands."""
    return _pack(["report", command_id, state, text[:TEXT_LENGTH_MAX]])


def journal_part(command_id: str, part: int, transactions: Sequence[bytes]) -> bytes:
    """Return a part of the terminal's journal, of transactions which are packed already."""
    packer = msgpack.Packer(autoreset=False)
    packer.pack_array_header(4)
    packer.pack("journal_part")
    packer.pack(command_id)
    packer.pack(part)
    packer.pack_array_header(len(transactions))
    return bytes(packer.bytes()) + b"".join(transactions)


def query(number: int, question: Sequence[object]) -> bytes:
    """Return a question under a number that its answer will carry."""
    return _pack(["query", number, question])


def order(order_id: str, action: Sequence[object]) -> bytes:
    """Return an order under the id that its officer chose."""
    return _pack(["order", order_id, action])


def size_of(value: Sequence[object]) -> int:
    """Return how many bytes a value takes on the wire."""
    return len(_pack(value))


def subscribe(number: int, position: int, conditions: Sequence[Sequence[str]]) -> bytes:
    """Return what begins a subscription; the conditions are the fields of its filter."""
    return _pack(["subscribe", number, position, conditions])


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


def command_body(value: object) -> m.CommandBody:
    """Read what a command wants; one that is not known here is no mistake.

    Raises:
      NodeMisbehaved: it is no command.
    """
    name, *fields = array(value) or [None]
    if not isinstance(name, str):
        fail("expected a command")
    reader = _COMMANDS.get(name)
    return m.UnknownCommand(name) if reader is None else at(name, reader, fields)


def packed_body(body: m.CommandBody) -> Sequence[object]:
    """Return what a command wants as `command_body` reads it."""
    if isinstance(body, m.UnknownCommand):
        return [body.name]
    return [_COMMAND_NAMES[type(body)], *body]


def _pack(value: object) -> bytes:
    packed = msgpack.packb(value)
    assert isinstance(packed, bytes)
    return packed


_COMMANDS: Final[dict[str, Reader[m.CommandBody]]] = {
    "card": record(m.ChangeChip, ("card", text), ("action", text)),
    "restart": record(m.RestartTerminal, ("when?", text)),
    "log_level": record(m.SetLogLevel, ("level", text), ("for_s?", COUNT)),
    "lane": record(m.SetLane, ("lane", text)),
    "send_journal": record(m.SendJournal, ("first", COUNT), ("last", COUNT)),
}
_COMMAND_NAMES: Final[dict[type[m.CommandBody], str]] = {
    m.ChangeChip: "card",
    m.RestartTerminal: "restart",
    m.SetLogLevel: "log_level",
    m.SetLane: "lane",
    m.SendJournal: "send_journal",
}
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
        "feed": record(
            m.Feed,
            ("id", COUNT),
            ("entries", many(record(m.FeedEntry, ("position", COUNT), ("entry", ENTRY)))),
            ("next", COUNT),
            ("head", COUNT),
        ),
        "feed_end": record(
            m.FeedEnd,
            *(("id", COUNT), ("code?", text), ("field?", text), ("text?", text)),
            ("retry_after_ms?", COUNT),
        ),
        "pulse": record(m.Pulse, ("at_ms", COUNT), ("server_time_ms", COUNT)),
        "offer": record(
            m.Offer,
            ("name", text),
            ("version", COUNT),
            ("base", COUNT),
            ("hash", data(HASH_BYTES, HASH_BYTES)),
            ("activate_ms", COUNT),
            ("file_bytes", COUNT),
            ("content_bytes", COUNT),
            ("entries", COUNT),
        ),
        "chunk": record(
            m.Chunk,
            ("name", text),
            ("version", COUNT),
            ("base", COUNT),
            ("offset", COUNT),
            ("data", data(0, limits.FRAME_BYTES_MAX)),
        ),
        "command": record(m.Command, ("id", text), ("body", command_body), ("expires_ms", COUNT)),
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
