"""Bytes to a node and from it: msgpack, written and read by hand, strictly bounded.

The node's own codec is another implementation, made from types; that the two understand each
other is what shows that docs/protocol.md says enough. What a node sends is read with as much
suspicion as what a terminal sends, but for one thing: fields that a later version may have added
at the end of a message are passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NoReturn, TypeAlias, TypeVar, cast

import msgpack

from protocol import limits
from protocol.messages import SUBPROTOCOL, VERSION
from terminals.errors import NodeMisbehaved
from terminals.intents import Intent
from terminals.messages import (
    Answer,
    Balance,
    Challenge,
    Entry,
    Failed,
    Found,
    FromNode,
    NodeError,
    Outcome,
    Outcomes,
    Pulse,
    Ready,
    Statement,
    StatementLine,
    Trial,
)

T = TypeVar("T")
Reader: TypeAlias = Callable[[object], T]

TEXT_LENGTH_MAX: Final = 1_000
"""Of any text from a node; the longest that v1 knows has 200 characters."""
INTEGER_MAX: Final = 2**53 - 1
"""Largest integer that every client language holds exactly."""
ARRAY_LENGTH_MAX: Final = max(limits.CREDITS, limits.TRANSACTIONS_PER_FRAME_MAX)
"""Outcomes of all that may be unanswered; nothing else that is sent is longer."""
NONCE_BYTES: Final = 32
FRAME_BYTES_MIN: Final = 4096
"""A node that allows less would leave no room for one transaction of the longest names."""
RESULTS: Final = frozenset({"posted", "refused", "conflict", "in_progress", "busy"})


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


def decode(payload: bytes) -> FromNode:
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
    return cast("FromNode", _MESSAGE(message))


def _pack(value: object) -> bytes:
    packed = msgpack.packb(value)
    assert isinstance(packed, bytes)
    return packed


def _fail(text: str) -> NoReturn:
    raise NodeMisbehaved(text)


def _integer(low: int = 0, high: int = INTEGER_MAX) -> Reader[int]:
    def read(value: object) -> int:
        # A bool is an int to Python, and is none on the wire.
        if type(value) is not int or not low <= value <= high:
            _fail(f"expected an integer from {low} to {high}")
        return value

    return read


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > TEXT_LENGTH_MAX:
        _fail(f"expected a text of at most {TEXT_LENGTH_MAX} characters")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        _fail("expected true or false")
    return value


def _nonce(value: object) -> bytes:
    if not isinstance(value, bytes) or len(value) != NONCE_BYTES:
        _fail(f"expected {NONCE_BYTES} bytes")
    return value


def _result(value: object) -> str:
    if not isinstance(value, str) or value not in RESULTS:
        _fail("expected a result")
    return value


def _array(value: object) -> list[object]:
    if not isinstance(value, list):
        _fail("expected an array")
    return value


def _many(read: Reader[T]) -> Reader[tuple[T, ...]]:
    def read_all(value: object) -> tuple[T, ...]:
        return tuple(_at(f"[{index}]", read, item) for index, item in enumerate(_array(value)))

    return read_all


def _record(make: Callable[..., T], *fields: tuple[str, Reader[object]]) -> Reader[T]:
    """Read an array of fields; those after the ones known here are of a later version."""
    required = sum(name[-1] != "?" for name, _ in fields)

    def read(value: object) -> T:
        values = _array(value)
        if len(values) < required:
            _fail(f"expected {required} fields or more")
        return make(
            *(
                _at(f".{name.rstrip('?')}", reader, item)
                for (name, reader), item in zip(fields, values, strict=False)
            )
        )

    return read


def _tagged(records: dict[str, Reader[object]]) -> Reader[object]:
    def read(value: object) -> object:
        name, *fields = _array(value) or [None]
        if not isinstance(name, str) or name not in records:
            _fail("expected a message that is known")
        return _at(name, records[name], fields)

    return read


def _line(*fields: object) -> tuple[object, ...]:
    return fields


def _at(path: str, read: Reader[T], value: object) -> T:
    try:
        return read(value)
    except NodeMisbehaved as error:
        text = str(error)
        raise NodeMisbehaved(path + text if text[0] in ".[" else f"{path}: {text}") from None


_COUNT: Final = _integer()
_AMOUNT: Final = _integer(-INTEGER_MAX)
_POSITION: Final = _integer(-1)
_TEXTS: Final = _many(_text)

_OUTCOME: Final = _record(
    Outcome,
    ("counter", _COUNT),
    ("result", _result),
    ("balance_rp?", _AMOUNT),
    ("position?", _POSITION),
    ("repeated?", _flag),
    ("reason?", _text),
    ("rule?", _text),
    ("detail?", _text),
    ("exceptions?", _TEXTS),
    ("retry_after_ms?", _COUNT),
)
_ENTRY: Final = _record(
    Entry,
    ("terminal", _text),
    ("counter", _COUNT),
    ("at_ms", _COUNT),
    ("intent", _array),
    ("decided_ms", _COUNT),
    ("reason", _text),
    ("rule", _text),
    ("detail", _text),
    ("balance_rp", _AMOUNT),
    ("exceptions", _TEXTS),
    ("postings", _many(_record(_line, ("kind", _COUNT), ("owner", _text), ("rp", _AMOUNT)))),
    ("previous", _POSITION),
)
_STATEMENT_LINE: Final = _record(
    StatementLine, ("position", _COUNT), ("amount_rp", _AMOUNT), ("entry", _ENTRY)
)
_BODY: Final = _tagged(
    {
        "balance": _record(
            Balance, ("balance_rp", _AMOUNT), ("position", _COUNT), ("at_ms", _COUNT)
        ),
        "statement": _record(Statement, ("lines", _many(_STATEMENT_LINE)), ("next", _POSITION)),
        "transaction": _record(Found, ("position", _COUNT), ("entry", _ENTRY)),
        "dry_run": _record(Trial, ("outcome", _OUTCOME)),
        "failed": _record(
            Failed, ("code", _text), ("field", _text), ("text", _text), ("retry_after_ms?", _COUNT)
        ),
    }
)
_MESSAGE: Final = _tagged(
    {
        "challenge": _record(
            Challenge, ("version", _COUNT), ("nonce", _nonce), ("server_time_ms", _COUNT)
        ),
        "ready": _record(
            Ready,
            ("server_time_ms", _COUNT),
            ("last_counter", _COUNT),
            ("credits", _integer(1)),
            ("heartbeat_s", _integer(1)),
            ("frame_bytes_max", _integer(FRAME_BYTES_MIN)),
            ("transactions_per_frame_max", _integer(1)),
            ("capabilities?", _TEXTS),
        ),
        "outcome": _record(Outcomes, ("outcomes", _many(_OUTCOME)), ("credits", _COUNT)),
        "answer": _record(Answer, ("id", _COUNT), ("answer", _BODY)),
        "pulse": _record(Pulse, ("at_ms", _COUNT), ("server_time_ms", _COUNT)),
        "error": _record(NodeError, ("code", _text), ("field", _text), ("text", _text)),
    }
)
