"""A connection to a node, down to the byte: whatever is asked for is sent, right or wrong."""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections import deque
from collections.abc import Sequence
from hashlib import sha1
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import trio

from ops.conformance.errors import NotTried, RuleBroken, Silent
from ops.conformance.frames import Frame, FrameReader
from ops.conformance.limits import HTTP_BYTES_MAX, PATIENCE_S, RECEIVE_BYTES
from protocol.messages import SUBPROTOCOL

KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT: Final = b64encode(
    sha1((KEY + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()  # noqa: S324
).decode()
"""What RFC 6455, section 1.3, makes of the key."""

HEADERS: Final = {
    "Host": "node.example",
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Protocol": SUBPROTOCOL,
}


class Address(NamedTuple):
    """Where a node is."""

    host: str
    port: int
    tls: ssl.SSLContext | None

    @classmethod
    def of(cls, url: str, tls_ca: str | None = None) -> Address:
        """Read a URL of the form ws://HOST:PORT or wss://HOST:PORT.

        Args:
          url: where.
          tls_ca: a file with the certificate of the authority to trust, beside the system's.

        Raises:
          ValueError: it is no such URL.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"ws", "wss"} or not parts.hostname:
            raise ValueError(f"{url} is not of the form ws://HOST:PORT")
        if parts.scheme == "ws":
            return cls(parts.hostname, parts.port or 80, None)
        context = ssl.create_default_context()
        if tls_ca is not None:
            context.load_verify_locations(tls_ca)
        return cls(parts.hostname, parts.port or 443, context)


def request(*, method: str = "GET", path: str = "/", **changes: str | None) -> bytes:
    """Return a request for a websocket, with other headers where some are named.

    Args:
      method: of the first line.
      path: of the first line.
      changes: values of headers, by their name with low lines for hyphens; None leaves it out.
    """
    version = changes.pop("version", "HTTP/1.1")
    headers: dict[str, str | None] = dict(HEADERS)
    by_name = {name.lower(): name for name in headers}
    for key, value in changes.items():
        name = key.replace("_", "-")
        headers[by_name.get(name.lower(), name)] = value
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([f"{method} {path} {version}", *lines, "", ""]).encode()


class Response(NamedTuple):
    """What a node answers to a request."""

    status: int
    headers: dict[str, str]


class Line:
    """A connection.

    Args:
      stream: TCP, or TLS over it.
    """

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._reader = FrameReader()
        self._frames: deque[Frame] = deque()
        self._ahead = b""

    @classmethod
    async def open(cls, address: Address, *, receive_buffer_bytes: int | None = None) -> Line:
        """Connect.

        Raises:
          NotTried: nobody listens there.
        """
        try:
            with trio.fail_after(PATIENCE_S):
                return cls(await _stream(address, receive_buffer_bytes))
        except (OSError, trio.TooSlowError, trio.BrokenResourceError) as error:
            raise NotTried(f"no connection to {address.host}:{address.port}: {error}") from error

    @property
    def tls_version(self) -> str | None:
        """The version of TLS that is spoken; None without TLS."""
        if not isinstance(self._stream, trio.SSLStream):
            return None
        version: str | None = self._stream.version()
        return version

    # --- out ----------------------------------------------------------------------------------

    async def write(self, *parts: bytes) -> None:
        """Write bytes, all at once; where the other side has hung up they are lost."""
        try:
            with trio.fail_after(PATIENCE_S):
                await self._stream.send_all(b"".join(parts))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
        except trio.TooSlowError as late:
            raise Silent(f"it does not read, for {PATIENCE_S:g} s") from late

    async def end_sending(self) -> None:
        """Close our direction of the connection.

        Raises:
          NotTried: TLS knows no such thing.
        """
        if not isinstance(self._stream, trio.abc.HalfCloseableStream):
            raise NotTried("one direction alone cannot be closed with TLS")
        await self._stream.send_eof()

    def hang_up(self) -> None:
        """End the connection without a word."""
        stream = self._stream
        if isinstance(stream, trio.SSLStream):
            stream = stream.transport_stream
        assert isinstance(stream, trio.SocketStream)
        stream.socket.close()

    # --- in -----------------------------------------------------------------------------------

    async def read(self) -> bytes:
        """Wait for bytes; none at the end of the connection, however it came."""
        try:
            return bytes(await self._stream.receive_some(RECEIVE_BYTES))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return b""

    async def response(self) -> Response:
        """Wait for the answer to a request.

        Raises:
          RuleBroken: it is none.
        """
        received = b""
        with trio.move_on_after(PATIENCE_S):
            while b"\r\n\r\n" not in received and len(received) < HTTP_BYTES_MAX:
                data = await self.read()
                if not data:
                    break
                received += data
        head, end, self._ahead = received.partition(b"\r\n\r\n")
        if not end:
            raise RuleBroken(f"no answer to the request, but {received[:80]!r}")
        return _parsed(head.decode("latin-1").split("\r\n"))

    async def frame(self) -> Frame | None:
        """Wait for a frame; None at the end of the connection.

        Raises:
          Silent: none came in time.
        """
        try:
            with trio.fail_after(PATIENCE_S):
                return await self._frame()
        except trio.TooSlowError as late:
            raise Silent(f"nothing came for {PATIENCE_S:g} s") from late

    async def _frame(self) -> Frame | None:
        while not self._frames:
            data, self._ahead = self._ahead, b""
            if not data and not (data := await self.read()):
                return None
            self._frames += self._reader.feed(data)
        return self._frames.popleft()


async def _stream(address: Address, receive_buffer_bytes: int | None) -> trio.abc.Stream:
    if address.tls is not None:
        secure = await trio.open_ssl_over_tcp_stream(
            address.host, address.port, https_compatible=True, ssl_context=address.tls
        )
        await secure.do_handshake()
        return secure
    if receive_buffer_bytes is None:
        return await trio.open_tcp_stream(address.host, address.port)
    sock = trio.socket.socket()
    sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, receive_buffer_bytes)
    await sock.connect((address.host, address.port))
    return trio.SocketStream(sock)


def _parsed(lines: Sequence[str]) -> Response:
    version, _, rest = lines[0].partition(" ")
    code = rest.partition(" ")[0]
    if version != "HTTP/1.1" or not code.isdecimal():
        raise RuleBroken(f"no answer of HTTP/1.1: {lines[0]!r}")
    headers = (line.partition(":") for line in lines[1:])
    return Response(int(code), {name.lower(): value.strip() for name, _, value in headers})
