"""A connection for load: as little work as possible on the client's side.

Frames are prepared before the clock starts. The handshake is the ordinary one.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import msgspec
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from bench.errors import BenchError
from engine.transaction import Transaction
from protocol.messages import (
    SUBPROTOCOL,
    VERSION,
    Challenge,
    FromNode,
    FromTerminal,
    Hello,
    Outcome,
    Outcomes,
    Prove,
    Ready,
    Submit,
    proof_text,
)

_DECODER: Final = msgspec.msgpack.Decoder(FromNode)
_ENCODER: Final = msgspec.msgpack.Encoder()
_READ_BYTES: Final = 256 * 1024

HANDSHAKE_S_MAX: Final = 30.0
"""From connecting to `ready`; a node that greets thousands at once takes a second."""

_LENGTH_7_BITS_MAX: Final = 125
_LENGTH_16_BITS: Final = 126
"""How a websocket frame says that its length stands in the next bytes (RFC 6455, 5.2)."""


def submit_frame(transactions: Sequence[Transaction]) -> bytes:
    """Return the masked frame of a submit, ready to be sent."""
    payload = _ENCODER.encode(Submit(tuple(transactions)))
    return Frame(Opcode.BINARY, payload).serialize(mask=True)


class LineBroken(BenchError):
    """The node closed the line, or answered what was not asked."""


class Line:
    """One terminal's connection; made by `open_line`.

    Attributes:
      ready: what the node granted.
      counter: of the last transaction that was prepared.
      posted: how many transactions were answered with `posted`.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._received = bytearray()
        self.counter = self.posted = 0
        self.ready: Ready

    async def send(self, data: bytes) -> None:
        """Send bytes of one or more frames."""
        view = memoryview(data)
        while view:
            try:
                view = view[self._sock.send(view) :]
            except (BlockingIOError, ssl.SSLWantWriteError):
                await trio.lowlevel.wait_writable(self._sock)

    async def outcomes(self) -> list[Outcome]:
        """Wait for outcomes, one frame at least.

        Raises:
          LineBroken: the node said something else.
        """
        found: list[Outcome] = []
        while not found:
            for message in await self.messages():
                if not isinstance(message, Outcomes):
                    raise LineBroken(str(message))
                found += message.outcomes
        return found

    async def wait_posted(self) -> int:
        """Wait for outcomes, one frame at least; return how many transactions were posted.

        Raises:
          LineBroken: one was not posted, or the node said something else.
        """
        outcomes = await self.outcomes()
        for outcome in outcomes:
            if outcome.result != "posted":
                raise LineBroken(str(outcome))
        self.posted += len(outcomes)
        return len(outcomes)

    def close(self) -> None:
        """Hang up."""
        self._sock.close()

    async def shake_hands(self, url: str, terminal: str, key: Ed25519PrivateKey) -> None:
        """Open the websocket and prove who we are."""
        core = ClientProtocol(parse_uri(url), subprotocols=[Subprotocol(SUBPROTOCOL)])
        core.send_request(core.connect())
        await self.send(b"".join(core.data_to_send()))
        while b"\r\n\r\n" not in self._received:
            await self._receive()
        head, _, rest = bytes(self._received).partition(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n", 1)[0]:
            raise LineBroken(head.decode(errors="replace"))
        self._received = bytearray(rest)
        public_key = key.public_key().public_bytes_raw()
        await self.say(Hello((VERSION,), terminal, public_key, "bench"))
        challenge = await self._first_message()
        if not isinstance(challenge, Challenge):
            raise LineBroken(str(challenge))
        text = proof_text(challenge.nonce, public_key, terminal)
        await self.say(Prove(key.sign(text)))
        ready = await self._first_message()
        if not isinstance(ready, Ready):
            raise LineBroken(str(ready))
        self.ready = ready
        self.counter = ready.last_counter

    async def _first_message(self) -> FromNode:
        while not (messages := await self.messages()):
            pass
        return messages[0]

    async def messages(self) -> list[FromNode]:
        """Wait for bytes, and return the messages that are whole now.

        Raises:
          LineBroken: the node closed the line.
        """
        await self._receive()
        received = self._received
        messages: list[FromNode] = []
        at = 0
        while (end := frame_end(received, at)) is not None:
            payload = bytes(received[end[0] : end[1]])
            if received[at] & 0x0F != Opcode.BINARY:
                raise LineBroken(f"closed: {payload!r}")
            messages.append(_DECODER.decode(payload))
            at = end[1]
        del received[:at]
        return messages

    async def _receive(self) -> None:
        data: bytes | None = None
        while data is None:
            await trio.lowlevel.wait_readable(self._sock)
            # Under TLS what came may be half a record, or one that holds nothing for us.
            with contextlib.suppress(ssl.SSLWantReadError):
                data = self._sock.recv(_READ_BYTES)
        if not data:
            raise LineBroken("the node closed the line")
        self._received += data

    async def say(self, message: FromTerminal) -> None:
        """Send a message."""
        frame = Frame(Opcode.BINARY, _ENCODER.encode(message))
        await self.send(frame.serialize(mask=True))


async def open_line(
    url: str, terminal: str, key: Ed25519PrivateKey, tls: ssl.SSLContext | None = None
) -> Line:
    """Connect a terminal.

    Args:
      url: of the node.
      terminal: its name.
      key: its key.
      tls: how it trusts the node, where that speaks TLS.

    Raises:
      LineBroken: the node refused.
      OSError: it cannot be reached.
      trio.TooSlowError: it did not greet us within `HANDSHAKE_S_MAX`.
    """
    parts = urlsplit(url)
    assert parts.port, "a node's address names its port"
    # Waits for the kernel alone, which takes a connection on loopback before the node does.
    sock = socket.create_connection((parts.hostname, parts.port), HANDSHAKE_S_MAX)
    sock.settimeout(0)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls is not None:
        sock = tls.wrap_socket(sock, server_hostname=parts.hostname, do_handshake_on_connect=False)
    line = Line(sock)
    try:
        with trio.fail_after(HANDSHAKE_S_MAX):
            if isinstance(sock, ssl.SSLSocket):
                await _shake_tls_hands(sock)
            await line.shake_hands(url, terminal, key)
    except BaseException:
        line.close()
        raise
    return line


async def _shake_tls_hands(sock: ssl.SSLSocket) -> None:
    while True:
        try:
            sock.do_handshake()
            return
        except ssl.SSLWantReadError:
            await trio.lowlevel.wait_readable(sock)


def new_key() -> Ed25519PrivateKey:
    """Return a fresh key."""
    return Ed25519PrivateKey.from_private_bytes(os.urandom(32))


def frame_end(data: bytearray, at: int) -> tuple[int, int] | None:
    """Return where the payload of the frame at `at` begins and ends, if it is whole."""
    if len(data) < at + 2:
        return None
    size, start = data[at + 1] & 0x7F, at + 2
    if size >= _LENGTH_16_BITS:
        width = 2 if size == _LENGTH_16_BITS else 8
        if len(data) < start + width:
            return None
        size = int.from_bytes(data[start : start + width], "big")
        start += width
    return (start, start + size) if len(data) >= start + size else None
