"""The other side of the wire, for tests: a terminal made of `msgpack` and a few bytes.

It shares no code with the node's codec and websocket, so that a mistake on one side shows.
"""

from __future__ import annotations

import struct
from typing import Final

import msgpack
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from engine.keys import Role
from protocol.session import Bounds, EnrolledKey, Phase, ServerSession
from protocol.websocket import ServerWebSocket

KEY: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC: Final = KEY.public_key().public_bytes_raw()
NONCE: Final = bytes(range(100, 132))
TERMINAL: Final = "GATE-01"
NOW_MS: Final = 1_760_000_000_000
OPENED_S: Final = 500.0
TAP: Final = ["tap", "6013500100000001", 3500, "transjakarta", "in"]

BINARY, TEXT, CONTINUATION, CLOSE, PING, PONG = 2, 1, 0, 8, 9, 10

UPGRADE: Final = (
    b"GET / HTTP/1.1\r\n"
    b"Host: node\r\n"
    b"Connection: Upgrade\r\n"
    b"Upgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: jakarta-one.v1\r\n"
    b"\r\n"
)


class StoredKey(Struct, frozen=True):
    """A key as the node's store would give it."""

    role: Role = "terminal"
    revoked_ms: int | None = None
    expires_ms: int | None = None


def pack(*message: object) -> bytes:
    """Return the payload of a message."""
    payload: bytes = msgpack.Packer().pack(message)
    return payload


def unpack(payload: bytes) -> list[object]:
    """Return the message in a payload, as plain lists."""
    return list(msgpack.unpackb(payload))


def submit(count: int = 1, first: int = 1) -> bytes:
    """Return a payload that submits taps with the counters from `first` on."""
    return pack("submit", [[first + number, NOW_MS, TAP] for number in range(count)])


def masked(
    payload: bytes, opcode: int = BINARY, *, fin: bool = True, mask: bytes = b"\x37\xfa\x21\x3d"
) -> bytes:
    """Return a websocket frame as a client sends it."""
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 65536:
        length = b"\xfe" + struct.pack("!H", size)
    else:
        length = b"\xff" + struct.pack("!Q", size)
    body = bytes(byte ^ mask[number % 4] for number, byte in enumerate(payload))
    return bytes([opcode | (0x80 if fin else 0)]) + length + mask + body


def open_websocket(message_bytes_max: int = 1024) -> ServerWebSocket:
    """Return a websocket whose connection is open."""
    websocket = ServerWebSocket(message_bytes_max=message_bytes_max)
    assert websocket.receive(UPGRADE) == []
    assert websocket.take_output().startswith(b"HTTP/1.1 101 ")
    return websocket


def close_frame(output: bytes) -> tuple[int, str]:
    """Return code and reason of the close frame that ends an output."""
    at = output.rindex(b"\x88")
    size = output[at + 1]
    assert len(output) == at + 2 + size
    (code,) = struct.unpack_from("!H", output, at + 2)
    return int(code), output[at + 4 :].decode()


def proof(nonce: bytes = NONCE, terminal: str = TERMINAL) -> bytes:
    """Return the payload that proves the key."""
    text = b"jakarta-one.v1\x00" + nonce + PUBLIC + terminal.encode()
    return pack("prove", KEY.sign(text))


def hello(terminal: str = TERMINAL) -> bytes:
    """Return the payload that opens a session."""
    return pack("hello", [1], terminal, PUBLIC)


def new_session(
    key: EnrolledKey | None = None,
    *,
    credits_max: int = 2000,
    frames_per_second_max: int = 1000,
    queries_open_max: int = 16,
) -> ServerSession:
    """Return a session that nothing was said in yet; `key` is the one enrolled, if any."""

    def find_key(terminal: str, public_key: bytes) -> EnrolledKey | None:
        return key if (terminal, public_key) == (TERMINAL, PUBLIC) else None

    return ServerSession(
        NONCE,
        OPENED_S,
        find_key,
        {TERMINAL: 41}.__getitem__,
        bounds=Bounds(credits_max, frames_per_second_max, queries_open_max),
    )


def ready_session(
    role: Role = "terminal", *, credits_max: int = 2000, queries_open_max: int = 16
) -> ServerSession:
    """Return a session whose handshake is done."""
    session = new_session(
        StoredKey(role), credits_max=credits_max, queries_open_max=queries_open_max
    )
    session.receive(hello(), NOW_MS)
    session.receive(proof(), NOW_MS)
    assert session.phase is Phase.READY
    session.outbox.clear()
    return session
