"""A peer that keeps to no rule: it sends what it likes, when it likes, and says how it ended."""

from __future__ import annotations

import contextlib
import socket
from typing import Final
from urllib.parse import urlsplit

import msgspec
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.frames import Opcode

from bench.line import frame_end
from protocol.messages import (
    SUBPROTOCOL,
    VERSION,
    Challenge,
    FromNode,
    FromTerminal,
    Hello,
    Prove,
    Ready,
    proof_text,
)

REQUEST: Final = (
    "GET / HTTP/1.1\r\nHost: node\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
).encode()

DROPPED: Final = "dropped"
"""The connection broke off without a word."""
CONNECTING_S_MAX: Final = 5.0
"""A kernel whose queue of connections is full lets one wait."""

_DECODER: Final[msgspec.msgpack.Decoder[FromNode]] = msgspec.msgpack.Decoder(FromNode)
_ENCODER: Final = msgspec.msgpack.Encoder()
_READ_BYTES: Final = 64 * 1024
_LENGTH_7_BITS_MAX: Final = 125
_LENGTH_16_BITS_MAX: Final = 0xFFFF
_MASKED: Final = 0x80


class Ended(Exception):
    """The node ended the connection; the message tells how, as `1002 frame_invalid`."""


def frame(
    payload: bytes,
    opcode: int = Opcode.BINARY,
    *,
    fin: bool = True,
    reserved: int = 0,
    claimed: int | None = None,
) -> bytes:
    """Return a frame, right or wrong; it is masked with zeros, which costs nothing.

    Args:
      payload: what follows the header.
      opcode: any of four bits.
      fin: whether it ends a message.
      reserved: three bits.
      claimed: the length that the header tells; by default the true one.
    """
    size = len(payload) if claimed is None else claimed
    head = bytes([fin << 7 | reserved << 4 | opcode])
    if size <= _LENGTH_7_BITS_MAX:
        head += bytes([_MASKED | size])
    elif size <= _LENGTH_16_BITS_MAX:
        head += bytes([_MASKED | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([_MASKED | 127]) + size.to_bytes(8, "big")
    return head + bytes(4) + payload


def message(content: FromTerminal) -> bytes:
    """Return the frame of a message of the protocol."""
    return frame(_ENCODER.encode(content))


class Peer:
    """One hostile connection; made by `connect`.

    Attributes:
      received: bytes of the node that were not looked at yet.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.received = bytearray()

    @classmethod
    async def connect(cls, url: str, *, receive_bytes: int = 0) -> Peer:
        """Connect.

        Args:
          url: of the node.
          receive_bytes: what the kernel may keep for us; 0 for what is usual.

        Raises:
          Ended: the node took no connection.
        """
        parts = urlsplit(url)
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_bytes:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(0)
        peer = cls(sock)
        try:
            with trio.fail_after(CONNECTING_S_MAX):
                await peer._connect((parts.hostname or "", parts.port or 0))
        except (OSError, trio.TooSlowError):
            peer.close()
            raise Ended("not connected") from None
        except BaseException:
            peer.close()
            raise
        return peer

    async def _connect(self, address: tuple[str, int]) -> None:
        with contextlib.suppress(BlockingIOError):
            self._sock.connect(address)
        await trio.lowlevel.wait_writable(self._sock)
        if error := self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, "not connected")

    def close(self) -> None:
        """Hang up."""
        self._sock.close()

    async def send(self, data: bytes) -> None:
        """Send bytes; wait for a node that does not read them.

        Raises:
          Ended: the node has hung up.
        """
        view = memoryview(data)
        while view:
            await trio.lowlevel.wait_writable(self._sock)
            try:
                view = view[self._sock.send(view) :]
            except BlockingIOError:
                continue
            except OSError:
                break
        if view:
            raise Ended(await self.end())

    async def receive(self, bytes_max: int = _READ_BYTES) -> None:
        """Wait for bytes.

        Raises:
          Ended: there are no more.
        """
        await trio.lowlevel.wait_readable(self._sock)
        try:
            data = self._sock.recv(bytes_max)
        except OSError:
            data = b""
        if not data:
            raise Ended(self.last_word())
        self.received += data

    def look(self) -> None:
        """Take what is there, without waiting.

        Raises:
          Ended: the node has hung up, or said that it will.
        """
        try:
            data = self._sock.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            raise Ended(self.last_word())
        self.received += data
        self.drop_messages()
        if (word := self.last_word()) != DROPPED:
            raise Ended(word)

    async def end(self) -> str:
        """Wait until the node hangs up, or has said that it will; return how it did."""
        try:
            while (word := self.last_word()) == DROPPED:
                await self.receive()
                self.drop_messages()
        except Ended as ended:
            return str(ended)
        return word

    def last_word(self) -> str:
        """Return what the node said at the very end: a close code, an HTTP status, or nothing."""
        if self.received.startswith(b"HTTP/1.1 "):
            return self.received[9:12].decode()
        at = 0
        while (found := frame_end(self.received, at)) is not None:
            if self.received[at] & 0x0F == Opcode.CLOSE:
                body = self.received[found[0] : found[1]]
                reason = body[2:].decode(errors="replace").partition(":")[0]
                return f"{int.from_bytes(body[:2], 'big')} {reason}".strip()
            at = found[1]
        return DROPPED

    def drop_messages(self) -> None:
        """Forget whole frames that are no close frame."""
        at = 0
        while (found := frame_end(self.received, at)) is not None:
            if self.received[at] & 0x0F == Opcode.CLOSE:
                break
            at = found[1]
        del self.received[:at]

    # --- the ordinary way ---------------------------------------------------------------------

    async def upgrade(self) -> None:
        """Open the websocket.

        Raises:
          Ended: the node did not want us.
        """
        await self.send(REQUEST)
        while b"\r\n\r\n" not in self.received:
            await self.receive()
        if not self.received.startswith(b"HTTP/1.1 101 "):
            raise Ended(await self.end())
        del self.received[: self.received.index(b"\r\n\r\n") + 4]

    async def hello(self, terminal: str, key: Ed25519PrivateKey) -> Challenge:
        """Say who we are; return the challenge."""
        public = key.public_key().public_bytes_raw()
        await self.send(message(Hello((VERSION,), terminal, public, "attack")))
        challenge = await self.message()
        assert isinstance(challenge, Challenge), challenge
        return challenge

    async def shake_hands(self, terminal: str, key: Ed25519PrivateKey) -> Ready:
        """Open the websocket and prove who we are, as everybody does."""
        await self.upgrade()
        challenge = await self.hello(terminal, key)
        text = proof_text(challenge.nonce, key.public_key().public_bytes_raw(), terminal)
        await self.send(message(Prove(key.sign(text))))
        ready = await self.message()
        assert isinstance(ready, Ready), ready
        return ready

    async def message(self) -> FromNode:
        """Wait for a message.

        Raises:
          Ended: the node hung up instead.
        """
        while (found := frame_end(self.received, 0)) is None:
            await self.receive()
        if self.received[0] & 0x0F == Opcode.CLOSE:
            raise Ended(self.last_word())
        payload = bytes(self.received[found[0] : found[1]])
        del self.received[: found[1]]
        return _DECODER.decode(payload)
